//! Bad days of one token request, played against the machine without any network (RFC 6749 s5, decision 9 of the design).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test")]

use sansal::client::{Client, Credential, IdTokenPolicy, Retries, Settings};
use sansal::error::{CommitError, Config, SendError, TlsReason, TokenError, What};
use sansal::flow::{Clock, Input, Millis, Response, Step};
use sansal::http::Method;
use sansal::time::UnixTime;
use sansal::{ClientCredentials, Error, RefreshTokenImport, Store, Token, TokenSource};

mod support;
use support::{Bytes, Host, World, answers, headed};

const TENANT: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee";
const SCOPE: &str = "https://graph.microsoft.com/.default";
const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"at-1"}"#;
const AGING: &str = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"at-1","refresh_in":100}"#;

fn metadata() -> World {
    answers(
        200,
        format!(
            r#"{{"token_endpoint":"{TENANT}/oauth2/v2.0/token","authorization_endpoint":"{TENANT}/oauth2/v2.0/authorize"}}"#
        ),
    )
}

fn host_with(settings: Settings) -> Host {
    let client = Client::builder("app").authority(TENANT).credential(Credential::secret("planted-secret"));
    Host::new(client.settings(settings).build().unwrap())
}

fn get(host: &mut Host, script: impl IntoIterator<Item = World>) -> Result<Token, Error> {
    let flow = ClientCredentials::new(&[SCOPE]).unwrap().flow(&host.client)?;
    host.play(script, flow)
}

fn no_retries() -> Settings {
    Settings { retries: Retries::NONE, ..Settings::default() }
}

#[test]
fn the_happy_path_asks_for_metadata_once_and_for_a_token_once() {
    let mut host = host_with(Settings::default());
    let token = get(&mut host, [metadata(), answers(200, TOKEN)]).unwrap();
    assert_eq!((token.access_token(), token.source()), ("at-1", TokenSource::IdentityProvider));
    assert_eq!(token.expires_on(), UnixTime(1_700_003_600));
    assert_eq!(host.sent.iter().map(|r| r.method).collect::<Vec<_>>(), [Method::Get, Method::Post]);
    let token = get(&mut host, []).unwrap();
    assert_eq!((token.access_token(), token.source()), ("at-1", TokenSource::Cache));
}

/// Every way a request can go wrong, for the metadata and for the token: the right error, nothing stored, no secret shown.
#[test]
fn faults() {
    type Expected = fn(&Error) -> bool;
    let unreachable: [SendError; 8] = [
        SendError::NotSent,
        SendError::NoAnswer,
        SendError::TooLarge,
        SendError::Cancelled,
        SendError::Tls(TlsReason::UnknownIssuer),
        SendError::Tls(TlsReason::WrongName),
        SendError::Tls(TlsReason::Expired),
        SendError::Tls(TlsReason::Other),
    ];
    let bad: Expected = |e| matches!(e, Error::BadResponse { what: What::TokenResponse, .. });
    let patience: Expected = |e| matches!(e, Error::Throttled { .. });
    let token_faults: Vec<(World, Expected)> = vec![
        (answers(200, ""), bad),
        (answers(200, "<html>captive portal</html>"), bad),
        (answers(200, "{\"access_token\":"), bad),
        (answers(200, "[]"), bad),
        (answers(200, "null"), bad),
        (answers(200, "{}"), bad),
        (answers(200, r#"{"access_token":null}"#), bad),
        (answers(200, r#"{"access_token":""}"#), bad),
        (answers(200, r#"{"access_token":7}"#), bad),
        (answers(200, r#"{"access_token":"a","expires_in":"soon"}"#), bad),
        (answers(200, "[".repeat(100_000)), bad),
        (answers(302, ""), bad),
        (answers(302, TOKEN), bad),
        (answers(404, "<html>"), bad),
        (answers(404, TOKEN), bad),
        (answers(100, TOKEN), bad),
        (answers(0, TOKEN), bad),
        (answers(500, "Internal"), patience),
        (answers(503, TOKEN), patience),
        (answers(429, "<html>"), patience),
        (answers(502, r#"{"error":"server_error"}"#), patience),
        (answers(200, format!("{{\"access_token\":\"{}\"}}", "a".repeat(10_000_000))), |e| {
            matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })
        }),
        (answers(400, r#"{"error":"invalid_client"}"#), |e| matches!(e, Error::Refused(_))),
        (answers(200, r#"{"error":"odd","access_token":"at"}"#), |e| matches!(e, Error::Refused(_))),
        (
            answers(400, r#"{"error":"interaction_required","claims":"{}"}"#),
            |e| matches!(e, Error::InteractionRequired { claims: Some(c), .. } if c == "{}"),
        ),
    ];
    let mut count = 0;
    for why in unreachable {
        for metadata_first in [true, false] {
            let mut host = host_with(no_retries());
            let script = if metadata_first { vec![metadata(), World::Fails(why)] } else { vec![World::Fails(why)] };
            let error = get(&mut host, script).unwrap_err();
            assert!(matches!(&error, Error::Unreachable { why: got, .. } if *got == why), "{error:?}");
            assert_eq!(host.cached(), 0);
            count += 1;
        }
    }
    for (world, expected) in &token_faults {
        let mut host = host_with(no_retries());
        let error = get(&mut host, [metadata(), world.clone()]).unwrap_err();
        assert!(expected(&error), "{error:?}");
        let shown = format!("{error} {error:?} {:?} {:?}", host.sent, host.store);
        assert!(!shown.contains("planted-secret"), "{shown}");
        assert_eq!(host.cached(), 0);
        count += 1;
    }
    let metadata_faults: Vec<(World, Expected)> = vec![
        (answers(200, "<html>"), |e| matches!(e, Error::BadResponse { what: What::ProviderMetadata, .. })),
        (answers(200, "{}"), |e| matches!(e, Error::BadResponse { what: What::ProviderMetadata, .. })),
        (answers(304, ""), |e| matches!(e, Error::BadResponse { what: What::ProviderMetadata, .. })),
        (answers(400, "{}"), |e| matches!(e, Error::Config(Config::NoMetadata { status: 400, .. }))),
        (answers(404, "<html>"), |e| matches!(e, Error::Config(Config::NoMetadata { status: 404, .. }))),
        (answers(500, ""), |e| matches!(e, Error::Throttled { status: 500, .. })),
        (answers(429, ""), |e| matches!(e, Error::Throttled { status: 429, .. })),
        (answers(200, "x".repeat(10_000_000)), |e| matches!(e, Error::Unreachable { why: SendError::TooLarge, .. })),
        (
            answers(
                200,
                r#"{"token_endpoint":"https://evil.example/token","authorization_endpoint":"https://evil.example/a"}"#,
            ),
            |e| matches!(e, Error::Config(Config::HostNotAllowed { host, .. }) if host == "evil.example"),
        ),
        (
            answers(
                200,
                r#"{"token_endpoint":"http://login.microsoftonline.com/t","authorization_endpoint":"https://login.microsoftonline.com/a"}"#,
            ),
            |e| matches!(e, Error::BadResponse { at: "token_endpoint", .. }),
        ),
    ];
    for (world, expected) in &metadata_faults {
        let mut host = host_with(no_retries());
        let error = get(&mut host, [world.clone()]).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert_eq!((host.cached(), host.sent.len()), (0, 1), "no secret left for anywhere");
        count += 1;
    }
    println!("{count} faults");
}

/// G-02: whatever goes wrong, a token that still counts is given.
#[test]
fn an_aging_token_survives_every_failure() {
    let failures = [
        answers(500, "oops"),
        answers(503, ""),
        answers(429, "{}"),
        answers(400, r#"{"error":"invalid_client"}"#),
        answers(200, "<html>"),
        answers(302, ""),
        World::Fails(SendError::NotSent),
        World::Fails(SendError::NoAnswer),
        World::Fails(SendError::TooLarge),
        World::Fails(SendError::Tls(TlsReason::Expired)),
    ];
    for failure in failures {
        let mut host = host_with(no_retries());
        get(&mut host, [metadata(), answers(200, AGING)]).unwrap();
        host.clock = Clock::new(host.clock.mono.after(Millis::from_secs(200)), UnixTime(1_700_000_200));
        let token = get(&mut host, [failure.clone()]).unwrap();
        assert_eq!((token.access_token(), token.source()), ("at-1", TokenSource::Cache), "{failure:?}");
        assert_eq!(host.cached(), 1);
    }
    // And a good answer replaces it.
    let mut host = host_with(no_retries());
    get(&mut host, [metadata(), answers(200, AGING)]).unwrap();
    host.clock = Clock::new(host.clock.mono.after(Millis::from_secs(200)), UnixTime(1_700_000_200));
    assert_eq!(get(&mut host, [answers(200, TOKEN.replace("at-1", "at-2"))]).unwrap().access_token(), "at-2");
    assert_eq!(host.cached(), 1);
}

#[test]
fn only_harmless_requests_are_repeated() {
    let late: &[(&str, &str)] = &[("Retry-After", "3")];
    // Discovery: three times more, waiting longer each time, as long as the server asks.
    let mut host = host_with(Settings::default());
    let script =
        [World::Fails(SendError::NoAnswer), answers(503, ""), headed(429, late, ""), metadata(), answers(200, TOKEN)];
    get(&mut host, script).unwrap();
    assert_eq!(host.waited.len(), 3);
    assert!((500..=750).contains(&host.waited[0]) && (1000..=1500).contains(&host.waited[1]), "{:?}", host.waited);
    assert!(host.waited[2] >= 3000, "{:?}", host.waited);
    // A token request: only when nothing was sent.
    host.store = Store::new(&mut Bytes(1)).unwrap();
    get(&mut host, [metadata(), World::Fails(SendError::NotSent), answers(200, TOKEN)]).unwrap();
    for once in [World::Fails(SendError::NoAnswer), answers(503, ""), World::Fails(SendError::Tls(TlsReason::Other))] {
        let mut host = host_with(Settings::default());
        get(&mut host, [metadata(), once]).unwrap_err();
        assert!(host.waited.is_empty());
    }
    // TLS failures are never repeated, not even for discovery.
    let mut host = host_with(Settings::default());
    get(&mut host, [World::Fails(SendError::Tls(TlsReason::UnknownIssuer))]).unwrap_err();
    // More patience than allowed comes back at once and says when.
    let long: &[(&str, &str)] = &[("Retry-After", "120")];
    let error = get(&mut host, [headed(503, long, "")]).unwrap_err();
    assert!(matches!(error, Error::Throttled { status: 503, retry_after: Some(120), .. }), "{error:?}");
}

#[test]
fn an_operation_has_a_budget() {
    let settings = Settings { operation_budget: Millis(1200), attempt_timeout: Millis(900), ..Settings::default() };
    let mut host = host_with(settings);
    // The first wait still fits, the second would not.
    get(&mut host, [World::Fails(SendError::NotSent), World::Fails(SendError::NotSent)]).unwrap_err();
    assert_eq!(host.sent[0].attempt_timeout, Millis(900));
    assert!(
        host.sent[1].attempt_timeout < Millis(900),
        "what is left of the budget: {:?}",
        host.sent[1].attempt_timeout
    );
}

#[test]
fn an_error_answer_is_not_asked_for_again_at_once() {
    let mut host = host_with(no_retries());
    let refusal = r#"{"error":"invalid_scope","error_description":"AADSTS70011"}"#;
    get(&mut host, [metadata(), answers(400, refusal)]).unwrap_err();
    let error = get(&mut host, []).unwrap_err();
    assert_eq!(error.refusal().unwrap().error(), "invalid_scope");
    host.clock.mono = host.clock.mono.after(Millis::from_secs(60));
    get(&mut host, [answers(200, TOKEN)]).unwrap();
    // Another secret is another request.
    let mut other = host_with(no_retries());
    get(&mut other, [metadata(), answers(400, refusal)]).unwrap_err();
    other.client = Client::builder("app").authority(TENANT).credential(Credential::secret("another")).build().unwrap();
    get(&mut other, [answers(200, TOKEN)]).unwrap();
}

#[test]
fn a_failed_commit_does_not_lose_the_token() {
    let mut host = host_with(no_retries());
    host.commit = Err(CommitError::NotWritten);
    let token = get(&mut host, [metadata(), answers(200, TOKEN)]).unwrap();
    assert_eq!((token.access_token(), token.stored()), ("at-1", Err(CommitError::NotWritten)));
    assert_eq!(host.cached(), 0);
}

#[test]
fn a_clock_that_jumps_makes_no_token_fresh() {
    let mut host = host_with(no_retries());
    get(&mut host, [metadata(), answers(200, TOKEN)]).unwrap();
    // Forward past the end of the token: a new one is fetched although no time has passed on the other clock.
    host.clock.wall = Some(UnixTime(1_700_003_600));
    get(&mut host, [answers(200, TOKEN.replace("at-1", "at-2"))]).unwrap();
    // A device that lost its date cannot judge any token.
    host.clock.wall = None;
    let error = get(&mut host, [answers(200, TOKEN)]).unwrap_err();
    assert!(matches!(error, Error::Config(Config::ClockUnknown)), "{error:?}");
}

fn regional_metadata(region: &str) -> World {
    let base = format!("https://{region}.login.microsoft.com/aaaabbbb-0000-cccc-1111-dddd2222eeee");
    answers(200, format!(r#"{{"token_endpoint":"{base}/token","authorization_endpoint":"{base}/authorize"}}"#))
}

/// Section 3 of the reference, G-17 and G-18.
#[test]
fn regions() {
    use sansal::client::{Region, RegionName};
    let named = || Settings { region: Region::Named(RegionName::parse("westus2").unwrap()), ..no_retries() };
    let hosts = |host: &Host| host.sent.iter().map(|r| r.endpoint.host().to_string()).collect::<Vec<_>>();
    const CENTRAL: &str = "login.microsoftonline.com";
    const REGIONAL: &str = "westus2.login.microsoft.com";

    // A named region: nobody is asked where this machine is; the token lies under the central host.
    let mut host = host_with(named());
    get(&mut host, [metadata(), regional_metadata("westus2"), answers(200, TOKEN)]).unwrap();
    assert_eq!(hosts(&host), [CENTRAL, REGIONAL, REGIONAL]);
    let cache = String::from_utf8_lossy(&host.store.tokens.to_json()).into_owned();
    assert!(cache.contains(r#""environment":"login.microsoftonline.com""#), "{cache}");
    get(&mut host, []).unwrap();

    // The region is away: the central endpoint serves, and the region is left alone for a while.
    let mut host = host_with(named());
    get(&mut host, [metadata(), World::Fails(SendError::NotSent), answers(200, TOKEN)]).unwrap();
    assert_eq!(hosts(&host), [CENTRAL, REGIONAL, CENTRAL]);
    let mut host = host_with(named());
    get(&mut host, [metadata(), regional_metadata("westus2"), World::Fails(SendError::NoAnswer), answers(200, TOKEN)])
        .unwrap();
    assert_eq!(hosts(&host), [CENTRAL, REGIONAL, REGIONAL, CENTRAL]);
    // Not when that is switched off, and never after TLS said that it is somebody else.
    let mut host = host_with(Settings { region_fallback: false, ..named() });
    get(&mut host, [metadata(), World::Fails(SendError::NotSent)]).unwrap_err();
    let mut host = host_with(named());
    let script = [metadata(), regional_metadata("westus2"), World::Fails(SendError::Tls(TlsReason::WrongName))];
    get(&mut host, script).unwrap_err();

    // Detection: REGION_NAME, else the metadata service, without any proxy and not repeated when nobody answers.
    let detect = Settings { region: Region::Detect, ..Settings::default() };
    let mut host = host_with(Settings { region_name: "westus2".into(), ..detect.clone() });
    get(&mut host, [metadata(), regional_metadata("westus2"), answers(200, TOKEN)]).unwrap();
    let mut host = host_with(detect.clone());
    get(
        &mut host,
        [metadata(), answers(200, r#"{"location":"westus2"}"#), regional_metadata("westus2"), answers(200, TOKEN)],
    )
    .unwrap();
    assert_eq!(hosts(&host), [CENTRAL, "169.254.169.254", REGIONAL, REGIONAL]);
    assert_eq!(host.sent[1].proxy, sansal::http::Proxy::Never);
    for nowhere in [World::Fails(SendError::NoAnswer), answers(500, ""), answers(200, r#"{"location":"a/b"}"#)] {
        let mut host = host_with(detect.clone());
        get(&mut host, [metadata(), nowhere, answers(200, TOKEN)]).unwrap();
        assert_eq!(hosts(&host), [CENTRAL, "169.254.169.254", CENTRAL]);
        host.store.tokens = sansal::cache::TokenCache::default();
        get(&mut host, [answers(200, TOKEN)]).unwrap();
    }

    // MSAL_FORCE_REGION counts for those who say nothing themselves; a bad one is an error.
    let forced = |region, force: &str| Settings { region, force_region: Some(force.into()), ..no_retries() };
    let mut host = host_with(forced(Region::Unset, "westus2"));
    get(&mut host, [metadata(), regional_metadata("westus2"), answers(200, TOKEN)]).unwrap();
    get(&mut host_with(forced(Region::Never, "westus2")), [metadata(), answers(200, TOKEN)]).unwrap();
    let bad =
        Client::builder("app").credential(Credential::secret("s")).settings(forced(Region::Unset, "West US")).build();
    assert!(matches!(bad, Err(Error::Config(Config::Region(name))) if name == "West US"));
}

/// Clients may share a memory; what one of them trusts, the others do not trust for that.
#[test]
fn a_shared_memory_does_not_share_trust() {
    let elsewhere = r#"{"token_endpoint":"https://elsewhere.example/t/token","authorization_endpoint":"https://elsewhere.example/t/authorize"}"#;
    let mut host = host_with(Settings { hosts: sansal::client::HostPolicy::Any, ..no_retries() });
    get(&mut host, [answers(200, elsewhere), answers(200, TOKEN)]).unwrap();
    host.store.tokens = sansal::cache::TokenCache::default();
    host.client =
        Client::builder("app").authority(TENANT).credential(Credential::secret("planted-secret")).build().unwrap();
    let error = get(&mut host, []).unwrap_err();
    assert!(matches!(error, Error::Config(Config::HostNotAllowed { .. })), "{error:?}");

    // An unknown host that one client believes untested is looked up for the other.
    let private = |discovery| {
        let settings = Settings { instance_discovery: discovery, ..no_retries() };
        let client = Client::builder("app").authority("https://login.private.example/t");
        client.credential(Credential::secret("s")).settings(settings).build().unwrap()
    };
    let own = r#"{"token_endpoint":"https://login.private.example/t/token","authorization_endpoint":"https://login.private.example/t/a"}"#;
    let mut host = host_with(no_retries());
    host.client = private(sansal::client::InstanceDiscovery::Off);
    get(&mut host, [answers(200, own), answers(200, TOKEN)]).unwrap();
    host.store.tokens = sansal::cache::TokenCache::default();
    host.client = private(sansal::client::InstanceDiscovery::On);
    let error = get(&mut host, [answers(400, r#"{"error":"invalid_instance"}"#)]).unwrap_err();
    assert!(matches!(error, Error::Config(Config::UnknownInstance(_))), "{error:?}");
    assert_eq!(host.sent[0].endpoint.path(), "/common/discovery/instance");
}

/// ADFS knows SHA-1 thumbprints only (section 1.5 of the reference), also where it is named by its issuer (section 2.6).
#[test]
fn adfs_is_asked_with_sha_1_however_it_is_named() {
    use sansal::client::{KeyCredential, Signer};
    use sansal::key::KeyName;
    let key = |x5t: Option<[u8; 20]>| {
        let signer = Signer::External(KeyName("k".into()));
        Credential::Key(KeyCredential::with_thumbprints(signer, x5t, Some([2; 32])).unwrap().into())
    };
    const ISSUER: &str = "https://fs.contoso.com/adfs";
    let named = |credential| {
        [
            Client::builder("app").authority(ISSUER).credential(credential).build(),
            Client::builder("app").oidc_authority(ISSUER).credential(key(Some([1; 20]))).build(),
            Client::builder("app").oidc_authority(ISSUER).credential(key(None)).build(),
        ]
    };
    let [authority, issuer, unusable] = named(key(Some([1; 20])));
    assert!(unusable.is_err(), "no SHA-1 thumbprint for ADFS");
    for client in [authority.unwrap(), issuer.unwrap()] {
        let mut host = host_with(no_retries());
        host.client = client;
        let mut flow = ClientCredentials::new(&[SCOPE]).unwrap().flow(&host.client).unwrap();
        let mut step = host.step(&mut flow, Input::Start).unwrap();
        let alg = loop {
            step = match step {
                Step::Load(_) => host.step(&mut flow, Input::Loaded).unwrap(),
                Step::Commit(_) => host.step(&mut flow, Input::Committed(Ok(()))).unwrap(),
                Step::Send(_) => {
                    let body = format!(
                        r#"{{"issuer":"{ISSUER}","token_endpoint":"{ISSUER}/token","authorization_endpoint":"{ISSUER}/a"}}"#
                    );
                    let response = Response { status: 200, headers: &[], body: body.as_bytes() };
                    host.step(&mut flow, Input::Response(response)).unwrap()
                }
                Step::Ask(sansal::flow::Ask::Sign { alg, .. }) => break alg,
                other => panic!("{other:?}"),
            };
        };
        assert_eq!(alg.as_str(), "RS256");
    }
}

/// OpenID Connect Core s3.1.3.7 rule 6: where the signature is to be checked, the keys come before the grant is sent, since many
/// grants can be used once only.
#[test]
fn keys_come_before_the_grant() {
    const ISSUER: &str = "https://127.0.0.1:8080/dev";
    let metadata = || {
        answers(
            200,
            format!(
                r#"{{"issuer":"{ISSUER}","token_endpoint":"{ISSUER}/token","authorization_endpoint":"{ISSUER}/a","jwks_uri":"{ISSUER}/keys"}}"#
            ),
        )
    };
    let token = || {
        // Signed by nobody whose key is there.
        let (header, claims) = ("eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ", "eyJzdWIiOiJzIn0");
        answers(200, format!(r#"{{"access_token":"at-1","expires_in":3600,"id_token":"{header}.{claims}.c2ln"}}"#))
    };
    let none = || answers(200, r#"{"keys":[]}"#);
    let asked = |policy, script: Vec<World>| {
        let client = Client::builder("app").oidc_authority(ISSUER);
        let settings = Settings { id_token_policy: policy, ..no_retries() };
        let mut host = Host::new(client.settings(settings).build().unwrap());
        let flow = RefreshTokenImport::new("rt", &["openid.like"]).unwrap().flow(&host.client).unwrap();
        let result = host.play(script, flow).map(|token| token.access_token().to_string());
        (result, host.sent.iter().map(|request| request.endpoint.to_string()).collect::<Vec<_>>())
    };
    let (refused, sent) = asked(IdTokenPolicy::Signature, vec![metadata(), answers(404, "")]);
    assert!(matches!(refused, Err(Error::BadResponse { what: What::KeySet, .. })), "{refused:?}");
    assert!(sent.last().is_some_and(|url| url.ends_with("/keys")), "{sent:?}");
    let (refused, sent) = asked(IdTokenPolicy::Signature, vec![metadata(), none(), token()]);
    assert!(matches!(refused, Err(Error::Token(TokenError::UnknownKey))), "{refused:?}");
    assert!(sent.last().is_some_and(|url| url.ends_with("/token")), "{sent:?}");
    let (taken, sent) = asked(IdTokenPolicy::NonceOnly, vec![metadata(), token()]);
    assert_eq!((taken.unwrap().as_str(), sent.len()), ("at-1", 2));
}

/// Section 1.7 of the reference: the maker of an assertion is told the path of the request, when it has one.
#[test]
fn the_maker_of_an_assertion_is_told_what_it_is_for() {
    for (path, expected) in [(None, None), (Some(""), None), (Some("agent"), Some("agent"))] {
        let client = Client::builder("app").authority(TENANT).credential(Credential::AssertionCallback);
        let mut host = Host::new(client.settings(no_retries()).build().unwrap());
        let request = ClientCredentials::new(&[SCOPE]).unwrap();
        let request = match path {
            Some(path) => request.fmi_path(path),
            None => request,
        };
        let mut flow = request.flow(&host.client).unwrap();
        let mut step = host.step(&mut flow, Input::Start).unwrap();
        let told = loop {
            step = match step {
                Step::Load(_) => host.step(&mut flow, Input::Loaded).unwrap(),
                Step::Commit(_) => host.step(&mut flow, Input::Committed(Ok(()))).unwrap(),
                Step::Send(_) => {
                    let World::Answers(status, _, body) = metadata() else { panic!("an answer") };
                    host.step(&mut flow, Input::Response(Response { status, headers: &[], body: &body })).unwrap()
                }
                Step::Ask(sansal::flow::Ask::Assertion { client_id, token_endpoint, fmi_path }) => {
                    assert_eq!((client_id.as_str(), token_endpoint), ("app", format!("{TENANT}/oauth2/v2.0/token")));
                    break fmi_path;
                }
                other => panic!("{other:?}"),
            };
        };
        assert_eq!(told.as_deref(), expected);
    }
}
