//! `examples/web_application.rs` against the simulated platform: both legs, answers that belong to nobody, and ID tokens that the
//! platform did not sign.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::collections::HashMap;

use sansal_sim::{Application, CONTOSO_PUBLIC, CONTOSO_USER, Fault, On, Platform, Redirected, Request, What};
use sansal_std::sansal::base64::{url_decode, url_encode};
use sansal_std::sansal::client::IdTokenPolicy;
use sansal_std::sansal::error::{SendError, TokenError};
use sansal_std::sansal::http::Request as Outgoing;
use sansal_std::sansal::secret::SecretBytes;
use sansal_std::{ConfidentialClient, Error, HttpClient, HttpResponse, PublicClient};

use example::{Session, callback, home, login};
use sim::{AUTHORITY, Sim, USER_READ, encoded};

#[path = "../examples/web_application.rs"]
mod example;
#[path = "support/sim.rs"]
mod sim;

/// The value of a header.
fn header<'a>(reply: &'a str, name: &str) -> &'a str {
    reply.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

#[test]
fn a_browser_signs_in() {
    let web = Application::new("web").secret("s3cret").redirect_uri("http://localhost:5000/callback");
    let sim = Sim::with(Platform::contoso(1).unwrap().application(web));
    let builder = ConfidentialClient::builder("web").secret("s3cret").authority(AUTHORITY);
    let client = builder.http_client(sim.clone()).time(sim.clone()).build().unwrap();
    let mut sessions = HashMap::new();

    let begun = login(&client, &mut sessions).unwrap().0;
    let cookie = header(&begun, "Set-Cookie").split(';').next().unwrap().strip_prefix("session=").unwrap().to_owned();
    assert!(header(&begun, "Set-Cookie").contains("HttpOnly; SameSite=Lax"));
    assert!(home(&client, sessions.get(&cookie)).0.contains("href=\"/login\""), "not yet");
    let back = sim.platform().sign_in(header(&begun, "Location"), CONTOSO_USER, sim.now()).unwrap();
    let query = encoded(&back);
    assert_eq!(back.redirect_uri, "http://localhost:5000/callback");

    // Another browser, or none, with the right answer.
    assert!(callback(&client, &mut sessions, "", &query).0.starts_with("HTTP/1.1 400"));
    let other = login(&client, &mut sessions).unwrap().0;
    let other = header(&other, "Set-Cookie").split(';').next().unwrap().strip_prefix("session=").unwrap().to_owned();
    assert!(callback(&client, &mut sessions, &other, &query).0.starts_with("HTTP/1.1 400"));
    assert!(!sessions.contains_key(&other), "a flow serves once");

    let done = callback(&client, &mut sessions, &cookie, &query).0;
    assert!(done.starts_with("HTTP/1.1 303") && header(&done, "Location") == "/", "{done}");
    assert!(matches!(sessions.get(&cookie), Some(Session::SignedIn(_))));
    for _ in 0..2 {
        assert!(home(&client, sessions.get(&cookie)).0.contains(CONTOSO_USER));
        // Then by the refresh token.
        sim.pass(7200);
    }
    assert!(callback(&client, &mut sessions, &cookie, &query).0.starts_with("HTTP/1.1 400"), "and once only");

    // A user who says no.
    let begun = login(&client, &mut sessions).unwrap().0;
    let cookie = header(&begun, "Set-Cookie").split(';').next().unwrap().strip_prefix("session=").unwrap().to_owned();
    sim.platform().deny_next("access_denied");
    let (host, target) = header(&begun, "Location").strip_prefix("https://").unwrap().split_once('/').unwrap();
    let answer = sim.platform().answer(&Request::get(host, &format!("/{target}"), sim.now()));
    let denied = callback(&client, &mut sessions, &cookie, &encoded(&Redirected::of(&answer).unwrap()));
    assert!(denied.0.starts_with("HTTP/1.1 403"), "{}", denied.0);
}

/// Somebody between the platform and us, who changes ID tokens.
#[derive(Clone)]
struct Between(Sim, fn(&str) -> String);

impl HttpClient for Between {
    fn send(&self, request: &Outgoing) -> Result<HttpResponse, SendError> {
        let mut response = self.0.send(request)?;
        let text = String::from_utf8(response.body.expose().to_vec()).unwrap();
        if let Some((before, rest)) = text.split_once(r#""id_token":""#) {
            let (token, after) = rest.split_once('"').unwrap();
            let changed = format!(r#"{before}"id_token":"{}"{after}"#, (self.1)(token));
            response.body = SecretBytes::new(changed.into_bytes());
        }
        Ok(response)
    }
}

fn with_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", url_encode(header.as_bytes()))
}

fn with_name(token: &str) -> String {
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let claims = String::from_utf8(url_decode(claims).unwrap()).unwrap().replace("Adele", "Admin");
    format!("{header}.{}.{signature}", url_encode(claims.as_bytes()))
}

#[test]
fn id_tokens_that_the_platform_did_not_sign() {
    // Who is between, and what the check of the signature says.
    let cases: [(fn(&str) -> String, Option<TokenError>); 6] = [
        (str::to_owned, None),
        (with_name, Some(TokenError::Signature)),
        (|token| with_header(token, r#"{"alg":"none"}"#), Some(TokenError::Algorithm)),
        (|token| with_header(token, r#"{"alg":"HS256","typ":"JWT"}"#), Some(TokenError::Algorithm)),
        (|token| with_header(token, r#"{"alg":"RS256","kid":"x"}"#), Some(TokenError::UnknownKey)),
        (|token| with_header(token, r#"{"alg":"RS256","crit":[]}"#), Some(TokenError::Critical)),
    ];
    for (change, expected) in cases {
        for policy in [IdTokenPolicy::Signature, IdTokenPolicy::Claims] {
            let sim = Sim::new();
            let builder = PublicClient::builder(CONTOSO_PUBLIC).authority(AUTHORITY).id_token_policy(policy);
            let client = builder.http_client(Between(sim.clone(), change)).time(sim.clone()).build().unwrap();
            let sign_in = || {
                let interactive = sim.interactive(CONTOSO_USER);
                let redirect_uri = interactive.redirect_uri();
                let request = sansal_std::sansal::AuthorizationRequest::new(USER_READ, &redirect_uri).unwrap();
                client.acquire_token_interactive_with(&interactive, &request)
            };
            let asked = || sim.platform().asked(&On::Keys);
            let wanted = expected.clone().filter(|_| policy == IdTokenPolicy::Signature);
            match (sign_in(), wanted) {
                (Ok(_), None) => {
                    let account = client.get_accounts(None).unwrap().remove(0);
                    sim.pass(3500);
                    client.acquire_token_silent(USER_READ, &account).unwrap();
                    sign_in().unwrap();
                    // One set of keys for all of them, and none where the signature is not asked for.
                    assert_eq!(asked(), usize::from(policy == IdTokenPolicy::Signature));
                }
                (Err(Error::Token(why)), Some(expected)) => {
                    assert_eq!(why, expected);
                    assert!(client.get_accounts(None).unwrap().is_empty(), "nothing is stored");
                    assert!(client.with_token_cache(|cache| cache.weight().0) == 0, "nothing is stored");
                }
                (other, wanted) => panic!("{policy:?}: {:?} instead of {wanted:?}", other.map(|_| "a token")),
            }
        }
    }
    // Nobody could know whether it is right: there is no token, and the code is not spent.
    let sim = Sim::new();
    sim.platform().fault(Fault::new(On::Keys, What::Status { code: 404, retry_after: None }).always());
    let client = sim.public().id_token_policy(IdTokenPolicy::Signature).build().unwrap();
    let interactive = sim.interactive(CONTOSO_USER);
    let request = sansal_std::sansal::AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    let refused = client.acquire_token_interactive_with(&interactive, &request);
    assert!(matches!(refused, Err(Error::BadResponse { .. })));
    assert_eq!(sim.platform().asked(&On::Token), 0);
    assert!(client.get_accounts(None).unwrap().is_empty());
}
