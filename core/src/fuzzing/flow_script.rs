//! A machine against a host that does anything: it never panics, never answers after its end, and tells no secret.

use alloc::format;
use alloc::string::String;

use crate::client::{Client, Credential, Region, Settings, host_allowed};
use crate::client_credentials::{ClientCredentials, RemoveTokensForClient};
use crate::discover::Discover;
use crate::entropy::{Entropy, NoEntropy};
use crate::error::{AskError, CommitError, Error, SendError, TlsReason};
use crate::flow::{Answer, Cx, Flow, Input, Step};
use crate::http::{Response, ResponseHeader};
use crate::store::Store;
use crate::time::{Clock, Millis, UnixTime};

/// Steps after which a script ends: a host that always answers is not an endless loop.
const MAX_STEPS: usize = 128;
/// What must never be shown.
const PLANTED: &str = "planted-secret-of-the-client";

/// Reads settings from the first bytes, then plays one byte (and what it takes) per answer.
pub fn flow_script(data: &[u8]) {
    let mut script = Script(data);
    let mut entropy = Counter(0);
    let Ok(mut store) = Store::new(&mut entropy) else { return };
    let kind = script.byte();
    let settings = if kind & 1 == 0 { Settings::default() } else { Settings::reference() };
    let region = if script.byte() & 1 == 0 { Region::Unset } else { Region::Detect };
    let settings = Settings { region, ..settings };
    let authority = match kind >> 1 & 3 {
        0 => "https://login.microsoftonline.com/contoso.example",
        1 => "https://login.unknown.example/t",
        2 => "https://fs.contoso.com/adfs",
        _ => "https://contoso.ciamlogin.com",
    };
    let credential = match kind >> 3 & 3 {
        0 => Credential::None,
        1 => Credential::secret(PLANTED),
        2 => Credential::Assertion(PLANTED.into()),
        _ => Credential::AssertionCallback,
    };
    let built = Client::builder("client").authority(authority).credential(credential).settings(settings).build();
    let Ok(client) = built else { return };
    let Ok(wanted) = ClientCredentials::new(&["https://graph.microsoft.com/.default"]) else { return };
    // The same store for several machines: what one leaves behind, the next one meets.
    for _ in 0..3 {
        match kind >> 5 & 3 {
            0 => play(Discover::new(), &client, &mut store, &mut entropy, &mut script),
            1 => play(RemoveTokensForClient::new(), &client, &mut store, &mut entropy, &mut script),
            _ => match wanted.flow(&client) {
                Ok(flow) => play(flow, &client, &mut store, &mut entropy, &mut script),
                Err(_) => return,
            },
        }
    }
}

fn play<F: Flow>(mut flow: F, client: &Client, store: &mut Store, entropy: &mut Counter, script: &mut Script<'_>) {
    let mut clock = Clock::new(Millis(0), UnixTime(1_700_000_000));
    let (mut turn, mut sent_start) = (Turn::Start, false);
    for _ in 0..MAX_STEPS {
        let choice = script.byte();
        clock.mono = clock.mono.after(Millis(u64::from(choice) << 4));
        clock.wall = match choice {
            250 => None,
            251 => Some(UnixTime(u64::MAX)),
            252 => Some(UnixTime(0)),
            _ => Some(UnixTime(1_700_000_000).after(clock.mono.as_secs_ceil())),
        };
        let body = script.body();
        let headers = [ResponseHeader { name: "Retry-After", value: "7" }];
        // Most often the answer that fits; else any other.
        let turn_taken =
            if choice < 200 { turn } else { Turn::ALL.get(usize::from(choice) % 7).copied().unwrap_or(Turn::Start) };
        let input = input(turn_taken, choice, &headers, body);
        sent_start |= matches!(input, Input::Start);
        let step = flow.step(&mut Cx { client, store, clock, entropy }, input);
        match step {
            Err(error) => {
                // A server may say what it likes, but for the secret that it got from us.
                let ours = matches!(client.credential(), Credential::Secret(_) | Credential::Assertion(_));
                assert!(!ours || !format!("{error} {error:?}").contains(PLANTED));
                return spent(flow, client, store, clock, entropy);
            }
            Ok(step) => {
                assert!(sent_start, "nothing happens before the start");
                turn = match step {
                    Step::Send(request) => {
                        assert!(!format!("{request:?}").contains(PLANTED));
                        let public =
                            ["login.microsoftonline.com", "169.254.169.254"].contains(&request.endpoint.host());
                        assert!(public || host_allowed(client.authority(), client.settings(), &request.endpoint));
                        Turn::Response
                    }
                    Step::Wait(_) => Turn::Woke,
                    Step::Ask(ask) => {
                        assert!(!format!("{ask:?}").contains(PLANTED));
                        Turn::Answer
                    }
                    Step::Load(_) => Turn::Loaded,
                    Step::Commit(changes) => {
                        assert!(!format!("{changes:?}").contains(PLANTED));
                        store.apply(changes);
                        Turn::Committed
                    }
                    Step::Done(_) => return spent(flow, client, store, clock, entropy),
                };
            }
        }
    }
}

/// After the end every input is out of turn.
fn spent<F: Flow>(mut flow: F, client: &Client, store: &Store, clock: Clock, entropy: &mut Counter) {
    for turn in Turn::ALL {
        let input = input(turn, 0, &[], b"{}");
        let step = flow.step(&mut Cx { client, store, clock, entropy }, input);
        assert!(matches!(step, Err(Error::OutOfTurn)), "an answer after the end");
    }
}

#[derive(Clone, Copy)]
enum Turn {
    Start,
    Response,
    Failed,
    Woke,
    Answer,
    Loaded,
    Committed,
}

impl Turn {
    const ALL: [Self; 7] =
        [Self::Start, Self::Response, Self::Failed, Self::Woke, Self::Answer, Self::Loaded, Self::Committed];
}

fn input<'a>(turn: Turn, choice: u8, headers: &'a [ResponseHeader<'a>], body: &'a [u8]) -> Input<'a> {
    let status = match choice & 15 {
        0 => 400,
        1 => 401,
        2 => 429,
        3 => 500,
        4 => 503,
        5 => 302,
        6 => 0,
        _ => 200,
    };
    let headers = if choice & 16 == 0 { &[][..] } else { headers };
    match turn {
        Turn::Start => Input::Start,
        Turn::Response => Input::Response(Response { status, headers, body }),
        Turn::Failed => Input::Failed(match choice & 3 {
            0 => SendError::NotSent,
            1 => SendError::NoAnswer,
            2 => SendError::Tls(TlsReason::Other),
            _ => SendError::Cancelled,
        }),
        Turn::Woke => Input::Woke,
        Turn::Answer => Input::Answer(match choice & 3 {
            0 => Answer::Failed(AskError::Failed),
            1 => Answer::Signature(body),
            2 => Answer::Shown,
            _ => Answer::Assertion(core::str::from_utf8(body).unwrap_or_default()),
        }),
        Turn::Loaded => Input::Loaded,
        Turn::Committed => Input::Committed(if choice & 1 == 0 { Ok(()) } else { Err(CommitError::NotWritten) }),
    }
}

/// The rest of the script.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A body from a small set, or the next bytes of the script.
    fn body(&mut self) -> &'a [u8] {
        match self.byte() {
            0..64 => br#"{"token_type":"Bearer","expires_in":3599,"access_token":"at","refresh_in":10,"refresh_token":"rt","client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#,
            64..128 => br#"{"token_endpoint":"https://login.microsoftonline.com/t/token","authorization_endpoint":"https://login.microsoftonline.com/t/authorize","tenant_discovery_endpoint":"https://login.microsoftonline.com/t/.well-known/openid-configuration","metadata":[{"aliases":["login.microsoftonline.com","sts.windows.net"]}],"issuer":"https://login.microsoftonline.com/t"}"#,
            128..160 => br#"{"error":"invalid_client","error_description":"planted-secret-of-the-client is wrong","suberror":"x"}"#,
            160..168 => b"<html>",
            length => {
                let end = usize::from(length).min(self.0.len());
                let (body, rest) = self.0.split_at_checked(end).unwrap_or((self.0, &[]));
                self.0 = rest;
                body
            }
        }
    }
}

/// Bytes that differ, for a machine that only needs them to differ.
struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_add(101);
            *byte = self.0;
        }
        Ok(())
    }
}

/// What a script means, for a person who looks at a crash.
impl core::fmt::Debug for Script<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}
