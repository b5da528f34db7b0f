//! The blocking client over an HTTP client that answers from a script: no network, and time passes by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

mod credentials;

#[path = "../support/folder.rs"]
mod folder;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use folder::folder;
use sansal_std::sansal::Store;
use sansal_std::sansal::base64::url_decode;
use sansal_std::sansal::cache::{Limits, TokenCache, TokenChange};
use sansal_std::sansal::client::{Client, Credential, InstanceDiscovery, Settings};
use sansal_std::sansal::error::{AskError, CertError, CommitError, Config, SendError};
use sansal_std::sansal::flow::Partition;
use sansal_std::sansal::http::Request;
use sansal_std::sansal::time::{Clock, Millis, UnixTime};
use sansal_std::{
    CertificateCredential, ClientCredentials, ConfidentialClient, ConfidentialClientBuilder, Driver, Environment,
    Error, HttpClient, HttpResponse, NoAsks, Persistence, ProxyChoice, Secret, SetupError, SystemRandom, Time,
    TokenSource, X5c,
};
use serde_json::Value;

const KEY: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.key.pkcs8.pem");
const CERTIFICATE: &str = include_str!("../../../../tests/certs/rsa2048.cert.pem");
const PFX: &[u8] = include_bytes!("../../../../tests/certs/rsa2048.modern.pfx");
const METADATA: &str = r#"{
    "issuer": "https://idp.example/t",
    "authorization_endpoint": "https://idp.example/t/auth",
    "token_endpoint": "https://idp.example/t/token"
}"#;

/// Answers discovery by itself and token requests from a script; keeps what was sent.
#[derive(Clone, Default)]
struct Script(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<VecDeque<Result<HttpResponse, SendError>>>,
    sent: Mutex<Vec<String>>,
    /// What token requests tell of those before them.
    telemetry: Mutex<Vec<String>>,
}

impl Script {
    fn of(answers: impl IntoIterator<Item = Result<HttpResponse, SendError>>) -> Self {
        let script = Self::default();
        *script.0.answers.lock().unwrap() = answers.into_iter().collect();
        script
    }

    /// The token requests, as forms.
    fn token_requests(&self) -> Vec<String> {
        self.0.sent.lock().unwrap().iter().filter(|text| text.starts_with("POST")).cloned().collect()
    }
}

impl HttpClient for Script {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let body = request.body.as_ref().map(|body| body.bytes.expose()).unwrap_or_default();
        let text = format!("{} {} {}", request.method.as_str(), request.endpoint, String::from_utf8_lossy(body));
        self.0.sent.lock().unwrap().push(text);
        if request.endpoint.path().ends_with("openid-configuration") {
            return Ok(HttpResponse::new(200, METADATA));
        }
        let last = request.headers.iter().find(|header| header.name == "x-client-last-telemetry");
        self.0.telemetry.lock().unwrap().extend(last.map(|header| header.value.expose().to_owned()));
        self.0.answers.lock().unwrap().pop_front().expect("one request too many")
    }
}

fn token(text: &str) -> Result<HttpResponse, SendError> {
    Ok(HttpResponse::new(200, format!(r#"{{"access_token":"{text}","token_type":"Bearer","expires_in":3600}}"#)))
}

/// A clock that moves only when somebody sleeps.
#[derive(Clone, Default)]
struct Still(Arc<AtomicU64>);

impl Time for Still {
    fn now(&self) -> Clock {
        let ms = self.0.load(Ordering::SeqCst);
        Clock::new(Millis(ms), UnixTime(1_800_000_000 + ms / 1000))
    }

    fn sleep(&self, span: Millis) {
        self.0.fetch_add(span.0, Ordering::SeqCst);
    }
}

fn builder(script: &Script) -> ConfidentialClientBuilder {
    ConfidentialClient::builder("app")
        .oidc_authority("https://idp.example/t")
        .http_client(script.clone())
        .time(Still::default())
}

#[test]
fn a_token_comes_once_and_then_from_the_cache() {
    let script = Script::of([token("one"), token("two")]);
    let client = builder(&script).secret("s3cret").build().unwrap();
    let first = client.acquire_token_for_client(&["s"]).unwrap();
    assert_eq!((first.access_token(), first.source()), ("one", TokenSource::IdentityProvider));
    assert_eq!(first.expires_on(), UnixTime(1_800_003_600));
    let second = client.acquire_token_for_client(&["s"]).unwrap();
    assert_eq!((second.access_token(), second.source()), ("one", TokenSource::Cache));
    client.remove_tokens_for_client().unwrap().unwrap();
    assert_eq!(client.acquire_token_for_client(&["s"]).unwrap().access_token(), "two");
    let sent = script.token_requests();
    assert_eq!(sent.len(), 2);
    assert!(sent[0].starts_with("POST https://idp.example/t/token ") && sent[0].contains("client_secret=s3cret"));
}

#[test]
fn a_hit_allocates_the_token_and_nothing_else() {
    let script = Script::of([token("one"), token("two")]);
    let client = builder(&script).secret("s").build().unwrap();
    client.acquire_token_for_client(&["s"]).unwrap();
    for _ in 0..3 {
        let mut hit = None;
        let counted = allocation_counter::measure(|| hit = client.acquire_token_for_client(&["s"]).ok());
        assert_eq!((hit.unwrap().access_token(), counted.count_total), ("one", 1));
    }
    // What the server is told of them (section 1.10 of the reference) is what a machine that looked would have told.
    let request = ClientCredentials::new(&["s"]).unwrap().claims_challenge(r#"{"x":1}"#);
    client.acquire_token_for_client_with(&request).unwrap();
    assert_eq!(script.0.telemetry.lock().unwrap().last().unwrap(), "4|3|||");
}

#[test]
fn a_cache_goes_from_client_to_client() {
    let script = Script::of([token("one")]);
    let first = builder(&script).secret("s").build().unwrap();
    first.acquire_token_for_client(&["s"]).unwrap();
    let json = first.with_token_cache(TokenCache::to_json);
    let second =
        builder(&Script::default()).secret("s").token_cache(TokenCache::from_json(&json).unwrap()).build().unwrap();
    // Where the tokens lie depends on the realm in the metadata, which is the only thing asked for.
    assert_eq!(second.acquire_token_for_client(&["s"]).unwrap().access_token(), "one");
}

#[test]
fn what_the_request_says() {
    let script = Script::of([token("one"), token("two")]);
    let client = builder(&script).secret("s").client_capabilities(&["CP1"]).build().unwrap();
    let request = ClientCredentials::new(&["b", "a"]).unwrap().fmi_path("path").claims_challenge(r#"{"x":1}"#);
    client.acquire_token_for_client_with(&request).unwrap();
    let sent = &script.token_requests()[0];
    for part in ["scope=a+b", "fmi_path=path", "claims=%7B%22access_token", "grant_type=client_credentials"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    assert!(client.acquire_token_for_client(&[] as &[&str]).is_err());
    assert_eq!(script.token_requests().len(), 1);
}

#[test]
fn answers_that_are_none() {
    let ok = |body: &str| Ok(HttpResponse::new(200, body));
    let not_sent = || Err(SendError::NotSent);
    type Case = (&'static str, Vec<Result<HttpResponse, SendError>>, fn(&Error) -> bool);
    let cases: Vec<Case> = vec![
        ("HTML", vec![ok("<html>")], |e| matches!(e, Error::BadResponse { .. })),
        ("garbage", vec![ok("{\"access_token\":")], |e| matches!(e, Error::BadResponse { .. })),
        ("a redirect", vec![Ok(HttpResponse::new(302, ""))], |e| matches!(e, Error::BadResponse { .. })),
        (
            "refused",
            vec![Ok(HttpResponse::new(401, r#"{"error":"invalid_client"}"#))],
            |e| matches!(e, Error::Refused(refusal) if refusal.error() == "invalid_client"),
        ),
        ("too long", vec![Err(SendError::TooLarge)], |e| {
            matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })
        }),
        // A client of the application's own that does not obey `response_limit`.
        ("longer than allowed", vec![ok(&" ".repeat(1 << 20))], |e| {
            matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })
        }),
        ("lost", vec![Err(SendError::NoAnswer)], |e| matches!(e, Error::Unreachable { why: SendError::NoAnswer, .. })),
        (
            "unreachable",
            vec![not_sent(), not_sent(), not_sent()],
            |e| matches!(e, Error::Unreachable { why: SendError::NotSent, host } if host == "idp.example"),
        ),
        ("overloaded", vec![Ok(HttpResponse::new(503, ""))], |e| matches!(e, Error::Throttled { status: 503, .. })),
    ];
    for (name, answers, is_expected) in cases {
        let script = Script::of(answers);
        let client = builder(&script).secret("s").build().unwrap();
        let error = client.acquire_token_for_client(&["s"]).expect_err(name);
        assert!(is_expected(&error), "{name}: {error:?}");
        assert!(script.0.answers.lock().unwrap().is_empty(), "{name}: all answers were asked for");
    }
}

#[test]
fn only_what_was_not_sent_is_repeated() {
    let time = Still::default();
    let script = Script::of([Err(SendError::NotSent), token("one")]);
    let client = builder(&script).secret("s").time(time.clone()).build().unwrap();
    assert_eq!(client.acquire_token_for_client(&["s"]).unwrap().access_token(), "one");
    assert!(time.now().mono >= Settings::default().retries.first_wait);
}

/// A store elsewhere that can fail.
#[derive(Clone, Default)]
struct Elsewhere {
    loaded: Arc<Mutex<Vec<Partition>>>,
    saved: Arc<Mutex<Vec<String>>>,
    held: Arc<Mutex<Vec<TokenChange>>>,
    broken: bool,
}

impl Persistence for Elsewhere {
    fn load(&self, partition: &Partition) -> Vec<TokenChange> {
        self.loaded.lock().unwrap().push(partition.clone());
        std::mem::take(&mut self.held.lock().unwrap())
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        if self.broken {
            return Err(CommitError::NotWritten);
        }
        self.saved.lock().unwrap().extend(changes.iter().map(|change| change.section().to_owned()));
        self.held.lock().unwrap().extend(changes.iter().cloned());
        Ok(())
    }
}

#[test]
fn a_store_elsewhere() {
    let elsewhere = Elsewhere::default();
    let client = builder(&Script::of([token("one")])).secret("s").persistence(elsewhere.clone()).build().unwrap();
    client.acquire_token_for_client(&["s"]).unwrap().stored().unwrap();
    assert_eq!(elsewhere.loaded.lock().unwrap()[0].client_id, "app");
    assert!(elsewhere.saved.lock().unwrap().iter().any(|section| section == "AccessToken"));
    // Another process.
    let client = builder(&Script::default()).secret("s").persistence(elsewhere).build().unwrap();
    assert_eq!(client.acquire_token_for_client(&["s"]).unwrap().source(), TokenSource::Cache);

    let broken = Elsewhere { broken: true, ..Elsewhere::default() };
    let client = builder(&Script::of([token("one")])).secret("s").persistence(broken).build().unwrap();
    let token = client.acquire_token_for_client(&["s"]).unwrap();
    assert_eq!((token.access_token(), token.stored()), ("one", Err(CommitError::NotWritten)));
    assert_eq!(client.acquire_token_for_client(&["s"]).unwrap().source(), TokenSource::Cache);
}

#[test]
fn what_is_evicted_goes_elsewhere_too() {
    let elsewhere = Elsewhere::default();
    let script = Script::of([token("one"), token("two"), token("three")]);
    let mut store = Store::new(&mut SystemRandom).unwrap();
    store.limits = Limits { entries: Some(2), bytes: None };
    let driver = Driver::new(Arc::new(script), store)
        .time(Arc::new(Still::default()))
        .persistence(Arc::new(KeepsAll(elsewhere.clone())));
    let client = Client::builder("app")
        .oidc_authority("https://idp.example/t")
        .credential(Credential::secret(Secret::from("s")));
    let client = client.build().unwrap();
    for scope in ["a", "b", "c"] {
        let flow = ClientCredentials::new(&[scope]).unwrap().flow(&client).unwrap();
        driver.drive(&client, flow, &NoAsks).unwrap().stored().unwrap();
    }
    let mut there = TokenCache::new();
    there.apply(elsewhere.held.lock().unwrap().clone());
    let here = driver.with_store(|store| store.tokens.to_json());
    assert_eq!(driver.with_store(|store| store.tokens.weight().0), 2);
    assert_eq!(String::from_utf8_lossy(&there.to_json()), String::from_utf8_lossy(&here));
    // Reading removes nothing there: what is loaded beyond the limit is only not kept here.
    let mut store = Store::new(&mut SystemRandom).unwrap();
    store.limits = Limits { entries: Some(0), bytes: None };
    let before = elsewhere.held.lock().unwrap().len();
    let driver = Driver::new(Arc::new(Script::of([Err(SendError::NoAnswer)])), store)
        .time(Arc::new(Still::default()))
        .persistence(Arc::new(KeepsAll(elsewhere.clone())));
    let flow = ClientCredentials::new(&["a"]).unwrap().flow(&client).unwrap();
    driver.drive(&client, flow, &NoAsks).unwrap_err();
    assert_eq!(elsewhere.held.lock().unwrap().len(), before);
    assert_eq!(driver.with_store(|store| store.tokens.weight().0), 0);
}

/// Everything that was saved, from the first to the last.
struct KeepsAll(Elsewhere);

impl Persistence for KeepsAll {
    fn load(&self, _: &Partition) -> Vec<TokenChange> {
        self.0.held.lock().unwrap().clone()
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        self.0.save(changes)
    }
}

#[test]
fn many_threads_one_client() {
    const fn shared<T: Send + Sync>() {}
    const { shared::<ConfidentialClient>() };
    let script = Script::of((0..64).map(|_| token("one")));
    let client = builder(&script).secret("s").build().unwrap();
    thread::scope(|scope| {
        for n in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for scope in 0..8 {
                    let scope = format!("{n}-{scope}");
                    assert_eq!(client.acquire_token_for_client(&[&scope]).unwrap().access_token(), "one");
                    assert_eq!(client.acquire_token_for_client(&[&scope]).unwrap().source(), TokenSource::Cache);
                }
            });
        }
    });
    assert_eq!(script.token_requests().len(), 64);
}

#[test]
fn a_panic_in_a_callback_hurts_nobody_else() {
    let script = Script::of([token("one")]);
    let first = AtomicU64::new(0);
    let client = builder(&script)
        .assertion_callback(move |_| {
            assert!(first.fetch_add(1, Ordering::SeqCst) > 0, "the application's own bug");
            Ok(Secret::from("made"))
        })
        .build()
        .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| client.acquire_token_for_client(&["s"]))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| client.with_token_cache(|_| panic!("again")))).is_err());
    assert_eq!(client.acquire_token_for_client(&["s"]).unwrap().access_token(), "one");
}
