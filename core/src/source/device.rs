//! A device code: asked for, shown, and asked about until somebody has approved it (RFC 8628 s3.1 to s3.5).
//!
//! ```text
//! DeviceCodeFlow: Initiating → Showing → DevicePolling
//! DevicePolling:  Due → grant → (pending, slow_down, no answer) → Waiting → Due …  until the code ends
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use super::{More, Source};
use crate::call::Call;
use crate::client::{Client, Retries, Scopes};
use crate::device_flow::{Begun, DeviceFlow};
use crate::endpoint::Endpoint;
use crate::entropy::uuid_v4;
use crate::error::{Config, Error, Refusal};
use crate::exchange::{headers, is_pending, patience};
use crate::flow::{Answer, Cx, Input, Step, ready};
use crate::grant::{Grant, GrantKind};
use crate::http::{Body, Request};
use crate::limits::{MAX_POLLING_INTERVAL, MAX_RESPONSE};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use crate::store::Changes;
use crate::time::Millis;

/// One second after the end a code is certainly worthless: servers count whole ones.
const CERTAINLY: Millis = Millis(1000);

/// The device authorization request (RFC 8628 s3.1).
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub(crate) struct Initiation {
    /// As they are sent.
    scopes: Scopes,
    /// The `claims` parameter, merged.
    claims: Option<Secret>,
    /// The caller's part of it.
    claims_challenge: Option<Secret>,
    state: Initiating,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum Initiating {
    Begin,
    Calling(Call, Begun),
    Noting(Result<Box<DeviceFlow>, Error>),
    Spent,
}

impl Initiation {
    pub(crate) fn new(scopes: Scopes, claims: Option<Secret>, claims_challenge: Option<Secret>) -> Self {
        Self { scopes, claims, claims_challenge, state: Initiating::Begin }
    }

    /// Section 4.5 of the reference: no credential, no `client_info`, no `Accept`.
    fn call(&self, cx: &mut Cx<'_>, endpoint: &Endpoint, deadline: Millis) -> Result<(Call, Begun), Error> {
        let claims = self.claims.as_ref().map(Secret::expose).unwrap_or_default();
        let fields = [("client_id", cx.client.client_id()), ("scope", self.scopes.as_str()), ("claims", claims)];
        let body = Body::form(fields.into_iter().filter(|(_, value)| !value.is_empty()));
        let settings = cx.client.settings();
        let request = Request::post(endpoint.clone(), body, MAX_RESPONSE, settings.attempt_timeout);
        let correlation_id = uuid_v4(cx.entropy)?;
        let request = headers(cx.client, request).header("client-request-id", correlation_id.clone());
        let call = Call::new(request, deadline);
        let call = if settings.throttling { call.throttled(patience(cx.client)) } else { call };
        let claims_challenge = self.claims_challenge.clone();
        Ok((call, Begun { correlation_id, scopes: self.scopes.clone(), claims_challenge }))
    }

    /// One step; the rules are those of [`Flow::step`].
    pub(crate) fn step(
        &mut self,
        cx: &mut Cx<'_>,
        metadata: &ProviderMetadata,
        deadline: Millis,
        input: Input<'_>,
    ) -> Result<Step<DeviceFlow>, Error> {
        match (mem::replace(&mut self.state, Initiating::Spent), input) {
            (Initiating::Begin, Input::Start) => {
                let endpoint = metadata.device_authorization_endpoint.as_ref();
                let endpoint = endpoint.ok_or(Config::NoEndpoint("device_authorization_endpoint"))?;
                let (mut call, begun) = self.call(cx, endpoint, deadline)?;
                let step = call.step(cx, Input::Start)?;
                self.proceed(cx, call, begun, step)
            }
            (Initiating::Calling(mut call, begun), input) => {
                let step = call.step(cx, input)?;
                self.proceed(cx, call, begun, step)
            }
            (Initiating::Noting(result), Input::Committed(_)) => result.map(|flow| Step::Done(*flow)),
            _ => Err(Error::OutOfTurn),
        }
    }

    fn proceed(
        &mut self,
        cx: &Cx<'_>,
        call: Call,
        begun: Begun,
        step: Step<crate::call::Reply<'_>>,
    ) -> Result<Step<DeviceFlow>, Error> {
        self.state = Initiating::Calling(call, begun.clone());
        let mut reply = ready!(step);
        self.state = Initiating::Spent;
        let flow = DeviceFlow::answered(cx.client, &begun, &reply, cx.clock.mono);
        match reply.remember.take() {
            None => flow.map(Step::Done),
            Some(change) => {
                self.state = Initiating::Noting(flow.map(Box::new));
                Ok(Step::Commit(Changes { tokens: Vec::new(), memory: Vec::from([change]) }))
            }
        }
    }
}

/// Asks for tokens until the user has answered or the code has ended.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct DevicePolling {
    flow: DeviceFlow,
    claims: Option<Secret>,
    /// Asks once and says what came.
    once: bool,
    /// Unanswered questions in a row.
    unanswered: u32,
    /// The server's last answer, for the end of the code.
    last: Option<Box<Refusal>>,
    state: Polling,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polling {
    Begin,
    Due,
    Waiting,
    Asked,
    Over,
}

impl DevicePolling {
    pub(crate) fn new(flow: DeviceFlow, claims: Option<Secret>, once: bool) -> Self {
        Self { flow, claims, once, unanswered: 0, last: None, state: Polling::Begin }
    }

    pub(crate) fn device_flow(&self) -> &DeviceFlow {
        &self.flow
    }

    /// The next question, when it is time for it; the end, when there is no time left for one.
    fn proceed(&mut self, now: Millis) -> Result<Step<Grant>, Error> {
        let is_over = self.flow.next() > self.flow.ends();
        let due = if is_over { self.flow.ends().after(CERTAINLY) } else { self.flow.next() };
        if now < due {
            self.state = Polling::Waiting;
            return Ok(Step::Wait(due.since(now)));
        }
        if is_over {
            self.state = Polling::Over;
            return Err(Error::Expired { what: "device code", refusal: self.last.take() });
        }
        Ok(self.ask(now))
    }

    fn ask(&mut self, now: Millis) -> Step<Grant> {
        self.state = Polling::Asked;
        self.flow.ask_not_before(now.after(Millis::from_secs(self.flow.interval())));
        let kind = GrantKind::DeviceCode { device_code: self.flow.device_code() };
        Step::Done(Grant::new(kind, self.flow.scopes().clone(), self.claims.clone()))
    }

    /// Seconds until the next question, or `None` when the answer stands.
    fn pause(&mut self, error: &Error, is_patient: bool) -> Option<u64> {
        let interval = self.flow.interval();
        let unanswered = mem::take(&mut self.unanswered);
        match error {
            Error::Refused(refusal) if is_pending(refusal) => {
                if refusal.error() == "slow_down" {
                    self.flow.slow_down();
                }
                Some(refusal.retry_after().filter(|_| is_patient).unwrap_or(0).max(self.flow.interval()))
            }
            // The server asks for patience, not for an end.
            Error::Throttled { retry_after, .. } if is_patient => Some(retry_after.unwrap_or(0).max(interval)),
            // RFC 8628 s3.5: a client whose connections time out asks less and less often.
            Error::Unreachable { why, .. } if is_patient && why.is_transient() => {
                self.unanswered = unanswered.saturating_add(1);
                Some(interval.saturating_mul(1_u64 << self.unanswered.min(16)).min(MAX_POLLING_INTERVAL))
            }
            _ => None,
        }
    }
}

/// The reference asks at once whenever it is called, and gives up at the first failure.
fn is_patient(client: &Client) -> bool {
    client.settings().retries != Retries::NONE
}

impl Source for DevicePolling {
    fn check(&self, client: &Client) -> Result<(), Error> {
        self.flow.check(client).map_err(Error::from)
    }

    fn is_looked_up(&self) -> bool {
        false
    }

    fn is_extended(&self) -> bool {
        false
    }

    fn waits_for_a_person(&self) -> bool {
        true
    }

    fn correlation_id(&self) -> Option<&str> {
        Some(self.flow.correlation_id())
    }

    fn obtain(&mut self, cx: &mut Cx<'_>, _: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        let now = cx.clock.mono;
        match (mem::replace(&mut self.state, Polling::Over), input) {
            // The first question goes out at once, even about a code that has ended; a restored flow first waits for its turn.
            (Polling::Begin, Input::Start) if self.once || !is_patient(cx.client) || self.flow.next() <= now => {
                Ok(self.ask(now))
            }
            (Polling::Begin | Polling::Due, Input::Start) | (Polling::Waiting, Input::Woke) => self.proceed(now),
            _ => Err(Error::OutOfTurn),
        }
    }

    fn granted(&mut self) {
        self.last = None;
    }

    fn refused(&mut self, cx: &Cx<'_>, error: &Error) -> More {
        let pause = self.pause(error, is_patient(cx.client));
        if let Some(seconds) = pause {
            self.flow.ask_not_before(cx.clock.mono.after(Millis::from_secs(seconds)));
        }
        if pause.is_none() || self.once || self.state != Polling::Asked {
            return More::No;
        }
        self.last = error.refusal().cloned().map(Box::new);
        self.state = Polling::Due;
        More::Yes
    }
}

/// The whole flow in one machine: asks for a code, has it shown, waits for the user.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct DeviceCodeFlow {
    claims: Option<Secret>,
    deadline: Millis,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Initiating(Box<Initiation>),
    Showing(Box<DeviceFlow>),
    Polling(Box<DevicePolling>),
    Spent,
}

impl DeviceCodeFlow {
    pub(crate) fn new(initiation: Initiation) -> Self {
        let claims = initiation.claims.clone();
        Self { claims, deadline: Millis(0), state: State::Initiating(Box::new(initiation)) }
    }

    pub(crate) fn device_flow(&self) -> Option<&DeviceFlow> {
        match &self.state {
            State::Showing(flow) => Some(flow),
            State::Polling(polling) => Some(polling.device_flow()),
            State::Initiating(_) | State::Spent => None,
        }
    }
}

impl Source for DeviceCodeFlow {
    fn check(&self, _: &Client) -> Result<(), Error> {
        Ok(())
    }

    fn begins(&mut self, deadline: Millis) {
        self.deadline = deadline;
    }

    fn is_looked_up(&self) -> bool {
        false
    }

    fn is_extended(&self) -> bool {
        false
    }

    fn waits_for_a_person(&self) -> bool {
        true
    }

    fn correlation_id(&self) -> Option<&str> {
        self.device_flow().map(DeviceFlow::correlation_id)
    }

    fn obtain(&mut self, cx: &mut Cx<'_>, metadata: &ProviderMetadata, input: Input<'_>) -> Result<Step<Grant>, Error> {
        match (mem::replace(&mut self.state, State::Spent), input) {
            (State::Initiating(mut initiation), input) => {
                let step = initiation.step(cx, metadata, self.deadline, input)?;
                self.state = State::Initiating(initiation);
                let flow = ready!(step);
                let ask = flow.notice();
                self.state = State::Showing(Box::new(flow));
                Ok(Step::Ask(ask))
            }
            (State::Showing(flow), Input::Answer(Answer::Shown)) => {
                let mut polling = DevicePolling::new(*flow, self.claims.clone(), false);
                let step = polling.obtain(cx, metadata, Input::Start);
                self.state = State::Polling(Box::new(polling));
                step
            }
            (State::Showing(_), Input::Answer(Answer::Failed(why))) => Err(Error::Unanswered { ask: "display", why }),
            (State::Polling(mut polling), input) => {
                let step = polling.obtain(cx, metadata, input);
                self.state = State::Polling(polling);
                step
            }
            _ => Err(Error::OutOfTurn),
        }
    }

    fn granted(&mut self) {
        self.state = State::Spent;
    }

    fn refused(&mut self, cx: &Cx<'_>, error: &Error) -> More {
        match &mut self.state {
            State::Polling(polling) => polling.refused(cx, error),
            _ => More::No,
        }
    }
}
