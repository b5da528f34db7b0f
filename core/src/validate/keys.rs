//! The keys of an issuer, from memory or from its JWK set (RFC 7517), until a token can be judged by them.
//!
//! ```text
//! Begin --keys in memory------------------------------> verdict
//!   `--none, old, or unknown kid--> Fetching --> Committing --> verdict
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;

use crate::call::{Call, Reply};
use crate::discover::{allowed, unavailable};
use crate::endpoint::Endpoint;
use crate::error::{Error, TokenError, What};
use crate::flow::{Cx, Input, Step, ready};
use crate::http::Request;
use crate::jose::KeySet;
use crate::limits::{MAX_METADATA, METADATA_LIFETIME};
use crate::metadata::ProviderMetadata;
use crate::store::{Changes, HeldKeys, Kept};
use crate::time::Millis;

/// After so long keys are fetched anew; until [`METADATA_LIFETIME`] the old ones serve where that fails.
const REFRESH: Millis = Millis::from_secs(3600);
/// An unknown `kid`, or keys that could not be fetched, are no reason to ask again sooner than this: whoever sends us bad
/// tokens must not make us send requests.
const BURST_GUARD: Millis = Millis::from_secs(300);

/// Finds the keys by which one token is judged.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    endpoint: Endpoint,
    deadline: Millis,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Fetching { call: Call, address: String, old: Option<Box<Kept<HeldKeys>>> },
    Committing(KeySet),
    Spent,
}

impl IssuerKeys {
    /// At the address that the metadata names. The client's host rules hold for it too.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when it names none, [`Error::Config`] when the client must not ask there.
    pub(crate) fn of(cx: &Cx<'_>, metadata: &ProviderMetadata, deadline: Millis) -> Result<Self, Error> {
        let missing = Error::BadResponse { what: What::ProviderMetadata, at: "jwks_uri" };
        let endpoint = allowed(cx.client, metadata.jwks_uri.clone().ok_or(missing)?)?;
        Ok(Self { endpoint, deadline, state: State::Begin })
    }

    /// As a [`Flow`], but that the caller judges, by whatever keys there are, each time in the same way.
    pub(crate) fn step<T>(
        &mut self,
        cx: &mut Cx<'_>,
        mut input: Input<'_>,
        judge: impl Fn(&KeySet) -> Result<T, TokenError>,
    ) -> Result<Step<Result<T, TokenError>>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    let address = self.endpoint.to_string();
                    let held = cx.store.memory.keys(&address, cx.clock.mono);
                    if let Some(verdict) = held.as_ref().and_then(|held| remembered(held, cx.clock.mono, &judge)) {
                        return Ok(Step::Done(verdict));
                    }
                    let timeout = cx.client.settings().attempt_timeout;
                    let request = Request::get(self.endpoint.clone(), MAX_METADATA, timeout);
                    let (call, old) = (Call::new(request, self.deadline), held.map(|held| Box::new(held.cloned())));
                    self.state = State::Fetching { call, address, old };
                }
                (State::Fetching { mut call, address, old }, input) => {
                    let answer = match call.step(cx, input) {
                        Ok(step) => read(&ready!(step, else self.state = State::Fetching { call, address, old })),
                        Err(why) => Err(why),
                    };
                    let now = cx.clock.mono;
                    let kept = match (answer, old) {
                        (Ok(set), _) => Kept::for_seconds(HeldKeys { set, asked: now }, now, METADATA_LIFETIME),
                        (Err(Error::OutOfTurn), _) => return Err(Error::OutOfTurn),
                        (Err(_), Some(mut old)) => {
                            old.value.asked = now;
                            *old
                        }
                        (Err(why), None) => return Err(why),
                    };
                    self.state = State::Committing(kept.value.set.clone());
                    let memory = Vec::from([kept.under(&address)]);
                    return Ok(Step::Commit(Changes { tokens: Vec::new(), memory }));
                }
                // What is not remembered is no reason to fail.
                (State::Committing(keys), Input::Committed(_)) => return Ok(Step::Done(judge(&keys))),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

/// The verdict by remembered keys; `None` if others have to be fetched first.
fn remembered<T>(
    held: &Kept<&HeldKeys>,
    now: Millis,
    judge: impl Fn(&KeySet) -> Result<T, TokenError>,
) -> Option<Result<T, TokenError>> {
    let guarded = now < held.value.asked.after(BURST_GUARD);
    if !guarded && now >= held.from.after(REFRESH) {
        return None;
    }
    match judge(&held.value.set) {
        Err(TokenError::UnknownKey) if !guarded => None,
        verdict => Some(verdict),
    }
}

fn read(reply: &Reply<'_>) -> Result<KeySet, Error> {
    match reply.status {
        200..300 => KeySet::parse(reply.body.expose())
            .map_err(|_| Error::BadResponse { what: What::KeySet, at: "it is no list of keys" }),
        429 | 500.. => Err(unavailable(reply)),
        _ => Err(Error::BadResponse { what: What::KeySet, at: "its HTTP status" }),
    }
}
