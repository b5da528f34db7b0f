//! One request until its answer: the only place that repeats, waits, and remembers error answers (decision 9).
//!
//! ```text
//! Ready --Start--> Sent --answer--> done
//!                   ^ `--failure, 429, 5xx--> Waiting
//!                   `---------- Woke -----------'
//! ```

use alloc::string::ToString;
use core::mem;

use crate::error::{Error, SendError};
use crate::flow::{Cx, Input, Step};
use crate::http::{Repeat, Request, Response, RetryAfter};
use crate::keys::WireKey;
use crate::limits::MAX_REMEMBERED_BODY;
use crate::pop::nonce;
use crate::secret::{Secret, SecretBytes};
use crate::store::{Answered, Fact, MemoryChange};
use crate::time::Millis;
#[cfg(feature = "managed")]
use {crate::limits::MAX_CHALLENGE, alloc::string::String};

/// Seconds that a 400 is remembered (section 10.2 of the reference).
const REMEMBER_400: u64 = 60;

/// A request in progress.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(crate) struct Call {
    request: Request,
    deadline: Millis,
    /// How long an answer that asks for patience without saying how long is remembered; `None`: nothing is remembered.
    patience: Option<u64>,
    /// Whether a 400 is an answer like others and not remembered.
    expects_400: bool,
    /// Whether a remembered answer is passed over.
    asks_anyway: bool,
    /// For managed identities: statuses after which the source is asked again, besides 429 and 5xx.
    managed: Option<&'static [u16]>,
    /// What the answer is remembered by, where requests that ask the same differ from time to time.
    identity: Option<Request>,
    attempts: u8,
    once: bool,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Ready,
    Sent,
    Waiting(Millis),
    Spent,
}

/// The answer, whatever its status; what the host lent of it is not copied.
#[derive(Debug)]
pub(crate) struct Reply<'r> {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Content<'r>,
    /// `WWW-Authenticate`, when it is not too long. What was remembered has none.
    #[cfg(feature = "managed")]
    pub(crate) challenge: Option<String>,
    /// The nonce for the next DPoP proof. What was remembered has none.
    pub(crate) dpop_nonce: Option<Secret>,
    /// What to commit so that the same request is not sent again too soon.
    pub(crate) remember: Option<MemoryChange>,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content<'r> {
    /// The host has it.
    Lent(&'r [u8]),
    /// It was remembered.
    Remembered(SecretBytes),
}

impl Content<'_> {
    pub(crate) fn expose(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Remembered(bytes) => bytes.expose(),
        }
    }
}

impl Call {
    /// Sends `request` until there is an answer or `deadline` has come.
    pub(crate) fn new(request: Request, deadline: Millis) -> Self {
        Self {
            request,
            deadline,
            patience: None,
            expects_400: false,
            asks_anyway: false,
            managed: None,
            identity: None,
            attempts: 0,
            once: false,
            state: State::Ready,
        }
    }

    /// Remembers error answers, by default for so many seconds.
    pub(crate) fn throttled(mut self, default_seconds: u64) -> Self {
        self.patience = Some(default_seconds);
        self
    }

    #[cfg(feature = "managed")]
    /// By the rules of managed identities (section 4.14.8 of the reference): only answers that ask for patience are remembered,
    /// and these statuses mean that the source is not ready yet.
    pub(crate) fn managed(mut self, transient: &'static [u16]) -> Self {
        self.expects_400 = true;
        self.managed = Some(transient);
        self
    }

    /// Does not remember a 400: a device code that waits for its user is answered so (section 10.3 of the reference).
    pub(crate) fn expecting_400(mut self) -> Self {
        self.expects_400 = true;
        self
    }

    /// Asks the server even where an earlier answer is remembered (G-05).
    pub(crate) fn asking_anyway(mut self) -> Self {
        self.asks_anyway = true;
        self
    }

    /// Takes all requests with this identity for the same: theirs have a date or a random part in the body. The identity has
    /// everything else of the request, secrets included.
    pub(crate) fn identified_by(mut self, identity: Request) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Never repeats, whatever the settings say.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    fn send<'r>(&mut self, cx: &Cx<'_>) -> Result<Step<Reply<'r>>, Error> {
        let left = self.deadline.since(cx.clock.mono);
        if left == Millis(0) {
            return Err(self.unreachable(if self.attempts == 0 { SendError::NotSent } else { SendError::NoAnswer }));
        }
        let mut request = self.request.clone();
        request.attempt_timeout = request.attempt_timeout.min(left);
        self.state = State::Sent;
        Ok(Step::Send(request))
    }

    /// Waits before another attempt, or `None` when there is none left, or no time for it.
    fn again(&mut self, cx: &mut Cx<'_>, allowed: u8, at_least: Option<u64>) -> Result<Option<Millis>, Error> {
        let retries = cx.client.settings().retries;
        if self.once || self.attempts >= allowed {
            return Ok(None);
        }
        let doubled = retries.first_wait.0.saturating_mul(1_u64 << u32::from(self.attempts.min(16)));
        let mut byte = [0];
        cx.entropy.fill(&mut byte)?;
        // Up to half of it on top: callers that failed together do not come back together.
        let jitter = doubled.saturating_mul(u64::from(byte.first().copied().unwrap_or(0))).wrapping_shr(9);
        let wait = Millis(doubled.saturating_add(jitter)).max(Millis::from_secs(at_least.unwrap_or(0)));
        if wait > retries.longest_wait || cx.clock.mono.after(wait) >= self.deadline {
            return Ok(None);
        }
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Waiting(cx.clock.mono.after(wait));
        Ok(Some(wait))
    }

    fn answered<'r>(&mut self, cx: &mut Cx<'_>, response: &Response<'r>) -> Result<Step<Reply<'r>>, Error> {
        if response.body.len() > self.request.response_limit {
            return Err(self.unreachable(SendError::TooLarge));
        }
        let retry_after = match response.retry_after() {
            // To the reference a date is none.
            RetryAfter::At(_) if is_reference(cx) => RetryAfter::Unreadable,
            date @ RetryAfter::At(_) => date.counted_from(response.date().or(cx.clock.wall)),
            other => other,
        };
        let is_transient =
            matches!(response.status, 429 | 500..) || self.managed.is_some_and(|more| more.contains(&response.status));
        if self.request.repeat == Repeat::Safe && is_transient {
            let allowed = cx.client.settings().retries.repeatable;
            if let Some(wait) = self.again(cx, allowed, retry_after.seconds())? {
                return Ok(Step::Wait(wait));
            }
        }
        let remember = self.remember(cx, response, retry_after);
        Ok(Step::Done(Reply {
            status: response.status,
            retry_after: retry_after.seconds(),
            body: Content::Lent(response.body),
            #[cfg(feature = "managed")]
            challenge: response.header("www-authenticate").filter(|text| text.len() <= MAX_CHALLENGE).map(String::from),
            dpop_nonce: nonce::dpop(response).filter(|_| cfg!(feature = "pop")).map(Secret::from),
            remember,
        }))
    }

    /// Sections 10.2 and 10.4 of the reference, but that an answer of success is never remembered (G-04).
    fn remember(&self, cx: &Cx<'_>, response: &Response<'_>, retry_after: RetryAfter) -> Option<MemoryChange> {
        let default = self.patience()?;
        let seconds = match (response.status, retry_after) {
            (200..300, _) => return None,
            // A challenge is to be met, not remembered.
            (401, _) if self.managed.is_some() => return None,
            (400, RetryAfter::Absent) if self.expects_400 => return None,
            // Whoever polls waits by itself; to the reference a remembered `slow_down` is a new one.
            (400, _) if self.expects_400 && self.managed.is_none() && !is_reference(cx) => return None,
            (400, RetryAfter::Absent) => REMEMBER_400,
            (_, RetryAfter::Seconds(seconds)) => seconds,
            (_, RetryAfter::At(_) | RetryAfter::Unreadable) => default,
            (429 | 500.., RetryAfter::Absent) => default,
            (_, RetryAfter::Absent) => return None,
        };
        if response.body.len() > MAX_REMEMBERED_BODY {
            return None;
        }
        let answered = Answered { status: response.status, body: SecretBytes::from(response.body) };
        Some(Fact::Answered(answered).for_seconds(self.key(cx).as_bytes(), cx.clock.mono, seconds))
    }

    fn failed<'r>(&mut self, cx: &mut Cx<'_>, why: SendError) -> Result<Step<Reply<'r>>, Error> {
        let retries = cx.client.settings().retries;
        let allowed = match (self.request.repeat, why) {
            (Repeat::Safe, SendError::NotSent | SendError::NoAnswer) => retries.repeatable,
            (Repeat::OnlyIfNotSent, SendError::NotSent) => retries.not_sent,
            _ => 0,
        };
        match self.again(cx, allowed, None)? {
            Some(wait) => Ok(Step::Wait(wait)),
            None => Err(self.unreachable(why)),
        }
    }

    /// Seconds that an error answer is remembered, where it is.
    fn patience(&self) -> Option<u64> {
        self.patience.filter(|_| cfg!(feature = "throttling"))
    }

    /// What the answer is remembered by. To hash a whole request costs something, and most answers are not remembered.
    fn key(&self, cx: &Cx<'_>) -> WireKey {
        cx.store.memory.key.wire(self.identity.as_ref().unwrap_or(&self.request))
    }

    fn unreachable(&self, why: SendError) -> Error {
        Error::Unreachable { host: self.request.endpoint.host().to_string(), why }
    }
}

impl Call {
    /// One step; the rules are those of [`Flow::step`](crate::flow::Flow::step). The answer borrows from the input.
    pub(crate) fn step<'r>(&mut self, cx: &mut Cx<'_>, input: Input<'r>) -> Result<Step<Reply<'r>>, Error> {
        match (mem::replace(&mut self.state, State::Spent), input) {
            (State::Ready, Input::Start) => {
                let memory = &cx.store.memory;
                let asks_memory = self.patience().is_some() && !self.asks_anyway && memory.has_answers();
                match asks_memory.then(|| memory.answered(&self.key(cx), cx.clock.mono)).flatten() {
                    None => self.send(cx),
                    Some((answered, left)) => Ok(Step::Done(Reply {
                        status: answered.status,
                        retry_after: Some(left),
                        body: Content::Remembered(answered.body.clone()),
                        #[cfg(feature = "managed")]
                        challenge: None,
                        dpop_nonce: None,
                        remember: None,
                    })),
                }
            }
            (State::Sent, Input::Response(response)) => self.answered(cx, &response),
            (State::Sent, Input::Failed(why)) => self.failed(cx, why),
            (State::Waiting(due), Input::Woke) if cx.clock.mono >= due => self.send(cx),
            (State::Waiting(due), Input::Woke) => {
                self.state = State::Waiting(due);
                Ok(Step::Wait(due.since(cx.clock.mono)))
            }
            _ => Err(Error::OutOfTurn),
        }
    }
}

/// Whether odd answers are taken as the reference takes them.
fn is_reference(cx: &Cx<'_>) -> bool {
    cx.client.settings().lenient_answers
}
