//! An HTTP client of one's own: here one that counts, over the one of this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sansal_std::{ConfidentialClient, HttpClient, HttpResponse, Request, SendError, UreqClient};

struct Counting {
    inner: UreqClient,
    count: Arc<AtomicUsize>,
}

impl HttpClient for Counting {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count = Arc::new(AtomicUsize::new(0));
    let http = Counting { inner: UreqClient::builder().build()?, count: count.clone() };
    let client = ConfidentialClient::from_env()?.http_client(http).build()?;
    for _ in 0..2 {
        let token = client.acquire_token_for_client(&["https://graph.microsoft.com/.default"])?;
        println!("{:?}, after {} requests", token.source(), count.load(Ordering::Relaxed));
    }
    Ok(())
}
