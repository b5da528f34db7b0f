//! Every branch of `examples/error_handling.rs`, driven by the simulated platform.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

use sansal_sim::{CONTOSO_USER, Fault, On, Revoke, What};
use sansal_std::{Cancel, Interactive, NoBrowser, OpenBrowser, PublicClient, TokenSource};

use example::{ATTEMPTS, NoToken, World, acquire};
use sim::{Sim, USER_READ, bring};

#[path = "../examples/error_handling.rs"]
mod example;
#[path = "support/sim.rs"]
mod sim;

const CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// What the browser does, once for each time it is opened; and what was waited for.
struct Scene {
    sim: Sim,
    client: PublicClient,
    opened: RefCell<u32>,
    waited: RefCell<Vec<u64>>,
}

#[derive(Clone, Copy, Debug)]
enum User {
    SignsIn,
    Says(&'static str),
    Leaves,
    IsStopped,
}

/// Says no, or does nothing.
struct Unwilling(Sim, User, Mutex<Option<Cancel>>);

impl OpenBrowser for Unwilling {
    fn open(&self, url: &str) -> Result<(), NoBrowser> {
        if let User::Says(error) = self.1 {
            let now = self.0.now();
            self.0.platform().deny_next(error);
            let (host, target) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
            let request = sansal_sim::Request::get(host, &format!("/{target}"), now);
            let response = self.0.platform().answer(&request);
            bring(&sansal_sim::Redirected::of(&response).unwrap());
        }
        if let Some(cancel) = self.2.lock().unwrap().take() {
            cancel.cancel();
        }
        Ok(())
    }
}

impl Scene {
    fn new() -> Self {
        let sim = Sim::new();
        let client = sim.public().build().unwrap();
        Self { sim, client, opened: RefCell::default(), waited: RefCell::default() }
    }

    /// Somebody has signed in before, and the access token has ended.
    fn with_account() -> Self {
        let scene = Self::new();
        scene.run(&[User::SignsIn]).unwrap();
        assert_eq!(scene.accounts(), 1);
        scene.sim.pass(7200);
        scene.opened.replace(0);
        scene
    }

    fn accounts(&self) -> usize {
        self.client.get_accounts(None).unwrap().len()
    }

    fn run(&self, users: &[User]) -> Result<TokenSource, NoToken> {
        let scopes: Vec<String> = USER_READ.iter().map(|&scope| scope.to_owned()).collect();
        let begun = *self.opened.borrow();
        let interactive = || {
            let user = users[usize::try_from(*self.opened.borrow() - begun).unwrap()];
            *self.opened.borrow_mut() += 1;
            Ok(match user {
                User::SignsIn => self.sim.interactive(CONTOSO_USER),
                User::Leaves | User::Says(_) => {
                    Interactive::bind(None)?.browser(Unwilling(self.sim.clone(), user, Mutex::default())).timeout(
                        if matches!(user, User::Leaves) { Duration::from_millis(50) } else { Duration::from_secs(60) },
                    )
                }
                User::IsStopped => {
                    let cancel = Cancel::new();
                    let browser = Unwilling(self.sim.clone(), user, Mutex::new(Some(cancel.clone())));
                    Interactive::bind(None)?.browser(browser).cancel(cancel)
                }
            })
        };
        let wait = |span: Duration| {
            self.sim.pass(span.as_secs());
            self.waited.borrow_mut().push(span.as_secs());
        };
        acquire(&self.client, &scopes, &World { interactive: &interactive, wait: &wait }).map(|token| token.source())
    }

    fn fault(&self, on: On, code: u16, retry_after: Option<u64>, times: u32) {
        self.sim.platform().fault(Fault::new(on, What::Status { code, retry_after }).times(times));
    }
}

fn refresh() -> On {
    On::Grant("refresh_token".to_owned())
}

#[test]
fn nobody_known_signs_in_and_is_known_then() {
    let scene = Scene::new();
    assert_eq!(scene.run(&[User::SignsIn]).unwrap(), TokenSource::IdentityProvider);
    assert_eq!(scene.run(&[]).unwrap(), TokenSource::Cache);
    scene.sim.pass(7200);
    assert_eq!(scene.run(&[]).unwrap(), TokenSource::IdentityProvider, "by the refresh token");
    assert_eq!(*scene.opened.borrow(), 1);
}

#[test]
fn dead_refresh_tokens_remove_the_account() {
    let scene = Scene::with_account();
    scene.sim.platform().revoke(CONTOSO_USER, &Revoke::BadToken);
    assert!(matches!(scene.run(&[User::Says("access_denied")]), Err(NoToken::Declined)));
    assert_eq!(scene.accounts(), 0, "forgotten, although nobody signed in instead");
    assert_eq!(scene.run(&[User::SignsIn]).unwrap(), TokenSource::IdentityProvider);
    assert_eq!(scene.accounts(), 1);
}

#[test]
fn claims_go_into_the_sign_in() {
    let scene = Scene::with_account();
    scene.sim.platform().revoke(CONTOSO_USER, &Revoke::Interaction { claims: CLAIMS.to_owned() });
    assert_eq!(scene.run(&[User::SignsIn]).unwrap(), TokenSource::IdentityProvider);
    assert_eq!((scene.accounts(), *scene.opened.borrow()), (1, 1));
    let claims = scene.client.with_token_cache(|tokens| {
        let json: serde_json::Value = serde_json::from_slice(&tokens.to_json()).unwrap();
        let token = json["AccessToken"].as_object().unwrap().values().next_back().unwrap()["secret"].clone();
        let part = token.as_str().unwrap().split('.').nth(1).unwrap();
        String::from_utf8(sansal_std::sansal::base64::url_decode(part).unwrap()).unwrap()
    });
    assert!(claims.contains("\"acrs\""), "the token has what was asked for: {claims}");
}

#[test]
fn a_user_who_says_no_or_goes_away() {
    let scene = Scene::new();
    assert!(matches!(scene.run(&[User::Says("access_denied")]), Err(NoToken::Declined)));
    assert!(matches!(scene.run(&[User::Leaves]), Err(NoToken::TimedOut)));
    assert!(matches!(scene.run(&[User::IsStopped]), Err(NoToken::Cancelled)));
    assert_eq!((scene.accounts(), scene.waited.borrow().len()), (0, 0));
}

#[test]
fn wrong_configuration_is_for_the_developer() {
    let scene = Scene::new();
    assert!(matches!(scene.run(&[User::Says("invalid_scope")]), Err(NoToken::Misconfigured(_))));
    assert!(matches!(scene.run(&[User::Says("unauthorized_client")]), Err(NoToken::Misconfigured(_))));
    assert!(matches!(scene.run(&[User::Says("something_else")]), Err(NoToken::Failed(_))));
    let world = World { interactive: &|| Interactive::bind(None), wait: &|_| panic!("no wait") };
    let reserved = acquire(&scene.client, &["openid".to_owned()], &world);
    assert!(matches!(reserved, Err(NoToken::Misconfigured(_))), "{reserved:?}");
}

#[test]
fn a_busy_browser_page_backs_off() {
    let scene = Scene::new();
    let users = [User::Says("server_error"), User::Says("temporarily_unavailable"), User::SignsIn];
    assert_eq!(scene.run(&users).unwrap(), TokenSource::IdentityProvider);
    assert_eq!(*scene.waited.borrow(), [1, 2]);
    let scene = Scene::new();
    let always = [User::Says("server_error"); ATTEMPTS as usize];
    assert!(matches!(scene.run(&always), Err(NoToken::TryLater(None))));
    assert_eq!((*scene.opened.borrow(), &**scene.waited.borrow()), (ATTEMPTS, &[1, 2, 4][..]), "no endless loop");
}

#[test]
fn a_busy_token_endpoint_backs_off() {
    let scene = Scene::with_account();
    scene.fault(refresh(), 503, None, 1);
    assert_eq!(scene.run(&[]).unwrap(), TokenSource::IdentityProvider);
    // The library remembers for a minute that the server is busy, and says so the second time (G-05).
    assert_eq!((scene.waited.take(), *scene.opened.borrow()), (vec![1, 59], 0));
    let scene = Scene::with_account();
    scene.fault(refresh(), 429, Some(7), 1);
    assert_eq!(scene.run(&[]).unwrap(), TokenSource::IdentityProvider);
    assert_eq!(scene.waited.take(), [7], "the server's time");
    let scene = Scene::with_account();
    scene.fault(refresh(), 429, Some(600), u32::MAX);
    assert!(matches!(scene.run(&[]), Err(NoToken::TryLater(Some(_)))));
    assert_eq!((scene.waited.take().len(), scene.accounts()), (0, 1), "nobody waits that long");
    let scene = Scene::with_account();
    scene.sim.platform().fault(Fault::new(refresh(), What::NoAnswer).always());
    assert!(matches!(scene.run(&[]), Err(NoToken::TryLater(None))));
    assert_eq!((scene.waited.take().len(), scene.accounts()), (3, 1));
}

#[test]
fn each_has_a_line_of_its_own() {
    let lines =
        [NoToken::Declined, NoToken::TimedOut, NoToken::Cancelled, NoToken::TryLater(None), NoToken::TryLater(Some(3))]
            .map(|why| why.to_string());
    for (i, line) in lines.iter().enumerate() {
        assert!(!line.is_empty() && !lines[..i].contains(line));
    }
}
