//! The blocking client over an HTTP client that answers from a script: no network, and time passes by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

#[path = "support/folder.rs"]
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

const KEY: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.pem");
const CERTIFICATE: &str = include_str!("../../../tests/certs/rsa2048.cert.pem");
const PFX: &[u8] = include_bytes!("../../../tests/certs/rsa2048.modern.pfx");
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

/// Header and claims of the assertion in a token request; its signature is checked with ring.
fn assertion(sent: &str) -> (Value, Value) {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
    let (_, rest) = sent.split_once("client_assertion=").unwrap();
    let text = rest.split('&').next().unwrap();
    let (input, signature) = text.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&url_decode(part).unwrap()).unwrap();
    let (header, claims) = (json(header), json(claims));
    let der = include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.der");
    let public = RsaKeyPair::from_pkcs8(der).unwrap().public().as_ref().to_vec();
    let signature = url_decode(signature).unwrap();
    match header["alg"].as_str().unwrap() {
        "RS256" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(input.as_bytes(), &signature),
        "PS256" => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public).verify(input.as_bytes(), &signature),
        other => panic!("{other}"),
    }
    .unwrap();
    (header, claims)
}

#[test]
fn certificates_sign_by_ring() {
    let both = [KEY, CERTIFICATE.as_bytes()].concat();
    let encrypted = include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem");
    let sha1 = "2E9E65103F3507B7D386D6FFFF2A88B494B427D6";
    let cases = [
        ("one text", CertificateCredential::pem(&both), "PS256", 1),
        ("two texts", CertificateCredential::pem(KEY).certificate(CERTIFICATE), "PS256", 1),
        ("thumbprint alone", CertificateCredential::pem(KEY).thumbprint(sha1), "RS256", 0),
        ("both", CertificateCredential::pem(&both).thumbprint(sha1), "RS256", 1),
        (
            "encrypted",
            CertificateCredential::pem(encrypted).passphrase("oracle-pass").certificate(CERTIFICATE),
            "PS256",
            1,
        ),
    ];
    let pfx = || CertificateCredential::pfx(PFX).passphrase("oracle-pass");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/certs/rsa2048.modern.pfx");
    let from_file = CertificateCredential::file(file).unwrap().passphrase("oracle-pass");
    let of_pfx = [
        ("pfx", pfx(), "PS256", 0),
        ("pfx with leaf", pfx().x5c(X5c::Leaf), "PS256", 1),
        ("pfx with text", pfx().x5c(X5c::Text(CERTIFICATE.to_owned())), "PS256", 1),
        ("pfx and certificate", pfx().certificate(CERTIFICATE), "PS256", 1),
        // The reference ignores the thumbprint here.
        ("pfx and thumbprint", pfx().thumbprint(sha1), "PS256", 0),
        ("pfx from a file", from_file, "PS256", 0),
    ];
    for (name, certificate, alg, chain) in cases.into_iter().chain(of_pfx) {
        let script = Script::of([token("one")]);
        let client = builder(&script).certificate(certificate).client_claims(r#"{"x":"y"}"#).build().expect(name);
        client.acquire_token_for_client(&["s"]).expect(name);
        let (header, claims) = assertion(&script.token_requests()[0]);
        assert_eq!(header["alg"], alg, "{name}");
        assert_eq!(header["x5c"].as_array().map_or(0, Vec::len), chain, "{name}");
        assert_eq!(claims["aud"], "https://idp.example/t/token", "{name}");
        assert_eq!((&claims["iss"], &claims["x"]), (&"app".into(), &"y".into()), "{name}");
    }
    let script = Script::of([token("one")]);
    let client = builder(&script).pfx(PFX, Some(Secret::from("oracle-pass")), X5c::Leaf).build().unwrap();
    client.acquire_token_for_client(&["s"]).unwrap();
    let (header, _) = assertion(&script.token_requests()[0]);
    assert_eq!((&header["alg"], header["x5c"].as_array().map(Vec::len)), (&"PS256".into(), Some(1)));
}

#[test]
fn certificates_that_cannot_be_used() {
    use CertError as C;
    let key = || CertificateCredential::pem(KEY);
    let pfx = || CertificateCredential::pfx(PFX).passphrase("oracle-pass");
    let encrypted =
        || CertificateCredential::pem(include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem"));
    let other = include_str!("../../../tests/certs/rsa4096.cert.pem");
    let cases = [
        (encrypted().certificate(CERTIFICATE), C::PassphraseMissing),
        (encrypted().certificate(CERTIFICATE).passphrase("wrong"), C::WrongPassphrase),
        (key().certificate(CERTIFICATE).passphrase("not needed"), C::NotEncrypted),
        (key(), C::NoThumbprint),
        (key().certificate(other), C::KeyMismatch),
        (key().certificate(other).thumbprint(&"0".repeat(40)), C::ThumbprintMismatch),
        (key().thumbprint("xyz"), C::BadThumbprint),
        (CertificateCredential::pem(CERTIFICATE.as_bytes()), C::CertificateInsteadOfPrivateKey),
        (CertificateCredential::pem(include_bytes!("../../../tests/certs/ec256.key.pkcs8.pem")), C::NotRsa),
        (CertificateCredential::pfx(KEY), C::NotPfx),
        (CertificateCredential::pfx(PFX), C::PassphraseMissing),
        (pfx().passphrase("wrong"), C::WrongPassphrase),
        (pfx().thumbprint(&"0".repeat(40)), C::ThumbprintMismatch),
        (pfx().certificate(other), C::KeyMismatch),
        (
            pfx().x5c(X5c::Text(include_str!("../../../tests/certs/rsa2048.key.pkcs8.pem").to_owned())),
            C::PrivateKeyInsteadOfCertificate,
        ),
        (
            CertificateCredential::pfx(include_bytes!("../../../tests/certs/rsa2048.cert-only.pfx"))
                .passphrase("oracle-pass"),
            C::NoKeyInPfx,
        ),
    ];
    let mut lines = Vec::new();
    for (certificate, expected) in cases {
        match builder(&Script::default()).certificate(certificate).build() {
            Err(SetupError::Client(Error::Config(Config::Certificate(why)))) => assert_eq!(why, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
        lines.push(expected.to_string());
    }
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 12, "each has a line of its own");
    assert!(matches!(CertificateCredential::file("/nonexistent/a.pem"), Err(SetupError::File { .. })));
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_sent() {
    let bare = || ConfidentialClient::builder("app").http_client(Script::default());
    let fails = |builder: ConfidentialClientBuilder| builder.build().unwrap_err().to_string();
    let lines = [
        fails(bare()),
        fails(bare().secret("")),
        fails(bare().secret("s").authority("http://login.microsoftonline.com/t")),
        fails(bare().secret("s").client_claims("[]")),
        fails(bare().secret("s").app_name("a\r\nb")),
        fails(bare().secret("s").proxy(ProxyChoice::None)),
        fails(ConfidentialClient::builder("").secret("s")),
        fails(ConfidentialClient::builder("app").secret("s").extra_roots(b"x")),
        fails(ConfidentialClient::builder("app").secret("s").proxy(ProxyChoice::Address(String::new()))),
    ];
    for (i, line) in lines.iter().enumerate() {
        assert!(!line.is_empty() && !line.contains('\n') && !lines[..i].contains(line), "{line}");
    }
}

#[test]
fn assertions() {
    let script = Script::of([token("one"), token("two"), token("three")]);
    let count = AtomicU64::new(0);
    let client = builder(&script)
        .assertion_callback(move |context| {
            assert_eq!((&*context.client_id, &*context.token_endpoint), ("app", "https://idp.example/t/token"));
            let n = count.fetch_add(1, Ordering::SeqCst);
            if n < 2 { Ok(Secret::from(format!("made-{n}"))) } else { Err(AskError::Denied) }
        })
        .build()
        .unwrap();
    for scope in ["a", "b"] {
        client.acquire_token_for_client(&[scope]).unwrap();
    }
    let sent = script.token_requests();
    assert!(sent[0].contains("client_assertion=made-0") && sent[1].contains("client_assertion=made-1"), "{sent:?}");
    match client.acquire_token_for_client(&["c"]) {
        Err(Error::Unanswered { ask: "client assertion", why: AskError::Denied }) => {}
        other => panic!("{other:?}"),
    }
    let client = builder(&script).assertion("ready-made").build().unwrap();
    client.acquire_token_for_client(&["s"]).unwrap();
    assert!(script.token_requests()[2].contains("client_assertion=ready-made"));
}

#[test]
fn the_environment_makes_a_client() {
    let dir = folder("environment");
    let pem = dir.join("app.pem");
    std::fs::write(&pem, [KEY, CERTIFICATE.as_bytes()].concat()).unwrap();
    let assertion = dir.join("assertion");
    std::fs::write(&assertion, "from-file\n").unwrap();
    let cases = [
        ("AZURE_CLIENT_SECRET", "planted-secret".to_owned(), "client_secret=planted-secret"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", pem.display().to_string(), "client_assertion=ey"),
        ("AZURE_FEDERATED_TOKEN_FILE", assertion.display().to_string(), "client_assertion=from-file"),
    ];
    for (variable, value, expected) in cases {
        let script = Script::of([token("one")]);
        let environment = Environment::from_lookup(|name| {
            Ok(match name {
                "AZURE_CLIENT_ID" => Some("app".to_owned()),
                "AZURE_TENANT_ID" => Some("t".to_owned()),
                "AZURE_AUTHORITY_HOST" => Some("https://idp.example/".to_owned()),
                name if name == variable => Some(value.clone()),
                _ => None,
            })
        });
        let builder = ConfidentialClient::from_environment(&environment.unwrap()).unwrap();
        let builder = builder.http_client(script.clone()).instance_discovery(InstanceDiscovery::Off);
        builder.build().unwrap().acquire_token_for_client(&["s"]).expect(variable);
        assert!(script.token_requests()[0].contains(expected), "{variable}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
    let absent = Environment { client_id: Some("a".into()), ..Environment::default() };
    let line = ConfidentialClient::from_environment(&absent).unwrap_err().to_string();
    assert!(line.contains("AZURE_TENANT_ID"), "{line}");
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
