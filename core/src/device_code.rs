//! Device code: a user signs in at another device, with a code that this one shows (RFC 8628; section 4.5 of the reference).

use alloc::boxed::Box;
use core::mem;

use crate::acquire::Acquire;
use crate::asked::{Asked, takes_binding, takes_claims_challenge};
use crate::binding::Binding;
use crate::client::{Client, Scopes};
use crate::device_flow::DeviceFlow;
use crate::discover::Discover;
use crate::error::Error;
use crate::flow::{Cx, Flow, Input, Step, ready};
use crate::keys::{AcquireKey, ProcessKey};
use crate::metadata::ProviderMetadata;
use crate::secret::Secret;
use crate::source::{DeviceCodeFlow, DevicePolling, Initiation};
use crate::telemetry::Api;
use crate::time::Millis;
use crate::wanted::Wanted;

/// A token for a user who signs in elsewhere.
///
/// In one machine with [`flow`](Self::flow); or in two legs, with [`initiate`](Self::initiate) and [`DeviceFlow::poll`], which
/// a process may survive in between.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    asked: Asked,
}

impl DeviceCode {
    /// For these scopes; none at all means sign-in alone.
    ///
    /// # Errors
    /// [`Error::Config`] when a scope is malformed or reserved.
    pub fn new<S: AsRef<str>>(scopes: &[S]) -> Result<Self, Error> {
        Ok(Self { asked: Asked::new(Scopes::of_user(scopes)?) })
    }

    takes_claims_challenge!();
    takes_binding!();

    fn initiation(&self, client: &Client) -> Result<Initiation, Error> {
        let challenge = self.asked.challenge().map(Secret::from);
        Ok(Initiation::new(self.asked.decorated(client), self.asked.claims(client)?, challenge))
    }

    /// The machine that does everything: it asks for a code, has it shown ([`Ask::ShowCode`](crate::flow::Ask::ShowCode)), and
    /// waits for the user.
    ///
    /// # Errors
    /// [`Error::Config`] when the claims request is not a JSON object.
    pub fn flow(&self, client: &Client) -> Result<Acquire<DeviceCodeFlow>, Error> {
        let mut wanted = Wanted::direct(Api::DeviceCode, self.asked.scopes.clone());
        wanted.binding = self.asked.binding(client);
        Ok(Acquire::new(wanted, DeviceCodeFlow::new(self.initiation(client)?)))
    }

    /// The machine of the first leg: asks for a code and gives the [`DeviceFlow`].
    ///
    /// # Errors
    /// [`Error::Config`] when the claims request is not a JSON object.
    pub fn initiate(&self, client: &Client) -> Result<InitiateDeviceFlow, Error> {
        Ok(InitiateDeviceFlow { initiation: self.initiation(client)?, deadline: Millis(0), state: State::Begin })
    }

    /// Identifies this acquisition among all of this process: two with the same key may share one answer.
    pub fn key(&self, client: &Client, process: &ProcessKey) -> AcquireKey {
        self.asked.key("device_code", client, process, [])
    }
}

/// Asks for a code.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
pub struct InitiateDeviceFlow {
    initiation: Initiation,
    deadline: Millis,
    state: State,
}

#[cfg_attr(feature = "fuzzing", derive(Clone))]
#[derive(Debug)]
enum State {
    Begin,
    Discovering(Discover),
    Initiating(Box<ProviderMetadata>),
    Spent,
}

impl Flow for InitiateDeviceFlow {
    type Output = DeviceFlow;

    fn step(&mut self, cx: &mut Cx<'_>, mut input: Input<'_>) -> Result<Step<DeviceFlow>, Error> {
        loop {
            match (mem::replace(&mut self.state, State::Spent), input) {
                (State::Begin, Input::Start) => {
                    self.deadline = cx.clock.mono.after(cx.client.settings().operation_budget);
                    self.state = State::Discovering(Discover::within(self.deadline));
                }
                (State::Discovering(mut discover), input) => {
                    let step = discover.step(cx, input)?;
                    self.state = State::Discovering(discover);
                    let metadata = ready!(step);
                    self.state = State::Initiating(Box::new(metadata));
                }
                (State::Initiating(metadata), input) => {
                    let step = self.initiation.step(cx, &metadata, self.deadline, input)?;
                    self.state = State::Initiating(metadata);
                    let flow = ready!(step);
                    self.state = State::Spent;
                    return Ok(Step::Done(flow));
                }
                _ => return Err(Error::OutOfTurn),
            }
            input = Input::Start;
        }
    }
}

/// How a [`DeviceFlow`] is asked about.
#[derive(Clone, Debug, Default)]
pub struct PollOptions {
    /// A claims request for the token. Without one that of the initiation counts, but not in the reference's profile (G-27).
    pub claims_challenge: Option<Secret>,
    /// Asks once, without waiting: a user who has not answered yet is [`Error::Refused`] with `authorization_pending`. Ask again
    /// after [`DeviceFlow::interval`] seconds, or after what [`Refusal::retry_after`](crate::error::Refusal::retry_after) says if
    /// that is longer.
    pub once: bool,
    /// A key that the token shall be bound to: see [`DeviceCode::bound`]. It is not part of what a flow saves.
    pub binding: Option<Binding>,
}

impl DeviceFlow {
    /// The machine of the second leg: waits for the user. To stop waiting drop it; what it had learned by then is in
    /// [`device_flow`](Acquire::device_flow).
    ///
    /// It ends with [`Error::Expired`] when the code does. Meanwhile a network that is down and a server that asks for patience
    /// only make it wait longer (RFC 8628 s3.5), but not where the settings allow no retries at all.
    ///
    /// # Errors
    /// [`Error::Config`] for another client's flow, or a claims request that is not a JSON object.
    pub fn poll(&self, client: &Client, options: &PollOptions) -> Result<Acquire<DevicePolling>, Error> {
        self.check(client)?;
        let mut asked = Asked::new(self.scopes().clone());
        let remembered = self.claims_challenge().filter(|_| !client.settings().lenient_answers);
        asked.claims_challenge = options.claims_challenge.clone().or(remembered.cloned());
        let source = DevicePolling::new(self.clone(), asked.claims(client)?, options.once);
        let binding = options.binding.clone().or_else(|| Binding::of(client));
        let wanted = Wanted { binding, ..Wanted::direct(Api::DeviceCode, asked.scopes) };
        Ok(Acquire::new(wanted, source))
    }
}

impl Acquire<DevicePolling> {
    /// The flow as it is now, `slow_down` included: save this one.
    pub fn device_flow(&self) -> &DeviceFlow {
        self.source().device_flow()
    }
}

impl Acquire<DeviceCodeFlow> {
    /// The flow as it is now, once there is a code: save this one.
    pub fn device_flow(&self) -> Option<&DeviceFlow> {
        self.source().device_flow()
    }
}
