//! Tokens of others, judged by the keys of their issuer: what a resource server needs (RFC 9068 s4, OpenID Connect Core s3.1.3.7).
//!
//! ```text
//! Begin --> Discover --keys in memory--------------------> done
//!              `--none, old, or unknown kid--> Fetching --> Committing --> done
//! ```

mod rules;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

pub use rules::{Issuers, Tenants, TokenValidation, ValidatedToken};

use crate::call::{Call, Reply};
use crate::discover::{Discover, allowed, unavailable};
use crate::endpoint::Endpoint;
use crate::error::{Error, TokenError, What};
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::http::Request;
use crate::jose::KeySet;
use crate::limits::{MAX_METADATA, METADATA_LIFETIME};
use crate::secret::Secret;
use crate::store::{Changes, HeldKeys, Kept, MemoryChange};
use crate::time::Millis;

/// After so long keys are fetched anew; until [`METADATA_LIFETIME`] the old ones serve where that fails.
const REFRESH: Millis = Millis::from_secs(3600);
/// An unknown `kid`, or keys that could not be fetched, are no reason to ask again sooner than this: whoever sends us bad
/// tokens must not make us send requests.
const BURST_GUARD: Millis = Millis::from_secs(300);

/// Validates one token. The client's authority says where the keys lie; its host rules hold for them too.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct ValidateToken {
    rules: Box<TokenValidation>,
    token: Secret,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Discovering(Discover, Millis),
    Fetching { call: Call, address: String, old: Option<Box<Kept<HeldKeys>>> },
    Committing(KeySet),
    Spent,
}

impl ValidateToken {
    /// Judges `token`, without `Bearer` in front, by these rules.
    pub fn new(rules: TokenValidation, token: Secret) -> Self {
        Self { rules: Box::new(rules), token, state: State::Begin }
    }

    fn judge(&self, cx: &Cx<'_>, keys: &KeySet) -> Result<ValidatedToken, TokenError> {
        self.rules.check(self.token.expose(), keys, cx.clock.wall.ok_or(TokenError::NoClock)?)
    }

    /// By what is remembered; `None` if the keys have to be fetched first.
    fn remembered(&self, cx: &Cx<'_>, held: &HeldKeys, fetched: Millis) -> Option<Result<ValidatedToken, TokenError>> {
        let now = cx.clock.mono;
        let guarded = now < held.asked.after(BURST_GUARD);
        if !guarded && now >= fetched.after(REFRESH) {
            return None;
        }
        match self.judge(cx, &held.set) {
            Err(TokenError::UnknownKey) if !guarded => None,
            verdict => Some(verdict),
        }
    }

    fn fetch(&self, cx: &Cx<'_>, endpoint: Endpoint, deadline: Millis, old: Option<Box<Kept<HeldKeys>>>) -> State {
        let address = endpoint.to_string();
        let request = Request::get(endpoint, MAX_METADATA, cx.client.settings().attempt_timeout);
        State::Fetching { call: Call::new(request, deadline), address, old }
    }
}

impl Flow for ValidateToken {
    type Output = ValidatedToken;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<ValidatedToken>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    cx.clock.wall.ok_or(TokenError::NoClock)?;
                    // What is no token, or another kind, is no reason to ask anybody.
                    self.rules.open(self.token.expose())?;
                    let deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    self.state = State::Discovering(Discover::within(deadline), deadline);
                }
                (State::Discovering(mut discover, deadline), input) => {
                    let step = discover.step(cx, input)?;
                    self.state = State::Discovering(discover, deadline);
                    let metadata = ready!(step);
                    let missing = Error::BadResponse { what: What::ProviderMetadata, at: "jwks_uri" };
                    let endpoint = allowed(cx.client, metadata.jwks_uri.ok_or(missing)?)?;
                    let held = cx.store.memory.keys(&endpoint.to_string(), cx.clock.mono);
                    if let Some(verdict) = held.and_then(|held| self.remembered(cx, &held.value, held.from)) {
                        return Ok(Step::Done(verdict?));
                    }
                    let old = held.cloned().map(Box::new);
                    self.state = self.fetch(cx, endpoint, deadline, old);
                }
                (State::Fetching { mut call, address, old }, input) => {
                    let answer = match call.step(cx, input) {
                        Ok(Step::Done(reply)) => read(&reply),
                        Ok(step) => {
                            self.state = State::Fetching { call, address: address.clone(), old: old.clone() };
                            read(&ready!(step))
                        }
                        Err(why) => Err(why),
                    };
                    let now = cx.clock.mono;
                    let kept = match (answer, old) {
                        (Ok(set), _) => Kept::for_seconds(HeldKeys { set, asked: now }, now, METADATA_LIFETIME),
                        (Err(_), Some(mut old)) => {
                            old.value.asked = now;
                            *old
                        }
                        (Err(why), None) => return Err(why),
                    };
                    self.state = State::Committing(kept.value.set.clone());
                    let change = MemoryChange::Keys(address, kept);
                    return Ok(Step::Commit(Changes { tokens: Vec::new(), memory: Vec::from([change]) }));
                }
                (State::Committing(keys), Input::Committed(_)) => return Ok(Step::Done(self.judge(cx, &keys)?)),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

fn read(reply: &Reply) -> Result<KeySet, Error> {
    match reply.status {
        200..300 => KeySet::parse(reply.body.expose())
            .map_err(|_| Error::BadResponse { what: What::KeySet, at: "it is no list of keys" }),
        429 | 500.. => Err(unavailable(reply)),
        _ => Err(Error::BadResponse { what: What::KeySet, at: "its HTTP status" }),
    }
}

#[cfg(feature = "rsa")]
#[cfg(test)]
mod tests;
