//! User name and password on bad days: every exchange with every fault, without any network; and whom a password is sent to.
//!
//! The answers of good days are those of a recording of the reference library, with planted secrets in them.
#![cfg(feature = "wstrust")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use sansal::client::{Client, Retries, Settings};
use sansal::error::{Config, HostRule, SendError, TlsReason, What};
use sansal::flow::Millis;
use sansal::http::{Method, Request};
use sansal::time::UnixTime;
use sansal::{Error, Token, UsernamePassword};
use serde_json::Value;

mod support;
use support::{Host, NOW, World, answers, headed};

const LATER: &[(&str, &str)] = &[("Retry-After", "7")];
const PASSWORD: &str = "planted-password<&>'\"\u{e9}";

/// The five exchanges of a federated sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    Metadata,
    Realm,
    Mex,
    Trust,
    Token,
}

const ALL: [On; 5] = [On::Metadata, On::Realm, On::Mex, On::Trust, On::Token];

impl On {
    fn what(self) -> What {
        match self {
            Self::Metadata => What::ProviderMetadata,
            Self::Realm => What::UserRealm,
            Self::Mex => What::Mex,
            Self::Trust => What::WsTrust,
            Self::Token => What::TokenResponse,
        }
    }

    fn is_get(self) -> bool {
        !matches!(self, Self::Trust | Self::Token)
    }

    /// The right answer.
    fn body(self) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/transcripts/");
        let file = std::fs::read(format!("{folder}ropc__federated__wstrust13_saml1.json")).unwrap();
        let transcript: Value = serde_json::from_slice(&file).unwrap();
        let step = usize::from(self != Self::Metadata);
        let exchanges = transcript["steps"][step]["exchanges"].as_array().unwrap();
        let index = ALL.iter().position(|on| *on == self).unwrap().saturating_sub(1);
        let body = exchanges[index]["response"]["body"].as_str().unwrap();
        match self {
            Self::Trust => body.replace("AssertionID=\"_x\"", "AssertionID=\"planted-token\"").into_bytes(),
            // The recorded ID token ended long ago; without it the name that was typed counts.
            Self::Token => br#"{"token_type":"Bearer","expires_in":3599,"access_token":"planted-access","refresh_token":"planted-refresh","client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#.to_vec(),
            _ => body.into(),
        }
    }

    fn good(self) -> World {
        answers(200, self.body())
    }
}

/// What this file does with a [`Host`].
trait Password {
    fn sign_in(&mut self, user: &str, password: &str, script: impl IntoIterator<Item = World>) -> Result<Token, Error>;
    fn hosts(&self) -> Vec<&str>;
    fn bodies(&self) -> Vec<String>;
}

fn host_with(settings: Settings) -> Host {
    let authority = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let mut host = Host::new(Client::builder("app").authority(authority).settings(settings).build().unwrap());
    host.seen = Some(String::new());
    host
}

impl Password for Host {
    /// Signs a user in; the whole script must be played, and nothing planted is seen on the way.
    fn sign_in(&mut self, user: &str, password: &str, script: impl IntoIterator<Item = World>) -> Result<Token, Error> {
        let request = UsernamePassword::new(user, password, &["User.Read"])?;
        let flow = request.flow(&self.client)?;
        let result = self.play(script, flow);
        let seen = self.seen.as_mut().unwrap();
        seen.push_str(&format!("{request:?} {result:?}"));
        if let Err(error) = &result {
            seen.push_str(&format!("{error}"));
        }
        assert!(!seen.contains("planted"), "a secret is shown");
        for request in &self.sent {
            assert!(request.response_limit < 10_000_000);
        }
        result
    }

    fn hosts(&self) -> Vec<&str> {
        self.sent.iter().map(|request| request.endpoint.host()).collect()
    }

    /// The bodies that were sent, as texts.
    fn bodies(&self) -> Vec<String> {
        let body =
            |request: &Request| Some(String::from_utf8_lossy(request.body.as_ref()?.bytes.expose()).into_owned());
        self.sent.iter().filter_map(body).collect()
    }
}

fn federated() -> Settings {
    Settings { allow_federation: true, ..Settings::default() }
}

fn no_retries() -> Settings {
    Settings { retries: Retries::NONE, ..federated() }
}

const ENTRA: &str = "login.microsoftonline.com";
const FEDERATION: &str = "fs.contoso.com";

#[test]
fn the_happy_path() {
    let mut host = host_with(federated());
    let token = host.sign_in("ada@contoso.com", PASSWORD, ALL.map(On::good)).unwrap();
    assert_eq!(token.access_token(), "planted-access");
    assert_eq!(host.hosts(), [ENTRA, ENTRA, FEDERATION, FEDERATION, ENTRA]);
    let methods: Vec<_> = host.sent.iter().map(|request| request.method).collect();
    assert_eq!(methods, [Method::Get, Method::Get, Method::Get, Method::Post, Method::Post]);
    let header = |at: usize, name: &str| {
        host.sent[at].headers.iter().find(|h| h.name == name).map(|h| h.value.expose().to_owned())
    };
    assert_eq!(header(1, "client-request-id"), header(4, "client-request-id"), "one call, one name");
    // The password goes to the federation server alone, what it is exchanged for to Entra alone.
    let bodies = host.bodies();
    assert!(bodies[0].contains("planted-password&lt;&amp;&gt;") && !bodies[1].contains("planted-password"));
    let cache = host.store.tokens.to_json();
    let cache = String::from_utf8_lossy(&cache);
    assert!(cache.contains(r#""username":"ada@contoso.com""#), "{cache}");
    assert!(!cache.contains("planted-password") && !cache.contains("planted-token"));
    // A name and a password are checked each time; who checks them is known for a day (G-06), of another user only where.
    host.sign_in("ada@contoso.com", PASSWORD, [On::Trust, On::Token].map(On::good)).unwrap();
    host.sign_in("bob@contoso.com", PASSWORD, [On::Realm, On::Trust, On::Token].map(On::good)).unwrap();
    host.clock.mono = host.clock.mono.after(Millis::from_secs(24 * 3600));
    host.sign_in("ada@contoso.com", PASSWORD, ALL.map(On::good)).unwrap();
}

/// Every fault in every exchange: the right error, nothing stored, no secret shown, no endless loop.
#[test]
fn faults() {
    type Expected = fn(On, &Error) -> bool;
    let bad: Expected = |on, e| matches!(e, Error::BadResponse { what, .. } if *what == on.what());
    let not_found: Expected = |on, e| {
        matches!(e, Error::Config(Config::NoMetadata { .. }))
            || matches!(e, Error::BadResponse { what, .. } if *what == on.what())
    };
    let html = "<html><body>captive portal<br></body></html>";
    let cut = |on: On| {
        let body = on.body();
        answers(200, &body[..body.len() / 2])
    };
    let faults: Vec<(&str, Box<dyn Fn(On) -> World>, Expected)> = vec![
        ("not sent", Box::new(|_| World::Fails(SendError::NotSent)), |_, e| {
            matches!(e, Error::Unreachable { why: SendError::NotSent, .. })
        }),
        ("no answer", Box::new(|_| World::Fails(SendError::NoAnswer)), |_, e| {
            matches!(e, Error::Unreachable { why: SendError::NoAnswer, .. })
        }),
        ("a false server", Box::new(|_| World::Fails(SendError::Tls(TlsReason::WrongName))), |_, e| {
            matches!(e, Error::Unreachable { why: SendError::Tls(TlsReason::WrongName), .. })
        }),
        ("cancelled", Box::new(|_| World::Fails(SendError::Cancelled)), |_, e| {
            matches!(e, Error::Unreachable { why: SendError::Cancelled, .. })
        }),
        ("too large for the host", Box::new(|_| World::Fails(SendError::TooLarge)), |_, e| {
            matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })
        }),
        ("10 MB", Box::new(|_| answers(200, vec![b' '; 10_000_000])), |_, e| {
            matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })
        }),
        ("cut body", Box::new(cut), bad),
        ("no body", Box::new(|_| answers(200, "")), bad),
        ("HTML", Box::new(move |_| answers(200, html)), bad),
        ("garbage", Box::new(|_| answers(200, [0xFF, 0x00, 0x3C, 0x7B, 0xC3].repeat(100))), bad),
        ("JSON of another kind", Box::new(|_| answers(200, "[]")), bad),
        ("302", Box::new(|_| answers(302, "")), bad),
        ("302 with the right body", Box::new(|on: On| answers(302, on.body())), bad),
        (
            "404 with HTML",
            Box::new(move |on| if on == On::Realm { answers(403, html) } else { answers(404, html) }),
            not_found,
        ),
        ("429", Box::new(|_| headed(429, LATER, "slow down")), |_, e| {
            matches!(e, Error::Throttled { status: 429, retry_after: Some(7), .. })
        }),
        ("429 with the right body", Box::new(|on: On| headed(429, LATER, on.body())), |_, e| {
            matches!(e, Error::Throttled { status: 429, retry_after: Some(7), .. })
        }),
        ("500", Box::new(move |_| answers(500, html)), |_, e| matches!(e, Error::Throttled { status: 500, .. })),
        ("500 with the right body", Box::new(|on: On| answers(500, on.body())), |_, e| {
            matches!(e, Error::Throttled { status: 500, .. })
        }),
        ("503", Box::new(|_| headed(503, &[("Retry-After", "120")], "")), |_, e| {
            matches!(e, Error::Throttled { status: 503, retry_after: Some(120), .. })
        }),
    ];
    let mut count = 0;
    for (name, fault, expected) in &faults {
        for (at, on) in ALL.into_iter().enumerate() {
            let mut host = host_with(no_retries());
            let before = ALL.into_iter().take(at).map(On::good);
            let error = host.sign_in("ada@contoso.com", PASSWORD, before.chain([fault(on)])).unwrap_err();
            assert!(expected(on, &error), "{name} on {on:?}: {error:?}");
            assert_eq!((host.cached(), host.sent.len(), host.waited.len()), (0, at + 1, 0), "{name} on {on:?}");
            count += 1;
        }
    }
    // With the retries that are the default: questions are asked again, a password is not sent again.
    for on in ALL {
        let at = ALL.into_iter().position(|other| other == on).unwrap();
        let before = || ALL.into_iter().take(at).map(On::good);
        for once in [answers(502, html), headed(429, &[("Retry-After", "2")], ""), World::Fails(SendError::NoAnswer)] {
            let mut host = host_with(federated());
            let script = before().chain([once.clone()]);
            if on.is_get() {
                let script = script.chain(ALL.into_iter().skip(at).map(On::good));
                host.sign_in("ada@contoso.com", PASSWORD, script).unwrap();
                assert_eq!((host.waited.len(), host.sent.len()), (1, 6), "{once:?} on {on:?}");
            } else {
                let error = host.sign_in("ada@contoso.com", PASSWORD, script).unwrap_err();
                assert!(error.is_transient(), "{once:?} on {on:?}: {error:?}");
                assert_eq!((host.cached(), host.waited.len()), (0, 0));
            }
            count += 1;
        }
        // Whoever is always busy is not asked for ever.
        let attempts = if on.is_get() { 4 } else { 1 };
        let mut host = host_with(federated());
        let busy = std::iter::repeat_n(answers(503, ""), attempts);
        let error = host.sign_in("ada@contoso.com", PASSWORD, before().chain(busy)).unwrap_err();
        assert!(matches!(error, Error::Throttled { status: 503, .. }), "{on:?}: {error:?}");
        assert_eq!(host.cached(), 0);
        count += 1;
        // The date jumps ten years forward, back to its beginning, or is forgotten.
        for wall in [Some(NOW.after(315_360_000)), Some(UnixTime(0)), None] {
            let mut host = host_with(no_retries());
            let needs_date = if at <= 2 { 3 } else { 5 };
            let rest = ALL.into_iter().skip(at + 1).take(if wall.is_none() { needs_date - at - 1 } else { 5 });
            let script = before().chain([World::Jumps(wall, on.body())]).chain(rest.map(On::good));
            let result = host.sign_in("ada@contoso.com", PASSWORD, script);
            match (wall, result) {
                (Some(now), Ok(token)) => assert_eq!(token.expires_on(), now.after(3599)),
                (None, Err(Error::Config(Config::ClockUnknown))) => assert_eq!(host.cached(), 0),
                (wall, result) => panic!("{wall:?} on {on:?}: {result:?}"),
            }
            count += 1;
        }
    }
    println!("user name and password: {count} rows of the fault table");
    assert_eq!(count, 19 * 5 + 5 * 7);
}

fn fault(reason: &str) -> World {
    let body = format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:FailedAuthentication</s:Value></s:Subcode></s:Code><s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>"
    );
    answers(500, body)
}

/// G-03: an answer of no is remembered for this name with this password, and for nobody else.
#[test]
fn a_wrong_password_holds_up_nobody_else() {
    let mut host = host_with(federated());
    let first = [On::Metadata.good(), On::Realm.good(), On::Mex.good(), fault("ID3242")];
    let refused = |result: Result<Token, Error>| match result.unwrap_err() {
        Error::Fault(fault) => assert!(fault.is_failed_authentication() && fault.reason() == "ID3242"),
        other => panic!("{other:?}"),
    };
    refused(host.sign_in("ada@contoso.com", "planted-wrong", first));
    assert_eq!(host.cached(), 0);
    // Again the same: the server is not asked, so that the account is not locked.
    refused(host.sign_in("ada@contoso.com", "planted-wrong", []));
    let known = || [On::Trust, On::Token].map(On::good);
    host.sign_in("bob@contoso.com", "planted-wrong", [On::Realm.good()].into_iter().chain(known())).unwrap();
    host.sign_in("ada@contoso.com", PASSWORD, known()).unwrap();
    refused(host.sign_in("ada@contoso.com", "planted-wrong", []));
    // After a minute it is.
    host.clock.mono = host.clock.mono.after(Millis::from_secs(61));
    host.sign_in("ada@contoso.com", "planted-wrong", known()).unwrap();
}

#[test]
fn words_of_servers_do_not_repeat_the_password() {
    let mut host = host_with(no_retries());
    let script =
        [On::Metadata.good(), On::Realm.good(), On::Mex.good(), fault("&quot;planted-password&quot; is wrong")];
    let error = host.sign_in("ada@contoso.com", "planted-password", script).unwrap_err();
    assert!(error.to_string().contains("[hidden]"), "{error}");
    let mut host = host_with(no_retries());
    let refusal = answers(400, r#"{"error":"invalid_grant","error_description":"planted-password is wrong"}"#);
    let managed = answers(200, r#"{"account_type":"Managed"}"#);
    let error =
        host.sign_in("ada@contoso.com", "planted-password", [On::Metadata.good(), managed, refusal]).unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.error() == "invalid_grant"), "{error:?}");
}

/// Decision 7: no password leaves for a federation server unless the application says so.
#[test]
fn whom_a_password_is_sent_to() {
    let good = ALL.map(On::good);
    let refused = |host: &mut Host, script: &[World]| match host
        .sign_in("ada@contoso.com", PASSWORD, script.iter().cloned())
        .unwrap_err()
    {
        Error::Config(Config::HostNotAllowed { host, rule: HostRule::Federation }) => host,
        other => panic!("{other:?}"),
    };
    let mut host = host_with(Settings::default());
    assert_eq!(refused(&mut host, &good[..2]), FEDERATION);
    assert_eq!(host.hosts(), [ENTRA, ENTRA]);
    let error = Config::HostNotAllowed { host: FEDERATION.into(), rule: HostRule::Federation }.to_string();
    assert!(error.contains("allow_federation") && error.contains("allowed_hosts"), "{error}");
    // By name.
    let listed = || Settings { allowed_hosts: vec!["FS.contoso.com".into()], ..Settings::default() };
    host_with(listed()).sign_in("ada@contoso.com", PASSWORD, good.clone()).unwrap();
    // The server that is listed names another one.
    let mex = String::from_utf8(On::Mex.body()).unwrap().replace("https://fs.contoso.com/", "https://evil.example/");
    let mut host = host_with(listed());
    assert_eq!(refused(&mut host, &[good[0].clone(), good[1].clone(), answers(200, mex)]), "evil.example");
    assert!(host.bodies().is_empty(), "nothing with a password was sent");
    // Neither over http, nor to this machine.
    for address in ["http://fs.contoso.com/mex", "http://localhost/mex"] {
        let realm = format!(r#"{{"account_type":"Federated","federation_metadata_url":"{address}"}}"#);
        let mut host = host_with(federated());
        let error = host.sign_in("ada@contoso.com", PASSWORD, [On::Metadata.good(), answers(200, realm)]).unwrap_err();
        let expected = matches!(
            error,
            Error::BadResponse { what: What::UserRealm, .. }
                | Error::Config(Config::HostNotAllowed { rule: HostRule::NotHttps, .. })
        );
        assert!(expected, "{error:?}");
    }
}

/// A host without realms is asked once a day; what follows is the password grant.
#[test]
fn hosts_without_realms() {
    let mut host = host_with(federated());
    let token = || On::Token.good();
    host.sign_in("ada@contoso.com", PASSWORD, [On::Metadata.good(), answers(404, ""), token()]).unwrap();
    assert!(host.bodies()[0].contains("grant_type=password"));
    host.sign_in("bob@contoso.com", PASSWORD, [token()]).unwrap();
    host.clock.mono = host.clock.mono.after(Millis::from_secs(24 * 3600));
    host.sign_in("bob@contoso.com", PASSWORD, [On::Metadata.good(), answers(404, ""), token()]).unwrap();
    // ADFS and other providers have none.
    let own = r#"{"issuer":"https://fs.example/adfs","token_endpoint":"https://fs.example/adfs/oauth2/token","authorization_endpoint":"https://fs.example/adfs/a"}"#;
    for oidc in [false, true] {
        let mut host = host_with(Settings::default());
        let builder = Client::builder("app");
        let builder = match oidc {
            true => builder.oidc_authority("https://fs.example/adfs"),
            false => builder.authority("https://fs.example/adfs"),
        };
        host.client = builder.build().unwrap();
        host.sign_in("ada@contoso.com", PASSWORD, [answers(200, own), token()]).unwrap();
    }
}

#[test]
fn odd_names_and_passwords() {
    let managed = answers(200, r#"{"account_type":"Managed"}"#);
    let script = [On::Metadata.good(), managed, On::Token.good()];
    // What a user types reaches neither another path nor another header.
    for name in ["../../evil?x#y", "a\r\nHost: evil", "jos\u{e9}", "a b"] {
        let mut host = host_with(Settings::default());
        host.sign_in(name, PASSWORD, script.clone()).unwrap();
        assert_eq!(host.sent[1].endpoint.segments().count(), 3, "{name:?}");
        assert_eq!(host.sent[1].endpoint.query(), Some("api-version=1.0"));
        for header in host.sent.iter().flat_map(|request| &request.headers) {
            assert!(header.value.expose().bytes().all(|b| (0x20..0x7F).contains(&b)), "{name:?}: {}", header.name);
        }
    }
    for (name, password) in [("", "p"), ("u", "")] {
        let error = UsernamePassword::new(name, password, &["s"]).unwrap_err();
        assert!(matches!(error, Error::Config(Config::Missing(_))), "{error:?}");
    }
    let error = UsernamePassword::new("u", "p", &["openid"]).unwrap_err();
    assert!(matches!(error, Error::Config(Config::ReservedScope(_))), "{error:?}");
    // A password that no XML can hold is refused before anybody is told.
    let mut host = host_with(federated());
    let asked = [On::Metadata, On::Realm, On::Mex].map(On::good);
    let error = host.sign_in("ada@contoso.com", "planted\u{0}", asked).unwrap_err();
    assert!(matches!(error, Error::Config(Config::UserCredential(_))), "{error:?}");
}
