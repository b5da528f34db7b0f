//! What a host lends to a machine at each step: its store, its clock, its random bytes.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use sansal::entropy::{Entropy, NoEntropy};
use sansal::flow::{Clock, Cx, Flow, Input, Step};
use sansal::time::{Millis, UnixTime};
use sansal::{Client, Error, Store};

/// A store in memory, the clocks of this machine and its random source.
#[derive(Debug)]
pub struct World {
    /// Tokens and memory; changed only by [`Store::apply`].
    pub store: Store,
    start: Instant,
    random: Random,
}

#[derive(Debug)]
struct Random(SystemRandom);

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.0.fill(out).map_err(|_| NoEntropy)
    }
}

impl World {
    /// An empty store and a clock that starts now.
    ///
    /// # Errors
    /// [`NoEntropy`] when the system has no random bytes.
    pub fn new() -> Result<Self, NoEntropy> {
        let mut random = Random(SystemRandom::new());
        Ok(Self { store: Store::new(&mut random)?, start: now(), random })
    }

    /// Milliseconds since the beginning of this world.
    pub fn mono(&self) -> Millis {
        Millis(u64::try_from(now().saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX))
    }

    /// One step of a machine.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn step<F: Flow>(&mut self, client: &Client, flow: &mut F, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        let clock = Clock { mono: self.mono(), wall: wall() };
        flow.step(&mut Cx { client, store: &self.store, clock, entropy: &mut self.random }, input)
    }
}

/// The monotonic clock, for waits and time-outs.
#[expect(clippy::disallowed_methods, reason = "a host is where the clock is read")]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a host is where the clock is read")]
fn wall() -> Option<UnixTime> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| UnixTime(since.as_secs()))
}
