//! A real headless Chromium signs in at npm `oidc-provider` and lands on the loopback listener.
//!
//! `tests/run interop` starts the server; without one (`SANSAL_LAB` is unset) these tests say that they are left out, and
//! fail where `CI` is `true`. The screenshots stay in the lab's folder. Nothing leaves the loopback interface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this file is a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};

use sansal::Endpoint;
use sansal::http::form;
use sansal_std::{Asks, Cancel, Interactive, NoBrowser, OpenBrowser};
use serde_json::Value;

/// RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The user: runs `tests/lab/browser` and sends what it saw.
struct Chromium {
    screenshot: PathBuf,
    cancel: bool,
    saw: Sender<Value>,
    give_up: Cancel,
}

impl OpenBrowser for Chromium {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/browser");
        let mut command = Command::new(script);
        command.arg(url).arg(&self.screenshot).args(self.cancel.then_some("--cancel"));
        let output = command.output().unwrap();
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            self.give_up.cancel();
            return Err(NoBrowser::NotStarted);
        }
        self.saw.send(serde_json::from_slice(&output.stdout).unwrap()).unwrap();
        Ok(())
    }
}

/// The issuer and the folder of the lab, or `None` with a word about it.
#[expect(clippy::disallowed_methods, reason = "where the lab is stands in variables")]
fn lab() -> Option<(String, PathBuf)> {
    let issuer = std::env::var("SANSAL_LAB").ok().filter(|text| text.starts_with("https://"));
    let found = issuer.zip(std::env::var_os("SANSAL_LAB_DIR").map(PathBuf::from));
    if found.is_none() {
        let elsewhere = std::env::var("SANSAL_LAB").is_ok_and(|text| text == "elsewhere");
        assert!(elsewhere || std::env::var("CI").as_deref() != Ok("true"), "there is no lab: tests/run interop");
        println!("left out: run it by `tests/run interop`");
    }
    found
}

/// What came back to the listener, and what the browser showed in the end.
fn sign_in(name: &str, mode: &str, cancel: bool) -> Option<(Vec<(String, String)>, Value)> {
    let (issuer, dir) = lab()?;
    let (saw, seen) = channel();
    let give_up = Cancel::new();
    let screenshot = dir.join(format!("{name}.png"));
    let _ = std::fs::remove_file(&screenshot);
    let browser = Chromium { screenshot: screenshot.clone(), cancel, saw, give_up: give_up.clone() };
    let interactive = Interactive::bind(None).unwrap().browser(browser).cancel(give_up);
    let redirect_uri = interactive.redirect_uri();
    let url = Endpoint::parse(&format!("{issuer}/auth")).unwrap();
    let url = url.with_query(&[
        ("client_id", "native"),
        ("response_type", "code"),
        ("response_mode", mode),
        ("redirect_uri", &redirect_uri),
        ("scope", "openid profile offline_access"),
        ("prompt", "consent"),
        ("state", "a-state/of+32 bytes"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let came = interactive.open_browser(&url.unwrap().to_string(), &redirect_uri).unwrap();
    let saw = seen.recv().unwrap();
    let fields =
        form::decode(came.expose()).unwrap().into_iter().map(|(name, value)| (name, value.expose().to_owned()));
    let png = std::fs::read(&screenshot).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 2_000, "{}", screenshot.display());
    println!("{}: {}", screenshot.display(), saw["heading"]);
    assert_eq!(saw["foreign"], serde_json::json!([]), "the page needs nothing from elsewhere");
    println!("the browser complains: {}", saw["complaints"]);
    assert_eq!(saw["lang"], "en");
    let shown = saw["url"].as_str().unwrap();
    let expected = format!("{redirect_uri}{}", if mode == "query" { "/done" } else { "/" });
    assert_eq!(shown, expected, "no code in the address");
    Some((fields.collect(), saw))
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
}

#[test]
fn chromium_lands_on_the_loopback_page() {
    for mode in ["form_post", "query"] {
        let Some((fields, saw)) = sign_in(&format!("browser-{mode}"), mode, false) else { return };
        assert!(value(&fields, "code").len() > 20);
        assert_eq!(value(&fields, "state"), "a-state/of+32 bytes");
        // RFC 9207
        assert!(value(&fields, "iss").starts_with("https://localhost:"));
        assert_eq!(saw["title"], "Signed in");
        assert_eq!(saw["heading"], "You are signed in");
        assert!(saw["text"].as_str().unwrap().contains("You can close this tab."));
    }
}

#[test]
fn chromium_shows_why_the_sign_in_failed() {
    for mode in ["form_post", "query"] {
        let Some((fields, saw)) = sign_in(&format!("browser-{mode}-cancelled"), mode, true) else { return };
        assert_eq!(value(&fields, "error"), "access_denied");
        assert_eq!(value(&fields, "code"), "");
        assert_eq!(saw["heading"], "The sign-in failed");
        let text = saw["text"].as_str().unwrap();
        assert!(text.contains("access_denied") && text.contains(value(&fields, "error_description")), "{text}");
    }
}
