//! Every source of managed identities over real HTTP and TLS on loopback, with everything that can go wrong on its way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

#[path = "support/neighbour.rs"]
mod neighbour;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use neighbour::{Neighbour, SOURCES, USER_ASSIGNED};
use sansal_sim::managed::{ARC_KEY, SECRET, TOKEN};
use sansal_sim::{Fault, On, Response, What};
use sansal_std::sansal::cache::{Limits, TokenCache};
use sansal_std::sansal::client::{Retries, Settings};
use sansal_std::sansal::error::{AskError, Config, SendError, TlsReason};
use sansal_std::sansal::managed::ManagedIdentitySource as Source;
use sansal_std::sansal::time::Millis;
use sansal_std::{
    Error, Event, ManagedIdentity, ManagedIdentityClient, ManagedIdentityClientBuilder, Metrics, TokenSource,
};

const VAULT: &str = "https://vault.azure.net";

fn builder(neighbour: &Neighbour, identity: ManagedIdentity) -> ManagedIdentityClientBuilder {
    ManagedIdentityClient::builder(identity)
        .environment(neighbour.environment())
        .http_client(neighbour.http())
        .time(neighbour.time.clone())
}

fn system(neighbour: &Neighbour) -> ManagedIdentityClient {
    builder(neighbour, ManagedIdentity::SystemAssigned).build().unwrap()
}

#[test]
fn every_source_gives_a_token_and_the_cache_the_next() {
    for source in SOURCES {
        let neighbour = Neighbour::new(source);
        let client = system(&neighbour);
        assert_eq!(client.source(), source);
        let first = client.acquire_token_for_client(VAULT).unwrap_or_else(|why| panic!("{source}: {why}"));
        assert_eq!((first.source(), first.token_type()), (TokenSource::IdentityProvider, "Bearer"), "{source}");
        assert!(first.access_token().starts_with(TOKEN));
        assert_eq!(first.expires_on().0, neighbour.time.date() + 86_400, "{source}");
        // A day is long: renewed after half of it.
        assert_eq!(first.refresh_on().unwrap().0, neighbour.time.date() + 43_200, "{source}");
        let mut again = None;
        let counted = allocation_counter::measure(|| again = client.acquire_token_for_client(VAULT).ok());
        let again = again.unwrap();
        // The text of the access token, and nothing for a machine.
        assert_eq!(counted.count_total, 1, "{source}");
        assert_eq!((again.source(), again.access_token()), (TokenSource::Cache, first.access_token()), "{source}");
        let other = client.acquire_token_for_client("https://graph.microsoft.com").unwrap();
        assert_eq!(other.source(), TokenSource::IdentityProvider, "{source}");
        // After half of its life it is renewed; when that fails, it still serves.
        neighbour.time.advance(43_201);
        neighbour.identities.lock().unwrap().fault(Fault::new(On::Token, What::Html).always());
        let kept = client.acquire_token_for_client(VAULT).unwrap();
        assert_eq!((kept.source(), kept.access_token()), (TokenSource::Cache, first.access_token()), "{source}");
        neighbour.identities.lock().unwrap().clear_faults();
        neighbour.time.advance(6);
        let renewed = client.acquire_token_for_client(VAULT).unwrap();
        assert_eq!(renewed.source(), TokenSource::IdentityProvider, "{source}");
        assert_ne!(renewed.access_token(), first.access_token(), "{source}");
        // A claims challenge is never answered from the cache.
        let challenged = client.acquire_token_with_claims_challenge(VAULT, "{}").unwrap();
        assert_eq!(challenged.source(), TokenSource::IdentityProvider, "{source}");
        let sent = neighbour.server.requests();
        let hashed = sent.last().unwrap().contains("token_sha256_to_refresh=");
        assert_eq!(hashed, source == Source::ServiceFabric, "{source}");
        assert_eq!(sent.iter().any(|request| request.contains("token_sha256_to_refresh")), hashed, "{source}");
    }
}

/// What a service is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Metrics for Told {
    fn on(&self, event: &Event) {
        // How long a request took is nobody's business here.
        let event = match *event {
            Event::Requested { answered, .. } => Event::Requested { ms: 0, answered },
            other => other,
        };
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn a_service_counts_and_sets_limits() {
    let (neighbour, told) = (Neighbour::new(Source::AppService), Told::default());
    let client = builder(&neighbour, ManagedIdentity::SystemAssigned).metrics(told.clone());
    // Two tokens, and what is known of the application.
    let client = client.cache_limits(Limits { entries: Some(3), bytes: None }).build().unwrap();
    let seen = |call: &str| {
        let resource = format!("https://{call}.example");
        let result = client.acquire_token_for_client(&resource).map(|token| token.source());
        (result.ok(), std::mem::take(&mut *told.0.lock().unwrap()))
    };
    let (asked, cached) = (Some(TokenSource::IdentityProvider), Some(TokenSource::Cache));
    let requested = Event::Requested { ms: 0, answered: true };
    assert_eq!(seen("a"), (asked, vec![Event::Miss, requested]));
    assert_eq!(seen("a"), (cached, vec![Event::Hit]));
    neighbour.time.advance(1);
    assert_eq!(seen("b"), (asked, vec![Event::Miss, requested]));
    neighbour.time.advance(1);
    // The one that ends first goes.
    assert_eq!(seen("c"), (asked, vec![Event::Miss, requested, Event::Evicted { entries: 1 }]));
    assert_eq!(seen("b"), (cached, vec![Event::Hit]));
    assert_eq!(client.with_token_cache(TokenCache::weight).0, 3);
    neighbour.identities.lock().unwrap().fault(Fault::new(On::Token, What::Reset).always());
    let (result, events) = seen("d");
    assert_eq!((result, events.first()), (None, Some(&Event::Miss)));
    let failed = Event::Requested { ms: 0, answered: false };
    assert!(events.len() > 1 && events.iter().skip(1).all(|event| *event == failed), "{events:?}");
}

#[test]
fn proxy_variables_are_set_and_not_used() {
    let proxy = support::Server::plain(|_, _| false);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "http_proxy", "https_proxy"] {
        child.env(name, proxy.url("http", "127.0.0.1", ""));
    }
    let child = child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.args(["--exact", "every_source_gives_a_token_and_the_cache_the_next"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn user_assigned_identities() {
    let ids = [
        ManagedIdentity::ClientId(USER_ASSIGNED.into()),
        ManagedIdentity::ObjectId("66666666-7777-8888-9999-000000000000".into()),
        ManagedIdentity::ResourceId("/subscriptions/s/userAssignedIdentities/one".into()),
    ];
    for source in SOURCES {
        for identity in &ids {
            let neighbour = Neighbour::new(source);
            let result = builder(&neighbour, identity.clone()).build().unwrap().acquire_token_for_client(VAULT);
            match source {
                Source::CloudShell => {
                    assert!(matches!(result, Err(Error::Config(Config::ManagedIdentity(_)))), "{result:?}");
                    assert_eq!(neighbour.asked(), 0);
                }
                _ => assert!(result.is_ok(), "{source} {identity}: {result:?}"),
            }
        }
        let unknown = ManagedIdentity::ClientId("nobody".into());
        let neighbour = Neighbour::new(source);
        let client = builder(&neighbour, unknown).settings(patient(Retries::NONE)).build().unwrap();
        let result = client.acquire_token_for_client(VAULT);
        // Which identity it is, is configured on the cluster.
        assert_eq!(result.is_ok(), source == Source::ServiceFabric, "{source}: {result:?}");
    }
    let empty = ManagedIdentityClient::builder(ManagedIdentity::ObjectId(String::new())).build();
    assert!(empty.is_err());
}

fn patient(retries: Retries) -> Settings {
    Settings { attempt_timeout: Millis(400), retries, ..Settings::default() }
}

#[test]
fn service_fabric_is_known_by_its_thumbprint_alone() {
    let neighbour = Neighbour::new(Source::ServiceFabric);
    let mut environment = neighbour.environment();
    environment.identity_server_thumbprint = Some(neighbour.thumbprint.to_lowercase());
    let client = builder(&neighbour, ManagedIdentity::SystemAssigned).environment(environment.clone()).build().unwrap();
    assert!(client.acquire_token_for_client(VAULT).is_ok());
    let requests = neighbour.server.requests().len();

    let mut wrong = neighbour.thumbprint.clone();
    wrong.replace_range(39.., if wrong.ends_with('0') { "1" } else { "0" });
    environment.identity_server_thumbprint = Some(wrong);
    let client = builder(&neighbour, ManagedIdentity::SystemAssigned).environment(environment.clone()).build().unwrap();
    let error = client.acquire_token_for_client(VAULT).unwrap_err();
    let why = SendError::Tls(TlsReason::WrongThumbprint);
    assert!(matches!(&error, Error::Unreachable { why: w, .. } if *w == why), "{error:?}");
    // Not a byte of the request, in which the secret is, and no second try.
    assert_eq!(neighbour.server.requests().len(), requests);
    assert_eq!(neighbour.server.connections(), 2);

    environment.identity_endpoint = environment.identity_endpoint.map(|url| url.replace("https", "http"));
    let client = builder(&neighbour, ManagedIdentity::SystemAssigned).environment(environment).build().unwrap();
    let error = client.acquire_token_for_client(VAULT).unwrap_err();
    assert!(matches!(error, Error::Config(Config::ManagedIdentity(_))), "{error:?}");
}

#[test]
fn the_key_file_of_azure_arc() {
    let neighbour = Neighbour::new(Source::AzureArc);
    let file = neighbour.arc_dir().join("simulated.key");
    let fails = || system(&neighbour).acquire_token_for_client(VAULT).unwrap_err();
    assert!(system(&neighbour).acquire_token_for_client(VAULT).is_ok());
    // Editors end files with a line.
    std::fs::write(&file, format!("{ARC_KEY}\n")).unwrap();
    assert!(system(&neighbour).acquire_token_for_client(VAULT).is_ok());

    std::fs::write(&file, vec![b'x'; 4097]).unwrap();
    assert!(matches!(fails(), Error::Unanswered { ask: "file", why: AskError::TooLarge }));
    std::fs::write(&file, "").unwrap();
    assert!(matches!(fails(), Error::Config(Config::ManagedIdentity(_))));
    std::fs::write(&file, "a\r\nHost: evil.example").unwrap();
    assert!(matches!(fails(), Error::Config(Config::ManagedIdentity(_))));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(fails(), Error::Unanswered { ask: "file", why: AskError::NotFound }));

    // Whatever the path, the file lies in the one folder, and a link does not lead out of it.
    let outside = neighbour.arc_dir().with_extension("outside.key");
    std::fs::write(&outside, ARC_KEY).unwrap();
    let challenge = |realm: &str| {
        let answer = Response::text(401, "text/plain", "").header("WWW-Authenticate", &format!("Basic realm={realm}"));
        neighbour.identities.lock().unwrap().fault(Fault::new(On::Token, What::Answer(answer)));
    };
    let path = outside.to_str().unwrap();
    for realm in [path.to_owned(), format!("/var/opt/azcmagent/tokens/../../../../{path}")] {
        challenge(&realm);
        assert!(matches!(fails(), Error::Unanswered { ask: "file", why: AskError::NotFound }), "{realm}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        challenge("/var/opt/azcmagent/tokens/simulated.key");
        assert!(matches!(fails(), Error::Unanswered { ask: "file", why: AskError::Denied }));
    }
    std::fs::remove_file(outside).unwrap();
}

#[test]
fn nobody_at_the_metadata_service() {
    // A port on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let neighbour = Neighbour::new(Source::DefaultToVm);
    let mut environment = neighbour.environment();
    environment.pod_identity_authority_host = Some(format!("http://127.0.0.1:{port}"));
    let client = builder(&neighbour, ManagedIdentity::SystemAssigned).environment(environment);
    let error = client.probe(Duration::from_millis(300)).build().unwrap().acquire_token_for_client(VAULT).unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: SendError::NotSent, .. }), "{error:?}");
    // Where somebody is, the probe costs one short request, without the header and the identity.
    let client = builder(&neighbour, ManagedIdentity::ClientId(USER_ASSIGNED.into()));
    let client = client.probe(Duration::from_secs(5)).build().unwrap();
    client.acquire_token_for_client(VAULT).unwrap();
    let requests = neighbour.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        !requests[0].contains("Metadata:") && !requests[0].contains(USER_ASSIGNED) && !requests[0].contains("vault")
    );
    // Silent: the probe ends it, not the time for a whole attempt.
    neighbour.identities.lock().unwrap().fault(Fault::new(On::Token, What::NoAnswer).always());
    let client =
        builder(&neighbour, ManagedIdentity::SystemAssigned).probe(Duration::from_millis(200)).build().unwrap();
    let error = client.acquire_token_for_client(VAULT).unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: SendError::NoAnswer, .. }), "{error:?}");
    assert_eq!(neighbour.server.requests().len(), 3);
}

/// How an acquisition has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Token,
    NoAnswer,
    TooLarge,
    Odd,
    Busy(u16, Option<u64>),
}

fn end(error: &Error) -> Option<End> {
    Some(match error {
        Error::Unreachable { why: SendError::NoAnswer, .. } => End::NoAnswer,
        Error::Unreachable { why: SendError::TooLarge, .. } => End::TooLarge,
        Error::BadResponse { .. } | Error::Refused(_) => End::Odd,
        Error::Throttled { status, retry_after, .. } => End::Busy(*status, *retry_after),
        _ => return None,
    })
}

fn faults() -> [(&'static str, What, End); 14] {
    let status = |code, retry_after| What::Status { code, retry_after };
    [
        ("no answer", What::NoAnswer, End::NoAnswer),
        ("reset", What::Reset, End::NoAnswer),
        ("cut body", What::CutBody, End::NoAnswer),
        ("404", status(404, None), End::Odd),
        ("410", status(410, None), End::Busy(410, None)),
        ("410 later", status(410, Some(20)), End::Busy(410, Some(20))),
        ("429", status(429, Some(7)), End::Busy(429, Some(7))),
        ("500", status(500, None), End::Busy(500, None)),
        ("503", status(503, Some(9)), End::Busy(503, Some(9))),
        ("HTML", What::Html, End::Odd),
        ("10 MB", What::Oversize(10_000_000), End::TooLarge),
        ("302", What::Redirect("https://evil.example/".to_owned()), End::Odd),
        ("garbage", What::Garbage, End::Odd),
        ("wrong content type", What::WrongContentType, End::Token),
    ]
}

/// Whether a fault can strike this request at all: the first leg of Arc has a body of no length.
fn strikes(source: Source, leg: usize, name: &str) -> bool {
    !(source == Source::AzureArc && leg == 0 && matches!(name, "cut body" | "wrong content type" | "garbage"))
}

#[test]
fn every_request_with_every_fault() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for source in SOURCES {
        let legs = if source == Source::AzureArc { 2 } else { 1 };
        for leg in 0..legs {
            for (name, what, expected) in faults() {
                if !strikes(source, leg, name) {
                    continue;
                }
                let case = format!("{source}, leg {leg}: {name}");
                let neighbour = Neighbour::new(source);
                let settings = Settings {
                    attempt_timeout: if expected == End::NoAnswer { Millis(400) } else { Millis::from_secs(60) },
                    retries: Retries::NONE,
                    ..Settings::default()
                };
                let client = builder(&neighbour, ManagedIdentity::SystemAssigned).settings(settings).build().unwrap();
                // The second leg is struck when the first has passed.
                let mut identities = neighbour.identities.lock().unwrap();
                if leg == 1 {
                    let realm = "Basic realm=/var/opt/azcmagent/tokens/simulated.key";
                    let first = Response::text(401, "text/plain", "").header("WWW-Authenticate", realm);
                    identities.fault(Fault::new(On::Token, What::Answer(first)));
                }
                identities.fault(Fault::new(On::Token, what).always());
                drop(identities);
                let result = client.acquire_token_for_client(VAULT);
                let (ended, shown) = match &result {
                    Ok(token) => (Some(End::Token), format!("{token:?}")),
                    Err(error) => (end(error), format!("{error:?} {error}")),
                };
                if ended != Some(expected) {
                    wrong.push(format!("{case}: {shown}"));
                }
                for secret in [SECRET, ARC_KEY, TOKEN] {
                    assert!(!shown.contains(secret), "{case}: {shown}");
                }
                let stored = client.with_token_cache(|tokens| String::from_utf8(tokens.to_json().to_vec()).unwrap());
                assert_eq!(stored.contains(TOKEN), expected == End::Token, "{case}");
                assert!(!stored.contains(SECRET) && !stored.contains(ARC_KEY), "{case}");
                // Sent once: nothing is repeated that was told not to.
                assert_eq!(neighbour.server.requests().len(), leg + 1, "{case}");
                // An answer that asks for patience is remembered: the next call asks nobody.
                if let End::Busy(_, Some(_)) = expected {
                    let asked = neighbour.server.requests().len();
                    let again = client.acquire_token_for_client(VAULT).unwrap_err();
                    assert!(matches!(end(&again), Some(End::Busy(..))), "{case}: {again:?}");
                    // Arc's first leg, which is not the one that failed, is asked again and then the key is the same.
                    assert_eq!(neighbour.server.requests().len(), asked + leg, "{case}");
                }
                cases += 1;
            }
            // Once, and then it is right again: repeatable requests are repeated by default.
            for (name, what, at_the_metadata_service_only) in [
                ("500", What::Status { code: 500, retry_after: None }, false),
                ("429", What::Status { code: 429, retry_after: Some(1) }, false),
                ("no answer", What::Reset, false),
                ("404", What::Status { code: 404, retry_after: None }, true),
                ("410", What::Status { code: 410, retry_after: None }, true),
            ] {
                let neighbour = Neighbour::new(source);
                neighbour.identities.lock().unwrap().fault(Fault::new(On::Token, what).times(2));
                let result = system(&neighbour).acquire_token_for_client(VAULT);
                let repeated = match source {
                    Source::CloudShell => false,
                    Source::DefaultToVm => true,
                    _ => !at_the_metadata_service_only,
                };
                assert_eq!(result.is_ok(), repeated, "{source}: {name}, then right: {result:?}");
                cases += 1;
            }
        }
        // The date jumps while a token is cached: back, and it was stored at a time that has not come; forward, and it has
        // ended.
        for date in [1_700_000_000, 2_000_000_000] {
            let neighbour = Neighbour::new(source);
            let client = system(&neighbour);
            client.acquire_token_for_client(VAULT).unwrap();
            neighbour.time.jump(date);
            let again = client.acquire_token_for_client(VAULT).unwrap();
            assert_eq!(again.source(), TokenSource::IdentityProvider, "{source} {date}");
            cases += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{cases} cases of the fault table of managed identities");
    assert!(cases >= 120, "{cases}");
}
