//! The machine for managed identities, step by step: what is asked, repeated, remembered and refused (sections 4.13 and 4.14 of
//! the reference, G-31 to G-37 of its section 14).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test")]
#![allow(clippy::indexing_slicing, reason = "a test")]

use sansal::client::{Client, Retries, Settings};
use sansal::error::{AskError, CommitError, Config, Error, SendError};
use sansal::flow::{Answer, Ask, Clock, Cx, Flow, Input, Millis, Request, Response, Step};
use sansal::http::{Method, Proxy, Repeat, ResponseHeader, ServerTrust};
use sansal::managed::{AcquireManagedIdentity, ManagedIdentityEnvironment};
use sansal::{ManagedIdentity, ManagedIdentityRequest, Secret, Store, Token, TokenSource};

mod support;
use support::{Bytes, NOW};

const GOOD: &str = r#"{"access_token":"at","expires_in":"3600","expires_on":"1700003600","token_type":"Bearer"}"#;

/// A machine with a world around it.
struct World {
    client: Client,
    store: Store,
    flow: AcquireManagedIdentity,
    clock: Clock,
    chance: Bytes,
}

type Stepped = Result<Step<Token>, Error>;

impl World {
    fn new(settings: Settings, wanted: &ManagedIdentityRequest) -> Self {
        let client = Client::managed_identity(settings).unwrap();
        let flow = wanted.flow(&client).unwrap();
        let store = Store::new(&mut Bytes(0)).unwrap();
        Self { client, store, flow, clock: Clock::new(Millis(1000), NOW), chance: Bytes(7) }
    }

    /// Another acquisition in the same world.
    fn again(&mut self, wanted: &ManagedIdentityRequest) {
        self.flow = wanted.flow(&self.client).unwrap();
    }

    fn step(&mut self, input: Input<'_>) -> Stepped {
        let mut cx = Cx { client: &self.client, store: &self.store, clock: self.clock, entropy: &mut self.chance };
        self.flow.step(&mut cx, input)
    }

    fn begin(&mut self) -> Stepped {
        assert!(matches!(self.step(Input::Start), Ok(Step::Load(_))));
        self.step(Input::Loaded)
    }

    fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: &str) -> Stepped {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
        self.step(Input::Response(Response { status, headers: &headers, body: body.as_bytes() }))
    }

    /// Applies what is to be committed and says it is done.
    fn commit(&mut self, step: Stepped) -> Stepped {
        let Ok(Step::Commit(changes)) = step else { panic!("{step:?}") };
        self.store.apply(changes);
        self.step(Input::Committed(Ok(())))
    }

    fn waits(&mut self, step: Stepped) -> Stepped {
        let Ok(Step::Wait(span)) = step else { panic!("{step:?}") };
        self.clock.mono = self.clock.mono.after(span);
        self.step(Input::Woke)
    }
}

fn sent(step: Stepped) -> Request {
    match step {
        Ok(Step::Send(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn token(step: Stepped) -> Token {
    match step {
        Ok(Step::Done(token)) => token,
        other => panic!("{other:?}"),
    }
}

fn wanted(environment: ManagedIdentityEnvironment) -> ManagedIdentityRequest {
    ManagedIdentityRequest::new(ManagedIdentity::SystemAssigned, environment, "https://r")
}

fn imds() -> ManagedIdentityRequest {
    wanted(ManagedIdentityEnvironment::default())
}

fn arc() -> ManagedIdentityEnvironment {
    ManagedIdentityEnvironment {
        arc_agent_installed: true,
        arc_token_dir: Some("/keys".into()),
        ..ManagedIdentityEnvironment::default()
    }
}

fn behind(endpoint: &str) -> ManagedIdentityEnvironment {
    ManagedIdentityEnvironment {
        identity_endpoint: Some(endpoint.into()),
        identity_header: Some(Secret::from("header")),
        ..ManagedIdentityEnvironment::default()
    }
}

fn fabric(endpoint: &str, thumbprint: &str) -> ManagedIdentityEnvironment {
    ManagedIdentityEnvironment { identity_server_thumbprint: Some(thumbprint.into()), ..behind(endpoint) }
}

const PIN: &str = "00112233445566778899AABBCCDDEEFF00112233";

#[test]
fn requests_go_nowhere_but_where_the_environment_says() {
    // The environment, the address without its query; `None`: nothing is sent.
    let refused = None;
    let cases: [(ManagedIdentityEnvironment, Option<&str>); 11] = [
        (ManagedIdentityEnvironment::default(), Some("http://169.254.169.254/metadata/identity/oauth2/token")),
        (arc(), Some("http://localhost:40342/metadata/identity/oauth2/token")),
        (behind("http://127.0.0.1:41741/msi/token"), Some("http://127.0.0.1:41741/msi/token")),
        (behind("http://169.254.129.5:8081/msi/token?a=b"), Some("http://169.254.129.5:8081/msi/token")),
        (behind("https://identity.example/x"), Some("https://identity.example/x")),
        (behind("http://identity.example/x"), refused),
        (behind(""), refused),
        (fabric("https://10.0.0.4:2377/t", PIN), Some("https://10.0.0.4:2377/t")),
        (fabric("http://127.0.0.1:2377/t", PIN), refused),
        (fabric("https://10.0.0.4:2377/t", "0011"), refused),
        (
            ManagedIdentityEnvironment {
                pod_identity_authority_host: Some("http://pods.example".into()),
                ..ManagedIdentityEnvironment::default()
            },
            refused,
        ),
    ];
    for (environment, expected) in cases {
        let mut world = World::new(Settings::default(), &wanted(environment.clone()));
        let step = world.begin();
        match expected {
            None => {
                assert!(matches!(step, Err(Error::Config(Config::ManagedIdentity(_)))), "{environment:?}: {step:?}")
            }
            Some(address) => {
                let request = sent(step);
                assert_eq!(request.endpoint.origin().to_owned() + request.endpoint.path(), address);
                assert_eq!((request.method, request.proxy, request.repeat), (Method::Get, Proxy::Never, Repeat::Safe));
                assert!(request.endpoint.query().unwrap().contains("resource=https%3A%2F%2Fr"), "{request:?}");
                let pinned = matches!(request.server, ServerTrust::Thumbprint(_));
                assert_eq!(pinned, environment.identity_server_thumbprint.is_some());
            }
        }
    }
}

#[test]
fn line_ends_do_not_get_into_headers() {
    let mut environment = behind("http://127.0.0.1:1/t");
    environment.identity_header = Some(Secret::from("a\r\nHost: evil"));
    let mut world = World::new(Settings::default(), &wanted(environment));
    assert!(matches!(world.begin(), Err(Error::Config(Config::ManagedIdentity(_)))));
}

#[test]
fn the_metadata_service_is_asked_again_when_it_is_not_ready() {
    for status in [404, 410, 429, 500, 503] {
        let mut world = World::new(Settings::default(), &imds());
        let first = sent(world.begin());
        let step = world.respond(status, &[], "{}");
        let second = sent(world.waits(step));
        assert_eq!(first.endpoint, second.endpoint);
        let step = world.respond(200, &[], GOOD);
        assert_eq!(token(world.commit(step)).access_token(), "at", "{status}");
    }
    // No answer at all, too; but no TLS failure, and nothing that is too long.
    for (why, again) in [(SendError::NotSent, true), (SendError::NoAnswer, true), (SendError::TooLarge, false)] {
        let mut world = World::new(Settings::default(), &imds());
        let _ = sent(world.begin());
        let step = world.step(Input::Failed(why));
        assert_eq!(matches!(step, Ok(Step::Wait(_))), again, "{why:?}: {step:?}");
    }
    // Service Fabric says not to repeat a 404.
    let mut world = World::new(Settings::default(), &wanted(fabric("https://10.0.0.4:2377/t", PIN)));
    let _ = sent(world.begin());
    let step = world.respond(404, &[], r#"{"error":{"code":"ManagedIdentityNotFound"}}"#);
    let refused = world.commit(step).unwrap_err();
    assert!(matches!(&refused, Error::Refused(refusal) if refusal.error() == "invalid_client"), "{refused:?}");
}

#[test]
fn what_is_remembered_and_for_whom() {
    // Section 4.14.8: patience is remembered, a refusal is not; in the reference nobody is patient with Service Fabric (G-37).
    let once = || Settings { retries: Retries::NONE, ..Settings::default() };
    let body = r#"{"error":"x","error_description":"y"}"#;
    let fabric = || wanted(fabric("https://10.0.0.4:2377/t", PIN));
    let cases: [(&str, Settings, ManagedIdentityRequest, u16, &[(&str, &str)], bool); 8] = [
        ("429", once(), imds(), 429, &[], true),
        ("500", once(), imds(), 500, &[], true),
        ("410 with Retry-After", once(), imds(), 410, &[("Retry-After", "20")], true),
        ("410", once(), imds(), 410, &[], false),
        ("400", once(), imds(), 400, &[], false),
        ("429 of Service Fabric", once(), fabric(), 429, &[], true),
        ("429 of Service Fabric, reference", Settings::reference(), fabric(), 429, &[], false),
        ("400, reference", Settings::reference(), imds(), 400, &[], false),
    ];
    for (name, settings, wanted, status, headers, remembered) in cases {
        let mut world = World::new(settings, &wanted);
        let _ = sent(world.begin());
        let step = world.respond(status, headers, body);
        assert!(world.commit(step).is_err(), "{name}");
        world.again(&wanted);
        let step = world.begin();
        assert_eq!(!matches!(step, Ok(Step::Send(_))), remembered, "{name}: {step:?}");
        // Another resource is another request.
        let other = ManagedIdentityRequest::new(ManagedIdentity::SystemAssigned, arc(), "https://other");
        world.again(&other);
        let _ = sent(world.begin());
    }
}

#[test]
fn a_cached_token_stands_in_whatever_goes_wrong() {
    let day = GOOD.replace("\"3600\"", "86400");
    let renewing = || {
        let mut world = World::new(Settings { retries: Retries::NONE, ..Settings::default() }, &imds());
        let _ = sent(world.begin());
        let step = world.respond(200, &[], &day);
        assert_eq!(token(world.commit(step)).source(), TokenSource::IdentityProvider);
        world.clock.wall = Some(NOW.after(43_201));
        world.again(&imds());
        let _ = sent(world.begin());
        world
    };
    let mut world = renewing();
    assert_eq!(token(world.step(Input::Failed(SendError::Cancelled))).source(), TokenSource::Cache);
    for (status, body) in
        [(200, "<html>"), (200, "{}"), (400, r#"{"error":"x"}"#), (302, ""), (200, r#"{"access_token":"b"}"#)]
    {
        let mut world = renewing();
        let step = world.respond(status, &[], body);
        let token = token(world.commit(step));
        assert_eq!((token.source(), token.access_token()), (TokenSource::Cache, "at"), "{status} {body}");
    }
    // But a machine that is fed nonsense says so.
    let mut world = renewing();
    assert!(matches!(world.step(Input::Woke), Err(Error::OutOfTurn)));
}

#[test]
fn the_key_file_is_small_and_there() {
    let asked = |platform: Option<&str>| {
        let mut environment = arc();
        environment.arc_token_dir = platform.map(str::to_owned);
        let mut world = World::new(Settings::default(), &wanted(environment));
        let _ = sent(world.begin());
        let step = world.respond(401, &[("www-authenticate", "Basic realm=/elsewhere/one.key")], "");
        (world, step)
    };
    let (mut world, step) = asked(Some("/keys"));
    let Ok(Step::Ask(Ask::ReadFile { dir, name, max_len })) = step else { panic!("{step:?}") };
    assert_eq!((dir.as_str(), name.as_str(), max_len), ("/keys", "one.key", 4096));
    let request = sent(world.step(Input::Answer(Answer::File(b"key\n"))));
    let header = request.headers.iter().find(|header| header.name == "Authorization").unwrap();
    assert_eq!(header.value.expose(), "Basic key");
    let step = world.respond(200, &[], GOOD);
    assert_eq!(token(world.commit(step)).access_token(), "at");

    // A host that reads more than it was asked to.
    let (mut world, _) = asked(Some("/keys"));
    let error = world.step(Input::Answer(Answer::File(&[b'x'; 4097]))).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "file", why: AskError::TooLarge }));
    let (mut world, _) = asked(Some("/keys"));
    let error = world.step(Input::Answer(Answer::Failed(AskError::NotFound))).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "file", why: AskError::NotFound }));
    assert!(matches!(world.step(Input::Start), Err(Error::OutOfTurn)), "spent");
    let (_, step) = asked(None);
    assert!(matches!(step, Err(Error::Config(Config::ArcPlatform))), "{step:?}");
}

#[test]
fn an_answer_with_a_token_in_it_is_not_quoted() {
    // G-36: a 200 without a challenge is an error, to the reference one with the body in it.
    for (settings, quoted) in [(Settings::default(), false), (Settings::reference(), true)] {
        let mut world = World::new(settings, &wanted(arc()));
        let _ = sent(world.begin());
        let error = world.respond(200, &[], GOOD).unwrap_err();
        assert_eq!(format!("{error} {error:?}").contains("\"at"), quoted, "{error}");
    }
}

#[test]
fn cloud_shell_is_served_but_to_the_reference() {
    // G-35
    let environment = ManagedIdentityEnvironment {
        azureps_host_environment: Some("cloud-shell/1.0".into()),
        ..ManagedIdentityEnvironment::default()
    };
    let mut world = World::new(Settings::default(), &wanted(environment.clone()));
    let request = sent(world.begin());
    assert_eq!(
        (request.method, request.endpoint.to_string().as_str()),
        (Method::Post, "http://localhost:50342/oauth2/token")
    );
    assert_eq!(request.body.unwrap().bytes.expose(), b"resource=https%3A%2F%2Fr");
    let step = world.respond(200, &[], GOOD);
    assert_eq!(token(world.commit(step)).access_token(), "at");
    let mut world = World::new(Settings::reference(), &wanted(environment));
    assert_eq!(sent(world.begin()).endpoint.host(), "169.254.169.254");
}

#[test]
fn dates_and_lost_stores() {
    // G-33; and a token that cannot be persisted is a token all the same.
    let mut world = World::new(Settings::default(), &wanted(behind("http://127.0.0.1:1/t")));
    let _ = sent(world.begin());
    let body = GOOD.replace("1700003600", "11/14/2023 11:13:20 PM +00:00");
    let step = world.respond(200, &[], &body);
    assert!(matches!(step, Ok(Step::Commit(_))), "{step:?}");
    let token = token(world.step(Input::Committed(Err(CommitError::NotWritten))));
    assert_eq!((token.expires_on(), token.stored()), (NOW.after(3600), Err(CommitError::NotWritten)));
}

#[test]
fn resources_and_identities_that_cannot_be() {
    let client = Client::managed_identity(Settings::default()).unwrap();
    for resource in ["", "a b", "a\n", "\u{e4}"] {
        let wanted = ManagedIdentityRequest::new(ManagedIdentity::SystemAssigned, arc(), resource);
        assert!(matches!(wanted.flow(&client), Err(Error::Config(Config::Scope(_)))), "{resource:?}");
    }
    let wanted = ManagedIdentityRequest::new(ManagedIdentity::ClientId(String::new()), arc(), "r");
    assert!(matches!(wanted.flow(&client), Err(Error::Config(Config::ManagedIdentity(_)))));
}

#[test]
fn acquisitions_share_an_answer_only_if_all_is_the_same() {
    let client = Client::managed_identity(Settings::default()).unwrap();
    let store = Store::new(&mut Bytes(0)).unwrap();
    let all = [
        imds(),
        wanted(arc()),
        wanted(behind("http://127.0.0.1:1/t")),
        wanted(behind("http://127.0.0.1:2/t")),
        wanted(fabric("http://127.0.0.1:1/t", PIN)),
        ManagedIdentityRequest::new(
            ManagedIdentity::SystemAssigned,
            ManagedIdentityEnvironment::default(),
            "https://r2",
        ),
        ManagedIdentityRequest::new(
            ManagedIdentity::ClientId("a".into()),
            ManagedIdentityEnvironment::default(),
            "https://r",
        ),
        ManagedIdentityRequest::new(
            ManagedIdentity::ObjectId("a".into()),
            ManagedIdentityEnvironment::default(),
            "https://r",
        ),
        imds().claims_challenge("{}"),
        imds().placeholder(),
        imds().probe(Millis(1)),
    ];
    let keys: std::collections::BTreeSet<_> =
        all.iter().map(|wanted| wanted.key(&client, store.memory.process_key())).collect();
    assert_eq!(keys.len(), all.len());
    assert!(imds().key(&client, store.memory.process_key()) == imds().key(&client, store.memory.process_key()));
}
