//! Clouds that Microsoft's public hosts know nothing of: no request leaves for anybody but the authority (decision 7).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use sansal::client::{Client, Credential, InstanceDiscovery, Settings};
use sansal::entropy::{Entropy, NoEntropy};
use sansal::flow::{Clock, Cx, Flow, Input, Millis, Response, SendError, Step};
use sansal::time::UnixTime;
use sansal::{ClientCredentials, Endpoint, Error, RemoveTokensForClient, Store};

struct Bytes(u8);
impl Entropy for Bytes {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(59);
            *byte = self.0;
        }
        Ok(())
    }
}

/// Runs a machine; `world` answers with status and body, or nothing. Says which hosts were asked.
fn run<F: Flow>(
    client: &Client,
    mut flow: F,
    world: impl Fn(&Endpoint) -> Option<(u16, String)>,
) -> (Vec<String>, Result<F::Output, Error>) {
    let (mut entropy, mut hosts) = (Bytes(0), Vec::new());
    let mut store = Store::new(&mut entropy).unwrap();
    let mut clock = Clock::new(Millis(0), UnixTime(1_700_000_000));
    let mut step = flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, Input::Start);
    loop {
        let mut held = None;
        let input = match step {
            Err(error) => return (hosts, Err(error)),
            Ok(Step::Done(done)) => return (hosts, Ok(done)),
            Ok(Step::Send(request)) => {
                hosts.push(request.endpoint.host().to_string());
                held = world(&request.endpoint);
                match &held {
                    Some((status, body)) => {
                        Input::Response(Response { status: *status, headers: &[], body: body.as_bytes() })
                    }
                    None => Input::Failed(SendError::NotSent),
                }
            }
            Ok(Step::Wait(span)) => {
                clock.mono = clock.mono.after(span);
                Input::Woke
            }
            Ok(Step::Load(_)) => Input::Loaded,
            Ok(Step::Commit(changes)) => {
                store.apply(changes);
                Input::Committed(Ok(()))
            }
            Ok(Step::Ask(ask)) => panic!("{ask:?}"),
        };
        step = flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input);
        drop(held);
    }
}

fn answer(endpoint: &Endpoint) -> Option<(u16, String)> {
    let origin = endpoint.origin();
    let body = match endpoint.path() {
        path if path.ends_with("/.well-known/openid-configuration") => format!(
            r#"{{"issuer":"{origin}/t","token_endpoint":"{origin}/t/token","authorization_endpoint":"{origin}/t/authorize"}}"#
        ),
        _ => r#"{"access_token":"at","token_type":"Bearer","expires_in":3600}"#.to_string(),
    };
    Some((200, body))
}

const CASES: [&str; 7] = [
    "https://login.private.example/t",
    "https://fs.private.example/adfs",
    "https://tenant.b2clogin.com/t/policy",
    "https://login.private.example/t/b2c_1_signin",
    "https://tenant.ciamlogin.com/t",
    "https://login.sovcloud-identity.fr/t",
    "https://login.private.example/dstsv2/t",
];

fn client(authority: &str, discovery: InstanceDiscovery) -> Client {
    let settings = Settings { instance_discovery: discovery, ..Settings::default() };
    Client::builder("app").authority(authority).credential(Credential::secret("s")).settings(settings).build().unwrap()
}

#[test]
fn nothing_leaves_for_a_public_host() {
    for authority in CASES {
        let client = client(authority, InstanceDiscovery::Off);
        let own = client.authority().host().to_string();
        let flow = ClientCredentials::new(&["api://x/.default"]).unwrap().flow(&client).unwrap();
        let (hosts, result) = run(&client, flow, answer);
        assert!(result.is_ok(), "{authority}: {result:?}");
        assert_eq!(hosts, [own.clone(), own.clone()], "{authority}");
        // Nor when everything fails, nor when tokens are forgotten.
        let flow = ClientCredentials::new(&["api://x/.default"]).unwrap().flow(&client).unwrap();
        let (hosts, result) = run(&client, flow, |_| None);
        assert!(result.is_err() && hosts.iter().all(|host| *host == own), "{authority}: {hosts:?}");
        let (hosts, result) = run(&client, RemoveTokensForClient::new(), answer);
        assert!(result.is_ok() && hosts.is_empty(), "{authority}: {hosts:?}");
    }
    // The same for any OpenID Connect provider, whatever the setting: Microsoft has no say there.
    let client = Client::builder("app").oidc_authority("https://idp.private.example/realm").build().unwrap();
    let flow = ClientCredentials::new(&["api"]).unwrap().flow(&client).unwrap();
    let (hosts, result) =
        run(&client, flow, |endpoint| answer(endpoint).map(|(s, b)| (s, b.replace("/t\"", "/realm\""))));
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(hosts, ["idp.private.example", "idp.private.example"]);
}

#[test]
fn an_unknown_host_is_looked_up_where_the_application_says() {
    let lookup = Endpoint::parse("https://discovery.private.example/instance").unwrap();
    let known = |endpoint: &Endpoint| match endpoint.host() {
        "discovery.private.example" => {
            assert!(
                endpoint.query().unwrap().contains("authorization_endpoint=https%3A%2F%2Flogin.private.example%2Ft")
            );
            let metadata = "https://login.private.example/t/v2.0/.well-known/openid-configuration";
            Some((200, format!(r#"{{"tenant_discovery_endpoint":"{metadata}"}}"#)))
        }
        _ => answer(endpoint),
    };
    let client = client("https://login.private.example/t", InstanceDiscovery::Custom(lookup));
    let flow = || ClientCredentials::new(&["api://x/.default"]).unwrap().flow(&client).unwrap();
    let (hosts, result) = run(&client, flow(), known);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(hosts, ["discovery.private.example", "login.private.example", "login.private.example"]);
    // Who looks it up may not send us somewhere else.
    let astray = r#"{"tenant_discovery_endpoint":"https://evil.example/.well-known/openid-configuration"}"#;
    let (hosts, result) = run(&client, flow(), |_| Some((200, astray.to_string())));
    assert!(matches!(result, Err(Error::Config(_))), "{result:?}");
    assert_eq!(hosts, ["discovery.private.example"]);
}
