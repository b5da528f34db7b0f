//! Tokens of others, judged by the keys of their issuer: what a resource server needs (RFC 9068 s4, OpenID Connect Core s3.1.3.7).
//!
//! ```text
//! Begin --> Discovering --> Judging (by the issuer's keys) --> done
//!             `-----------------`--no keys to be had--> GivingUp
//! ```

mod keys;
mod rules;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

pub(crate) use keys::IssuerKeys;
pub(crate) use rules::check_signature;
pub use rules::{Issuers, Tenants, TokenValidation, ValidatedToken};

use crate::discover::Discover;
use crate::error::{Error, SendError, TokenError};
use crate::flow::{Changes, Cx, Flow, Input, Step, ready};
use crate::limits::KEYS_AWAY;
use crate::secret::Secret;
use crate::store::Fact;
use crate::time::Millis;

/// Validates one token. The client's authority says where the keys lie; its host rules hold for them too.
///
/// Keys are fetched anew when they are an hour old or do not know the token's `kid`, but never more often than every five
/// minutes; while that fails, those that are there serve for a day. Where there are none, each failure is the answer for ten seconds, or
/// for as long as the server wants, up to five minutes.
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
    Judging(IssuerKeys),
    GivingUp(Error),
    Spent,
}

impl ValidateToken {
    /// Judges `token`, without `Bearer` in front, by these rules.
    pub fn new(rules: TokenValidation, token: Secret) -> Self {
        Self { rules: Box::new(rules), token, state: State::Begin }
    }

    /// Remembers that the issuer is away, where it is.
    fn give_up(&mut self, cx: &Cx<'_>, why: Error) -> Result<Step<ValidatedToken>, Error> {
        let (least, most) = KEYS_AWAY;
        let seconds = match &why {
            Error::Throttled { retry_after, .. } => retry_after.unwrap_or(least).clamp(least, most),
            // It is we who have gone.
            Error::Unreachable { why: SendError::Cancelled, .. } => return Err(why),
            Error::Unreachable { .. } | Error::BadResponse { .. } => least,
            _ => return Err(why),
        };
        let fact = Fact::KeysAway(Box::new(why.clone()));
        let change = fact.for_seconds(cx.client.authority().as_str().as_bytes(), cx.clock.mono, seconds);
        self.state = State::GivingUp(why);
        Ok(Step::Commit(Changes { tokens: Vec::new(), memory: Vec::from([change]) }))
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
                    if let Some(why) = cx.store.memory.keys_away(cx.client.authority().as_str(), cx.clock.mono) {
                        return Err(why);
                    }
                    let deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    self.state = State::Discovering(Discover::within(deadline), deadline);
                }
                (State::Discovering(mut discover, deadline), input) => {
                    let step = match discover.step(cx, input) {
                        Ok(step) => step,
                        Err(why) => return self.give_up(cx, why),
                    };
                    let metadata = ready!(step, else self.state = State::Discovering(discover, deadline));
                    self.state = State::Judging(IssuerKeys::of(cx, &metadata, deadline)?);
                }
                (State::Judging(mut keys), input) => {
                    let (now, verifier) = (cx.clock.wall.ok_or(TokenError::NoClock)?, cx.client.verifier());
                    let judge = |keys: &_| self.rules.check_by(verifier, self.token.expose(), keys, now);
                    let step = match keys.step(cx, input, judge) {
                        Ok(step) => step,
                        Err(why) => return self.give_up(cx, why),
                    };
                    return Ok(Step::Done(ready!(step, else self.state = State::Judging(keys))?));
                }
                (State::GivingUp(why), Input::Committed(_)) => return Err(why),
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

#[cfg(feature = "rsa")]
#[cfg(test)]
mod tests;
