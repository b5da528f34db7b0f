//! The host of a device: asks a machine what it needs, does it, and goes round until there is a result. Written once, for
//! executors, for streams that block and for superloops.

use core::fmt;

use sansal::client::Client;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::{CommitError, Error, SendError};
use sansal::flow::{Changes, Clock, Cx, Flow, Input, Step};
use sansal::http::{Request, ServerTrust};
use sansal::key::KeyName;
use sansal::time::{Millis, UnixTime};
use sansal::{Endpoint, Store};
use zeroize::Zeroize;

use crate::asks::{Asks, NoAsks, answer};
use crate::blocking::block_on;
use crate::connect::{Connect, Peer};
use crate::dates::Dates;
use crate::exchange::{exchange, within};
use crate::http1::Reader;
use crate::time::Time;
use crate::tokens::{NoTokenStore, TokenStore};

/// Milliseconds for which a connection is kept between two requests. Servers end idle connections after some seconds, and
/// a token request that meets such an end must not be repeated: so a connection is used again soon or not at all.
const KEEP: Millis = Millis(2_000);

/// Drives any [`Flow`], one at a time.
///
/// The buffer takes each request and each response, head and body: what is longer is [`SendError::TooLarge`]. 8 KiB do for
/// Entra's metadata and for tokens of 4 KiB. It is overwritten after each response, since it has held secrets.
pub struct Driver<'b, C, T, E, A = NoAsks, S = NoTokenStore> {
    connect: C,
    world: World<T, E>,
    asks: A,
    tokens: S,
    buffer: &'b mut [u8],
}

/// What a machine sees, and the date.
struct World<T, E> {
    store: Store,
    time: T,
    entropy: E,
    dates: Dates,
}

/// A connection that may serve another request, and for whom.
struct Kept<S> {
    stream: S,
    endpoint: Endpoint,
    server: ServerTrust,
    client_cert: Option<KeyName>,
    since: Millis,
}

impl<'b, C: Connect, T: Time, E: Entropy> Driver<'b, C, T, E> {
    /// A device that was built at `built`, which is not after any date to come (decision 12). It shows nothing, has no keys
    /// and remembers nothing, until told otherwise.
    ///
    /// # Errors
    /// [`NoEntropy`] when there are no random bytes for the keys of its memory.
    pub fn new(connect: C, time: T, mut entropy: E, buffer: &'b mut [u8], built: UnixTime) -> Result<Self, NoEntropy> {
        let store = Store::new(&mut entropy)?;
        let world = World { store, time, entropy, dates: Dates::not_before(built) };
        Ok(Self { connect, world, asks: NoAsks, tokens: NoTokenStore, buffer })
    }
}

impl<'b, C, T, E, A, S> Driver<'b, C, T, E, A, S> {
    /// Who answers what is not asked of a server.
    #[must_use]
    pub fn asks<A2: Asks>(self, asks: A2) -> Driver<'b, C, T, E, A2, S> {
        let Self { connect, world, tokens, buffer, .. } = self;
        Driver { connect, world, asks, tokens, buffer }
    }

    /// Where tokens outlive a reset. What lies there is read at once.
    #[must_use]
    pub fn tokens<S2: TokenStore>(self, mut tokens: S2) -> Driver<'b, C, T, E, A, S2> {
        let Self { connect, mut world, asks, buffer, .. } = self;
        if let Some(remembered) = tokens.load() {
            world.store.tokens = remembered.tokens;
            world.dates.stored(remembered.latest);
        }
        Driver { connect, world, asks, tokens, buffer }
    }

    /// The tokens and the memory.
    pub fn store(&self) -> &Store {
        &self.world.store
    }

    /// The same, to set [limits](Store::limits).
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.world.store
    }

    /// Who answers what is not asked of a server.
    pub fn asked(&mut self) -> &mut A {
        &mut self.asks
    }
}

impl<C: Connect, T: Time, E: Entropy, A: Asks, S: TokenStore> Driver<'_, C, T, E, A, S> {
    /// Both clocks.
    pub fn clock(&self) -> Clock {
        self.world.clock()
    }

    /// Drives a machine to its end. For a superloop put this into a [`Superloop`](crate::Superloop).
    ///
    /// # Errors
    /// Whatever ends the machine.
    pub async fn drive<F: Flow>(&mut self, client: &Client, mut flow: F) -> Result<F::Output, Error> {
        let Self { connect, world, asks, tokens, buffer } = self;
        let mut kept = None;
        let mut step = world.step(client, &mut flow, Input::Start)?;
        loop {
            step = match step {
                Step::Send(request) => {
                    let sent = send(connect, world, &mut kept, &request, buffer).await;
                    let is_https = request.endpoint.is_https();
                    drop(request); // its memory is worth more
                    let next = match sent.map(|reader| {
                        reader.response(buffer, |response| {
                            if is_https && world.time.wall().is_none() {
                                let mono = world.time.mono();
                                let _ = response.header("date").is_some_and(|date| world.dates.learn(date, mono));
                            }
                            world.step(client, &mut flow, Input::Response(response))
                        })
                    }) {
                        Ok(Ok(next)) => next,
                        Ok(Err(why)) | Err(why) => world.step(client, &mut flow, Input::Failed(why)),
                    };
                    buffer.zeroize();
                    next?
                }
                Step::Wait(span) => {
                    if span >= KEEP {
                        kept = None; // its memory is worth more
                    }
                    world.time.sleep(span).await;
                    world.step(client, &mut flow, Input::Woke)?
                }
                Step::Ask(ask) => answer(asks, &ask, |input| world.step(client, &mut flow, input))?,
                Step::Load(_) => world.step(client, &mut flow, Input::Loaded)?,
                Step::Commit(changes) => {
                    let committed = world.commit(changes, tokens);
                    world.step(client, &mut flow, Input::Committed(committed))?
                }
                Step::Done(done) => return Ok(done),
            };
        }
    }

    /// Drives a machine to its end on the spot: for connectors that are [`Blocking`](crate::Blocking).
    ///
    /// # Errors
    /// Whatever ends the machine.
    pub fn drive_blocking<F: Flow>(&mut self, client: &Client, flow: F) -> Result<F::Output, Error> {
        block_on(self.drive(client, flow))
    }
}

impl<T: Time, E: Entropy> World<T, E> {
    fn clock(&self) -> Clock {
        let mono = self.time.mono();
        Clock { mono, wall: self.time.wall().or_else(|| self.dates.wall(mono)) }
    }

    /// The date, or its floor.
    fn at_least(&self) -> UnixTime {
        self.time.wall().unwrap_or_else(|| self.dates.at_least(self.time.mono()))
    }

    fn step<F: Flow>(&mut self, client: &Client, flow: &mut F, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        let clock = self.clock();
        flow.step(&mut Cx { client, store: &self.store, clock, entropy: &mut self.entropy }, input)
    }

    /// A token that could not be persisted still serves until the next reset.
    fn commit(&mut self, changes: Changes, tokens: &mut impl TokenStore) -> Result<(), CommitError> {
        let is_durable = changes.is_durable();
        self.store.apply(changes);
        if is_durable { tokens.save(&self.store.tokens, self.at_least()) } else { Ok(()) }
    }
}

/// Sends over the kept connection or a new one, and keeps the one that may be used again.
async fn send<C: Connect, T: Time, E: Entropy>(
    connect: &mut C,
    world: &World<T, E>,
    kept: &mut Option<Kept<C::Stream>>,
    request: &Request,
    buffer: &mut [u8],
) -> Result<Reader, SendError> {
    let time = &world.time;
    let deadline = time.mono().after(request.attempt_timeout);
    if let Some(mut old) = kept.take().filter(|kept| kept.fits(request, time.mono())) {
        match exchange(&mut old.stream, request, buffer, time, deadline).await {
            Ok(reader) => {
                old.since = time.mono();
                *kept = Some(old).filter(|_| reader.keeps());
                return Ok(reader);
            }
            // The server had just ended it: a new connection is no repetition where that is harmless.
            Err(broken) if !broken.answered && may_be_sent_again(request, broken.why) => {}
            Err(broken) => return Err(broken.why),
        }
    }
    let peer = Peer::of(request, world.at_least());
    let connected = within(time, deadline, connect.connect(&peer)).await;
    let mut stream = connected.unwrap_or(Err(SendError::NotSent))?;
    let reader = exchange(&mut stream, request, buffer, time, deadline).await.map_err(|broken| broken.why)?;
    if reader.keeps() {
        let (endpoint, client_cert) = (request.endpoint.clone(), request.client_cert.clone());
        *kept = Some(Kept { stream, endpoint, server: request.server, client_cert, since: time.mono() });
    }
    Ok(reader)
}

fn may_be_sent_again(request: &Request, why: SendError) -> bool {
    match why {
        SendError::NotSent => true,
        SendError::NoAnswer => request.repeat == sansal::http::Repeat::Safe,
        _ => false,
    }
}

impl<S> Kept<S> {
    fn fits(&self, request: &Request, mono: Millis) -> bool {
        self.endpoint.origin() == request.endpoint.origin()
            && self.server == request.server
            && self.client_cert == request.client_cert
            && mono.since(self.since) < KEEP
    }
}

impl<C, T, E, A, S> fmt::Debug for Driver<'_, C, T, E, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("store", &self.world.store)
            .field("dates", &self.world.dates)
            .finish_non_exhaustive()
    }
}
