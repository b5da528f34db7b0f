//! Every input at every point: forks a machine in the middle of a recording and feeds it whatever a host could.

use sansal::client::Client;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::{AskError, CommitError, Error, SendError, TlsReason};
use sansal::flow::{Answer, Cx, Flow, Input, Step};
use sansal::http::{Response, ResponseHeader};
use sansal::key::{KeyName, KeyProtection};
use sansal::store::Store;
use sansal::time::Clock;

/// Feeds every variant of [`Input`], in many forms, to forks of `flow`; says how many there were. A fork that ended must
/// never answer again; one that goes on is fed everything once more.
///
/// # Panics
/// When a machine panics, or answers after its end: that is what a test looks for.
pub fn every_input<F: Flow + Clone>(flow: &F, client: &Client, store: &Store, clock: Clock) -> u64 {
    let mut cases = 0_u64;
    for first in inputs() {
        let mut fork = flow.clone();
        let alive = !matches!(feed(&mut fork, client, store, clock, first), Ok(Step::Done(_)) | Err(_));
        cases = cases.saturating_add(1);
        for second in inputs() {
            let answer = feed(&mut fork.clone(), client, store, clock, second);
            assert!(alive || matches!(answer, Err(Error::OutOfTurn)), "an answer after the end");
            cases = cases.saturating_add(1);
        }
    }
    cases
}

fn feed<F: Flow>(
    flow: &mut F,
    client: &Client,
    store: &Store,
    clock: Clock,
    input: Input<'_>,
) -> Result<Step<F::Output>, Error> {
    flow.step(&mut Cx { client, store, clock, entropy: &mut Any }, input)
}

/// Enough for a machine that only needs different bytes.
struct Any;

impl Entropy for Any {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.iter_mut().zip(0_u8..=255).for_each(|(to, from)| *to = from.wrapping_mul(73));
        Ok(())
    }
}

const NO_HEADERS: &[ResponseHeader<'_>] = &[];
const LATER: &[ResponseHeader<'_>] = &[ResponseHeader { name: "Retry-After", value: "3" }];
const TOKEN: &[u8] =
    br#"{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_in":9,"client_info":"e30"}"#;
const METADATA: &[u8] = br#"{"token_endpoint":"https://login.microsoftonline.com/t/token","authorization_endpoint":"https://login.microsoftonline.com/t/authorize","metadata":[]}"#;

/// One of each kind at least, and of those that carry data some of each kind of data.
fn inputs() -> Vec<Input<'static>> {
    let response = |status, headers, body| Input::Response(Response { status, headers, body });
    let mut all = vec![
        Input::Start,
        Input::Woke,
        Input::Loaded,
        Input::Committed(Ok(())),
        Input::Committed(Err(CommitError::NotWritten)),
        Input::Committed(Err(CommitError::Conflict)),
    ];
    all.extend([SendError::NotSent, SendError::NoAnswer, SendError::TooLarge, SendError::Cancelled].map(Input::Failed));
    all.push(Input::Failed(SendError::Tls(TlsReason::WrongName)));
    for status in [0, 200, 302, 400, 401, 404, 429, 500, 503] {
        for body in [b"".as_slice(), b"{}", b"<html>", b"\xff", TOKEN, METADATA, br#"{"error":"invalid_grant"}"#] {
            all.push(response(status, NO_HEADERS, body));
        }
        all.push(response(status, LATER, b"{\"error\":\"x\"}"));
    }
    all.extend(
        [
            Answer::Shown,
            Answer::Redirected("code=c&state=s"),
            Answer::File(b"key"),
            Answer::Signature(b"signature"),
            Answer::PublicKey { jwk: "{}", protection: KeyProtection::Software },
            Answer::Generated(KeyName("k".into())),
            Answer::Assertion("assertion"),
            Answer::Assertion(""),
            Answer::Failed(AskError::NotSupported),
            Answer::Failed(AskError::Failed),
            Answer::Failed(AskError::Cancelled),
        ]
        .map(Input::Answer),
    );
    all
}
