//! The challenge of Azure Arc's agent and the answers of all sources of managed identities.

use alloc::format;
use alloc::string::ToString;
use core::str;

use crate::client::{Client, Settings};
use crate::entropy::{Entropy, NoEntropy};
use crate::error::Error;
use crate::flow::{Answer, Ask, Cx, Flow, Input, Step};
use crate::http::{Proxy, Response, ResponseHeader};
use crate::managed::{AcquireManagedIdentity, ManagedIdentity, ManagedIdentityEnvironment, ManagedIdentityRequest};
use crate::secret::Secret;
use crate::store::Store;
use crate::time::{Clock, Millis, UnixTime};

const DIR: &str = "/var/opt/azcmagent/tokens";
const HEADER: &str = "the-secret-of-the-environment";

/// Whatever a source says: a file is asked for by a plain name in the one folder, a request goes where the environment says
/// and through no proxy, no header gets a line end, what is stored is a token that is given out, and no error shows a secret.
///
/// Input: a byte that chooses source and profile, a byte for the statuses, then header, key file and body, by line.
pub fn msi_challenge(data: &[u8]) {
    let [choice, statuses, rest @ ..] = data else { return };
    let mut parts = rest.splitn(3, |b| *b == b'\n');
    let (header, file) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let body = parts.next().unwrap_or_default();
    let Ok(header) = str::from_utf8(header) else { return };
    let lenient = choice & 8 != 0;
    let settings = if lenient { Settings::reference() } else { Settings::default() };
    let (Ok(client), Ok(mut store)) = (Client::managed_identity(settings), Store::new(&mut Sevens)) else { return };
    let identity = match choice & 16 {
        0 => ManagedIdentity::SystemAssigned,
        _ => ManagedIdentity::ClientId("c".to_string()),
    };
    let (environment, host) = environment(choice % 6);
    let wanted = ManagedIdentityRequest::new(identity, environment, "https://r/");
    let Ok(mut flow) = wanted.flow(&client) else { panic!("a request without a flow") };

    let status =
        |which: u8| [200, 400, 401, 404, 429, 500, 302, 410].get(usize::from(which & 7)).copied().unwrap_or(200);
    let mut answers = [status(*statuses), status(statuses >> 3)].into_iter();
    let headers = [ResponseHeader { name: "WWW-Authenticate", value: header }];
    let mut clock = Clock::new(Millis(0), UnixTime(1_000_000));
    let mut step = advance(&mut flow, &client, &store, clock, Input::Start);
    let mut stored = false;
    for _ in 0..64 {
        step = match step {
            Ok(Step::Load(_)) => advance(&mut flow, &client, &store, clock, Input::Loaded),
            Ok(Step::Send(request)) => {
                assert_eq!((request.endpoint.host(), request.proxy), (host, Proxy::Never));
                for header in &request.headers {
                    assert!(header.value.expose().bytes().all(|b| (0x20..0x7F).contains(&b)), "{}", header.name);
                }
                let response = Response { status: answers.next().unwrap_or(200), headers: &headers, body };
                advance(&mut flow, &client, &store, clock, Input::Response(response))
            }
            Ok(Step::Ask(Ask::ReadFile { dir, name, max_len })) => {
                assert_eq!((dir.as_str(), max_len), (DIR, 4096));
                let stem = name.strip_suffix(".key").unwrap_or_default();
                assert!(
                    !stem.is_empty() && !name.contains(['/', '\\', ':', '\0', '\n']) && name.len() <= 132,
                    "{name}"
                );
                advance(&mut flow, &client, &store, clock, Input::Answer(Answer::File(file)))
            }
            Ok(Step::Wait(span)) => {
                clock.mono = clock.mono.after(span);
                advance(&mut flow, &client, &store, clock, Input::Woke)
            }
            Ok(Step::Commit(changes)) => {
                stored = !changes.tokens.is_empty();
                store.apply(changes);
                advance(&mut flow, &client, &store, clock, Input::Committed(Ok(())))
            }
            Ok(Step::Ask(_)) => panic!("a question that is not about a file"),
            Ok(Step::Done(token)) => {
                assert!(stored && !token.access_token().is_empty());
                return;
            }
            Err(error) => {
                assert!(!stored, "{error}");
                let shown = format!("{error:?} {error}");
                let file = str::from_utf8(file).unwrap_or_default().trim_ascii();
                let is_telling = file.len() > 15 && !header.contains(file) && !shown_anyway(body, file);
                assert!(lenient || !shown.contains(HEADER) || shown_anyway(body, HEADER));
                assert!(lenient || !is_telling || !shown.contains(file), "{shown}");
                return;
            }
        };
    }
    panic!("a machine that does not end");
}

/// What a source says itself is its own; the secret that was sent to it is cut out all the same.
fn shown_anyway(body: &[u8], text: &str) -> bool {
    str::from_utf8(body).is_ok_and(|body| body.contains(text) || body.contains('\\'))
}

fn environment(source: u8) -> (ManagedIdentityEnvironment, &'static str) {
    let none = ManagedIdentityEnvironment { arc_token_dir: Some(DIR.to_string()), ..Default::default() };
    let (endpoint, secret) = (Some("https://10.0.0.4:2377/t".to_string()), Some(Secret::from(HEADER)));
    match source {
        0 | 1 => (ManagedIdentityEnvironment { arc_agent_installed: true, ..none }, "localhost"),
        2 => (ManagedIdentityEnvironment { identity_endpoint: endpoint, identity_header: secret, ..none }, "10.0.0.4"),
        3 => {
            let pin = Some("00112233445566778899AABBCCDDEEFF00112233".to_string());
            let fabric = ManagedIdentityEnvironment { identity_endpoint: endpoint, identity_header: secret, ..none };
            (ManagedIdentityEnvironment { identity_server_thumbprint: pin, ..fabric }, "10.0.0.4")
        }
        4 => (ManagedIdentityEnvironment { msi_endpoint: endpoint, msi_secret: secret, ..none }, "10.0.0.4"),
        _ => (none, "169.254.169.254"),
    }
}

fn advance(
    flow: &mut AcquireManagedIdentity,
    client: &Client,
    store: &Store,
    clock: Clock,
    input: Input<'_>,
) -> Result<Step<crate::issued::Token>, Error> {
    flow.step(&mut Cx { client, store, clock, entropy: &mut Sevens }, input)
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.fill(7);
        Ok(())
    }
}
