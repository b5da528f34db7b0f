//! The simulated platform without sockets: an HTTP client that hands requests to it, a clock that only sleepers move, and a
//! browser that signs in by itself.
#![allow(dead_code, reason = "each test file uses its part")]

#[path = "folder.rs"]
mod folder;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use folder::folder;
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_PUBLIC, CONTOSO_SECRET, Delivery, Platform, Redirected};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::{Request, form};
use sansal_std::sansal::time::{Clock, Millis, UnixTime};
use sansal_std::{
    ConfidentialClient, HttpClient, HttpResponse, Interactive, NoBrowser, OpenBrowser, PublicClient, Time,
};

pub(crate) const AUTHORITY: &str = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
pub(crate) const USER_READ: &[&str] = &["https://graph.microsoft.com/User.Read"];
const START: u64 = 1_800_000_000;

/// Clones are the same platform and the same clock.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Inner>);

struct Inner {
    platform: Mutex<Platform>,
    ms: AtomicU64,
    sent: Mutex<Vec<String>>,
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::with(Platform::contoso(1).unwrap())
    }

    pub(crate) fn with(platform: Platform) -> Self {
        Self(Arc::new(Inner { platform: Mutex::new(platform), ms: AtomicU64::new(0), sent: Mutex::default() }))
    }

    pub(crate) fn platform(&self) -> MutexGuard<'_, Platform> {
        self.0.platform.lock().unwrap()
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        START + self.0.ms.load(Ordering::SeqCst) / 1000
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.ms.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// `grant_type`s of the token requests so far, and the paths of all others but discovery.
    pub(crate) fn sent(&self) -> Vec<String> {
        self.0.sent.lock().unwrap().clone()
    }

    pub(crate) fn public(&self) -> sansal_std::PublicClientBuilder {
        PublicClient::builder(CONTOSO_PUBLIC).authority(AUTHORITY).http_client(self.clone()).time(self.clone())
    }

    pub(crate) fn confidential(&self) -> sansal_std::ConfidentialClientBuilder {
        let builder = ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET).authority(AUTHORITY);
        builder.http_client(self.clone()).time(self.clone())
    }

    /// A listener, and a browser in which this user signs in.
    pub(crate) fn interactive(&self, user: &str) -> Interactive {
        Interactive::bind(None).unwrap().browser(SignsIn(self.clone(), user.to_owned()))
    }
}

impl HttpClient for Sim {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let mut headers: Vec<(String, String)> =
            request.headers.iter().map(|h| (h.name.to_owned(), h.value.expose().to_owned())).collect();
        headers.extend(request.body.iter().map(|body| ("Content-Type".to_owned(), body.content_type.to_owned())));
        let received = sansal_sim::Request {
            headers,
            method: request.method.as_str().to_owned(),
            body: request.body.as_ref().map(|body| body.bytes.expose().to_vec()).unwrap_or_default(),
            ..sansal_sim::Request::get(request.endpoint.host(), &request.endpoint.request_target(), self.now())
        };
        let fields = form::decode(&String::from_utf8_lossy(&received.body)).unwrap_or_default();
        let grant = fields.iter().find(|(name, _)| name == "grant_type").map(|(_, value)| value.expose().to_owned());
        if !received.path().ends_with("openid-configuration") {
            self.0.sent.lock().unwrap().push(grant.unwrap_or_else(|| received.path().to_owned()));
        }
        let response = self.platform().answer(&received);
        match response.delivery {
            Delivery::Whole => {}
            _ => return Err(SendError::NoAnswer),
        }
        if response.body.len() > request.response_limit {
            return Err(SendError::TooLarge);
        }
        Ok(HttpResponse { headers: response.headers, ..HttpResponse::new(response.status, response.body) })
    }
}

impl Time for Sim {
    fn now(&self) -> Clock {
        let ms = self.0.ms.load(Ordering::SeqCst);
        Clock::new(Millis(ms), UnixTime(START + ms / 1000))
    }

    fn sleep(&self, span: Millis) {
        self.0.ms.fetch_add(span.0, Ordering::SeqCst);
    }
}

/// A browser whose user signs in at once, and is sent back to the listener.
struct SignsIn(Sim, String);

impl OpenBrowser for SignsIn {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        let now = self.0.now();
        let back = self.0.platform().sign_in(url, &self.1, now).unwrap();
        bring(&back);
        Ok(())
    }
}

/// Brings an answer to the loopback listener, as a form.
pub(crate) fn bring(back: &Redirected) {
    let port: u16 = back.redirect_uri.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let body = encoded(back);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

/// The parameters as a form.
pub(crate) fn encoded(back: &Redirected) -> String {
    form::encode(back.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))).expose().to_owned()
}

/// A file in a new folder, that is not there yet.
pub(crate) fn new_file(name: &str) -> PathBuf {
    folder(name).join("tokens.json")
}
