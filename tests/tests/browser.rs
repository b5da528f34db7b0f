//! A user signs in with a real headless Chromium at npm `oidc-provider` over TLS, and lands on the loopback listener.
//!
//! `tests/run interop` starts the server; without one (`SANSAL_LAB` is unset) these tests say that they are left out, and
//! fail where `CI` is `true`. The screenshots stay in the lab's folder. Nothing leaves the loopback interface.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "all of this file is a test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};

use sansal::authorization::{AuthorizationRequest, Prompt, ResponseMode};
use sansal::silent::Silent;
use sansal::{Error, Token, TokenSource};
use sansal_std::{Cancel, Interactive, NoBrowser, OpenBrowser, PublicClient};
use serde_json::Value;

/// The issuer of `tests/lab/with-op`, and its folder.
struct Lab {
    issuer: String,
    dir: PathBuf,
}

impl Lab {
    /// The lab, or `None` with a word about it.
    fn find() -> Option<Self> {
        let Some(issuer) = variable("SANSAL_LAB").filter(|text| text.starts_with("https://")) else {
            let elsewhere = variable("SANSAL_LAB").is_some_and(|text| text == "elsewhere");
            assert!(elsewhere || variable("CI").is_none_or(|ci| ci != "true"), "no server: run tests/run interop");
            eprintln!("left out: no server; tests/run interop starts one");
            return None;
        };
        Some(Self { issuer, dir: PathBuf::from(variable("SANSAL_LAB_DIR").unwrap()) })
    }

    /// An application of users, as the lab's server knows it.
    fn application(&self) -> PublicClient {
        let ca = std::fs::read(self.dir.join("certs/ca.pem")).unwrap();
        let builder = PublicClient::builder("native").oidc_authority(&self.issuer);
        builder.extra_roots(&ca).only_extra_roots().build().unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the lab is named by variables")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The user: `tests/lab/browser`, and what it saw.
struct Chromium {
    screenshot: PathBuf,
    declines: bool,
    saw: Sender<Value>,
    give_up: Cancel,
}

impl OpenBrowser for Chromium {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/browser");
        let mut command = Command::new(script);
        command.arg(url).arg(&self.screenshot).args(self.declines.then_some("--cancel"));
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

/// A browser that leaves a picture of its last page.
fn chromium(lab: &Lab, name: &str, declines: bool) -> (Interactive, PathBuf, Receiver<Value>) {
    let (saw, seen) = channel();
    let screenshot = lab.dir.join(format!("browser-{name}.png"));
    let _ = std::fs::remove_file(&screenshot);
    let give_up = Cancel::new();
    let browser = Chromium { screenshot: screenshot.clone(), declines, saw, give_up: give_up.clone() };
    (Interactive::bind(None).unwrap().browser(browser).cancel(give_up), screenshot, seen)
}

/// The whole sign-in: discovery, browser, code, token. And the page where the user ends.
fn sign_in(
    lab: &Lab,
    client: &PublicClient,
    name: &str,
    mode: ResponseMode,
    declines: bool,
) -> (Result<Token, Error>, Value) {
    let (interactive, screenshot, seen) = chromium(lab, name, declines);
    let redirect_uri = interactive.redirect_uri();
    let request = AuthorizationRequest::new(&["api.read"], &redirect_uri).unwrap();
    let request = request.response_mode(Some(mode)).prompt(&[Prompt::Login, Prompt::Consent]);
    let result = client.acquire_token_interactive_with(&interactive, &request);
    let saw = seen.recv().unwrap();
    let png = std::fs::read(&screenshot).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 2_000, "{}", screenshot.display());
    println!("{}: {}", screenshot.display(), saw["heading"]);
    let last = if mode == ResponseMode::Query { "/done" } else { "/" };
    assert_eq!(saw["url"], format!("{redirect_uri}{last}"), "no code in the address");
    assert_eq!(saw["foreign"], serde_json::json!([]), "the page needs nothing from elsewhere");
    assert_eq!(saw["complaints"], serde_json::json!([]));
    assert_eq!(saw["lang"], "en");
    (result, saw)
}

#[test]
fn a_user_signs_in_stays_signed_in_and_signs_out() {
    let Some(lab) = Lab::find() else { return };
    for (name, mode) in [("form-post", ResponseMode::FormPost), ("query", ResponseMode::Query)] {
        let client = lab.application();
        let (token, saw) = sign_in(&lab, &client, name, mode, false);
        let token = token.unwrap();
        assert_eq!(saw["heading"], "You are signed in");
        assert!(saw["text"].as_str().unwrap().contains("You can close this tab."));
        let claims = token.id_token_claims().unwrap();
        assert_eq!(claims.text("preferred_username"), Some("alice@lab.example"));

        let accounts = client.get_accounts(None).unwrap();
        let [account] = accounts.as_slice() else { panic!("one account: {}", accounts.len()) };
        assert_eq!(account.username(), Some("alice@lab.example"));
        let silent = Silent::new(account, &["api.read"]).unwrap();
        let cached = client.acquire_token_silent(&["api.read"], account).unwrap();
        assert_eq!((cached.source(), cached.access_token()), (TokenSource::Cache, token.access_token()));
        // Each refresh token works once here: the second refresh shows that the new one was kept.
        let mut last = token.access_token().to_owned();
        for _ in 0..2 {
            let fresh = client.acquire_token_silent_with(&silent.clone().force_refresh(true)).unwrap();
            assert_ne!(fresh.access_token(), last);
            fresh.access_token().clone_into(&mut last);
        }
        client.remove_account(account).unwrap().unwrap();
        assert!(client.get_accounts(None).unwrap().is_empty());
        assert!(client.acquire_token_silent_with(&silent).is_err());
    }
}

/// The user at another machine: opens the address that the device shows, and approves it or not.
fn at_the_other_machine(
    lab: &Lab,
    address: String,
    name: &str,
    choice: &'static str,
) -> std::thread::JoinHandle<Value> {
    let screenshot = lab.dir.join(format!("browser-{name}.png"));
    let _ = std::fs::remove_file(&screenshot);
    std::thread::spawn(move || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/browser");
        let output = Command::new(script).arg(&address).arg(&screenshot).arg(choice).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let png = std::fs::read(&screenshot).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 2_000, "{}", screenshot.display());
        println!("{}", screenshot.display());
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

#[test]
fn a_device_code_is_approved_in_the_browser() {
    // RFC 8628, with a server, a browser and a person that are not ours.
    let Some(lab) = Lab::find() else { return };
    let client = lab.application();
    let mut flow = client.initiate_device_flow(&["api.read"]).unwrap();
    let address = flow.verification_uri_complete().unwrap().to_string();
    assert!(address.contains(&flow.user_code().replace('-', "")) || address.contains(flow.user_code()), "{address}");
    let person = at_the_other_machine(&lab, address, "device", "--device");
    let token = client.acquire_token_by_device_flow(&mut flow).unwrap();
    println!("{}", person.join().unwrap()["heading"]);
    assert_eq!(token.id_token_claims().unwrap().text("preferred_username"), Some("alice@lab.example"));
    let accounts = client.get_accounts(None).unwrap();
    let silent = client.acquire_token_silent(&["api.read"], &accounts[0]).unwrap();
    assert_eq!((silent.source(), silent.access_token()), (TokenSource::Cache, token.access_token()));
    // The code works once.
    assert!(client.acquire_token_by_device_flow(&mut flow).unwrap_err().refusal().is_some());
}

#[test]
fn a_device_code_is_declined_in_the_browser() {
    let Some(lab) = Lab::find() else { return };
    let client = lab.application();
    let mut flow = client.initiate_device_flow(&["api.read"]).unwrap();
    let address = flow.verification_uri_complete().unwrap().to_string();
    let person = at_the_other_machine(&lab, address, "device-declined", "--device-cancel");
    let error = client.acquire_token_by_device_flow(&mut flow).unwrap_err();
    println!("{}", person.join().unwrap()["heading"]);
    assert_eq!(error.refusal().unwrap().error(), "access_denied");
    assert!(client.get_accounts(None).unwrap().is_empty());
}

#[test]
fn a_page_signs_in_with_fetch() {
    // `tests/page`: the machine is in WebAssembly, and a browser tab is its runtime.
    let Some(lab) = Lab::find() else { return };
    if variable("SANSAL_PAGE").is_none() {
        assert!(variable("CI").is_none_or(|ci| ci != "true"), "no page: run tests/run interop");
        return eprintln!("left out: no page; tests/run interop builds it");
    }
    let origin = lab.issuer.strip_suffix("/lab").unwrap();
    let page = |client: &str, scope: &str| {
        format!("{origin}/page/index.html?issuer={}&client_id={client}&scope={scope}", lab.issuer)
    };
    let saw = at_the_other_machine(&lab, page("native", "api.read"), "page", "--page").join().unwrap();
    assert_eq!(saw["heading"], "Signed in", "{saw}");
    assert!(saw["status"].as_str().unwrap().starts_with("as User alice, until 20"), "{saw}");
    let asked: Vec<&str> = saw["asked"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let own: Vec<&str> = asked.iter().copied().filter(|one| !one.contains("/page/")).collect();
    assert_eq!(own[..2], ["GET /lab/.well-known/openid-configuration", "POST /lab/device/auth"], "{saw}");
    assert!(own.len() > 2 && own[2..].iter().all(|one| *one == "POST /lab/token"), "{saw}");
    let log = std::fs::read_to_string(variable("SANSAL_LAB_LOG").unwrap()).unwrap();
    assert!(log.lines().any(|line| line.starts_with("granted native none ")), "{log}");
    // The page says what is wrong in our words.
    let saw = at_the_other_machine(&lab, page("nobody", "api.read"), "page-refused", "--page").join().unwrap();
    assert_eq!(saw["heading"], "Not signed in", "{saw}");
    assert!(saw["status"].as_str().unwrap().contains("invalid_client"), "{saw}");
}

#[test]
fn a_user_declines() {
    let Some(lab) = Lab::find() else { return };
    for (name, mode) in [("form-post-declined", ResponseMode::FormPost), ("query-declined", ResponseMode::Query)] {
        let client = lab.application();
        let (result, saw) = sign_in(&lab, &client, name, mode, true);
        let error = result.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert_eq!(refusal.error(), "access_denied");
        assert_eq!(saw["heading"], "The sign-in failed");
        let text = saw["text"].as_str().unwrap();
        assert!(text.contains("access_denied") && text.contains("End-User aborted interaction"), "{text}");
        assert!(!text.contains("More about it"), "nothing to say about it: {text}");
        assert!(client.get_accounts(None).unwrap().is_empty());
    }
}
