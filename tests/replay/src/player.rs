//! Plays a tape: the same clients, the same flows, the same inputs, at the same times.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use sansal::cache::{Limits, TokenCache};
use sansal::discover::Discover;
use sansal::error::{CommitError, SendError};
use sansal::flow::{Answer, Cx, Flow, Input, Step};
use sansal::http::{Response, ResponseHeader};
use sansal::json::{Value, parse};
use sansal::region::DiscoverRegion;
use sansal::store::{Memory, Store};
use sansal::time::{Clock, Millis, UnixTime};
use sansal::{ClientCredentials, RefreshTokenImport, RemoveTokensForClient, Token};

use crate::chance::Chance;
use crate::spec::{BadTape, client, list, member, text, texts};
use crate::told::Told;

/// Bytes of a tape at the most.
const MAX_TAPE: usize = 1 << 20;

/// What came of the tapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// How many recordings.
    pub recordings: usize,
    /// How many steps the machines took.
    pub steps: usize,
    /// SHA-256 of everything they did, in hexadecimal.
    pub digest: String,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replayed {} recordings, {} steps, {}", self.recordings, self.steps, self.digest)
    }
}

/// Plays tapes, one a line.
///
/// # Errors
/// [`BadTape`] for a line that is none.
pub fn play(tapes: &[u8]) -> Result<Played, BadTape> {
    let mut all = Told::default();
    let mut recordings = 0_usize;
    for line in tapes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let tape = parse(line, MAX_TAPE).map_err(|_| BadTape("not JSON"))?;
        all.add(text(&tape, "name").ok_or(BadTape("it has no name"))?, one(&tape)?);
        recordings = recordings.saturating_add(1);
    }
    let (steps, digest) = all.end();
    Ok(Played { recordings, steps, digest })
}

struct World {
    told: Told,
    chance: Chance,
    tokens: TokenCache,
    memories: BTreeMap<String, Memory>,
}

fn one(tape: &Value) -> Result<Told, BadTape> {
    let start = number(tape, "start")?;
    let before = text(tape, "cache").unwrap_or_default();
    let tokens = TokenCache::from_json(before.as_bytes()).map_err(|_| BadTape("its cache"))?;
    let mut world = World { told: Told::default(), chance: Chance(start), tokens, memories: BTreeMap::new() };
    for event in list(tape, "events") {
        if let Some(name) = text(event, "memory") {
            let memory = Memory::new(&mut world.chance).map_err(|_| BadTape("no chance"))?;
            world.memories.insert(name.to_string(), memory);
        } else if let Some(spec) = member(event, "build") {
            world.told.built(client(spec)?.err().as_ref());
        } else {
            world.begin(event)?;
        }
    }
    let World { mut told, tokens, .. } = world;
    told.cache(&tokens);
    Ok(told)
}

impl World {
    fn begin(&mut self, event: &Value) -> Result<(), BadTape> {
        let scopes = texts(event, "scopes");
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        match text(event, "flow") {
            Some("discover") => self.run(event, &mut Discover::new()).map(|_| ()),
            Some("region") => {
                let realm = text(event, "realm").ok_or(BadTape("a region without realm"))?;
                self.run(event, &mut DiscoverRegion::new(realm)).map(|_| ())
            }
            Some("client_credentials") => {
                let mut request = ClientCredentials::as_given(&scopes);
                if let Some(path) = text(event, "fmi_path") {
                    request = request.fmi_path(path);
                }
                if let Some(claims) = text(event, "claims_challenge") {
                    request = request.claims_challenge(claims);
                }
                if let Some(claims) = text(event, "forwarded_client_claims") {
                    request = request.forwarded_client_claims(claims);
                }
                let client = client(member(event, "client").unwrap_or(&Value::Null))?;
                let flow = client.and_then(|client| request.flow(&client));
                let mut flow = flow.map_err(|_| BadTape("a flow that does not begin"))?;
                let token: Option<Token> = self.run(event, &mut flow)?;
                token.iter().for_each(|token| self.told.token(token));
                Ok(())
            }
            Some("refresh_token") => {
                let text = text(event, "refresh_token").ok_or(BadTape("no refresh token"))?;
                let client = client(member(event, "client").unwrap_or(&Value::Null))?;
                let flow = client.and_then(|client| RefreshTokenImport::new(text, &scopes)?.flow(&client));
                self.run(event, &mut flow.map_err(|_| BadTape("a flow that does not begin"))?).map(|_| ())
            }
            Some("remove_tokens_for_client") => self.run(event, &mut RemoveTokensForClient::new()).map(|_| ()),
            _ => Err(BadTape("a flow of no kind")),
        }
    }

    /// Feeds a machine what the tape has for it; gives what it gave out, if it came so far.
    fn run<F: Flow>(&mut self, event: &Value, flow: &mut F) -> Result<Option<F::Output>, BadTape> {
        let client = client(member(event, "client").unwrap_or(&Value::Null))?;
        let client = client.map_err(|_| BadTape("a client that cannot be built"))?;
        let name = text(event, "of").ok_or(BadTape("a flow without memory"))?;
        let memory = self.memories.remove(name).ok_or(BadTape("an unknown memory"))?;
        let mut store = Store { tokens: core::mem::take(&mut self.tokens), memory, limits: Limits::default() };
        let mut output = None;
        for heard in list(event, "inputs") {
            let clock = Clock::new(Millis(number(heard, "mono")?), UnixTime(number(heard, "wall")?));
            let headers: Vec<ResponseHeader<'_>> = list(heard, "headers")
                .iter()
                .filter_map(|header| {
                    Some(ResponseHeader { name: text(header, "name")?, value: text(header, "value")? })
                })
                .collect();
            let said = text(heard, "text").unwrap_or_default();
            let input = match text(heard, "is").unwrap_or_default() {
                "start" => Input::Start,
                "response" => {
                    let status = u16::try_from(number(heard, "status")?).map_err(|_| BadTape("a status"))?;
                    Input::Response(Response { status, headers: &headers, body: said.as_bytes() })
                }
                "not sent" => Input::Failed(SendError::NotSent),
                "no answer" => Input::Failed(SendError::NoAnswer),
                "too large" => Input::Failed(SendError::TooLarge),
                "woke" => Input::Woke,
                "loaded" => Input::Loaded,
                "committed" => Input::Committed(Ok::<(), CommitError>(())),
                "assertion" => Input::Answer(Answer::Assertion(said)),
                _ => return Err(BadTape("an input of no kind")),
            };
            let step = flow.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut self.chance }, input);
            self.told.step(&step);
            match step {
                Ok(Step::Commit(changes)) => drop(store.apply(changes)),
                Ok(Step::Done(done)) => output = Some(done),
                _ => {}
            }
        }
        self.tokens = store.tokens;
        self.memories.insert(name.to_string(), store.memory);
        Ok(output)
    }
}

/// A number, written as a text: a tape has no other.
fn number(value: &Value, name: &str) -> Result<u64, BadTape> {
    text(value, name).and_then(|text| text.parse().ok()).ok_or(BadTape("a number is missing"))
}
