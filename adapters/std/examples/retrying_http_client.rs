//! A retry strategy of one's own: three times more on 429, 500, 502, 503 and 504, waiting twice as long each time.
//!
//! The library itself repeats a token request only when nothing was sent (`Settings::retries`): a request that reached the
//! server may have had its effect. Whoever knows that theirs are harmless to repeat, as client credentials are, can decide
//! otherwise here. `retried` is the whole strategy, and tested without any network.

use std::thread::sleep;
use std::time::Duration;

use sansal_std::{ConfidentialClient, HttpClient, HttpResponse, Request, SendError, UreqClient};

const RETRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);

struct Retrying<C> {
    inner: C,
    wait: fn(Duration),
}

impl<C: HttpClient> HttpClient for Retrying<C> {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let mut wait = FIRST_WAIT;
        for _ in 0..RETRIES {
            match self.inner.send(request) {
                Ok(response) if matches!(response.status, 429 | 500 | 502 | 503 | 504) => {
                    let asked = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
                    let asked = asked.and_then(|(_, value)| value.trim().parse().ok()).map(Duration::from_secs);
                    (self.wait)(wait.max(asked.unwrap_or_default()).min(request_timeout(request)));
                    wait = wait.saturating_mul(2);
                }
                other => return other,
            }
        }
        self.inner.send(request)
    }
}

/// No wait is longer than the request itself may take.
fn request_timeout(request: &Request) -> Duration {
    request.attempt_timeout.into()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = Retrying { inner: UreqClient::builder().build()?, wait: sleep };
    let client = ConfidentialClient::from_env()?.http_client(http).build()?;
    let token = client.acquire_token_for_client(&["https://graph.microsoft.com/.default"])?;
    println!("{:?}", token.source());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal_std::sansal::Endpoint;
    use sansal_std::sansal::time::Millis;
    use std::sync::Mutex;

    /// Answers with these statuses, one after the other.
    struct Scripted(Mutex<Vec<Result<u16, SendError>>>);

    impl HttpClient for Scripted {
        fn send(&self, _: &Request) -> Result<HttpResponse, SendError> {
            let status = self.0.lock().unwrap().remove(0)?;
            Ok(HttpResponse { status, headers: vec![("Retry-After".into(), "1".into())], body: Default::default() })
        }
    }

    #[test]
    fn three_times_and_no_more() {
        let cases: [(&[Result<u16, SendError>], Result<u16, SendError>); 6] = [
            (&[Ok(200)], Ok(200)),
            (&[Ok(429), Ok(200)], Ok(200)),
            (&[Ok(500), Ok(502), Ok(503), Ok(200)], Ok(200)),
            (&[Ok(504), Ok(504), Ok(504), Ok(504)], Ok(504)),
            (&[Ok(400)], Ok(400)),
            (&[Ok(503), Err(SendError::NoAnswer)], Err(SendError::NoAnswer)),
        ];
        let request = Request::get(Endpoint::parse("https://a.example/").unwrap(), 1, Millis(900));
        for (script, expected) in cases {
            let http = Retrying {
                inner: Scripted(Mutex::new(script.to_vec())),
                wait: |span| assert!(span <= Duration::from_millis(900)),
            };
            assert_eq!(http.send(&request).map(|response| response.status), expected, "{script:?}");
            assert!(http.inner.0.lock().unwrap().is_empty(), "{script:?}");
        }
    }
}
