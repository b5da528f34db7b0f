//! `examples/web_application.rs` against the simulated platform: both legs, and answers that belong to nobody.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::collections::HashMap;

use sansal_sim::{Application, CONTOSO_USER, Platform, Redirected, Request};
use sansal_std::ConfidentialClient;

use example::{Session, callback, home, login};
use sim::{AUTHORITY, Sim, encoded};

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
