//! One acquisition at a time for each [`AcquireKey`]: whoever asks for the same meanwhile gets its outcome, be it a failure.
//!
//! A key names everything that makes a request, so a follower never gets what was asked for by another request. An acquisition
//! that ends without an outcome (its runtime shuts down) is begun anew by one of those that wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sansal::keys::AcquireKey;
use sansal::time::Millis;
use tokio::sync::watch;

/// Rests are looked through when there are this many.
const SWEEP: usize = 64;

/// What comes of an acquisition: nothing yet, or its outcome.
pub(crate) type Awaited<T> = watch::Receiver<Option<T>>;

/// Who is on the way.
pub(crate) struct SingleFlight<T>(Arc<Mutex<Flights<T>>>);

struct Flights<T> {
    by_key: HashMap<AcquireKey, Awaited<T>>,
    /// Until when nobody begins in the background.
    rests: HashMap<AcquireKey, Millis>,
}

/// The right to be the one that asks; given up when dropped.
pub(crate) struct Lead<T> {
    flights: SingleFlight<T>,
    key: Option<AcquireKey>,
    outcome: watch::Sender<Option<T>>,
}

impl<T> SingleFlight<T> {
    /// What is on the way for this key; the lead, if nothing was.
    pub(crate) fn join(&self, key: AcquireKey) -> (Awaited<T>, Option<Lead<T>>) {
        let mut flights = self.lock();
        if let Some(awaited) = flights.by_key.get(&key) {
            return (awaited.clone(), None);
        }
        let (outcome, awaited) = watch::channel(None);
        flights.by_key.insert(key, awaited.clone());
        (awaited, Some(Lead { flights: Self(self.0.clone()), key: Some(key), outcome }))
    }

    /// The lead, if nothing is on the way for this key and it is not at rest.
    pub(crate) fn lead(&self, key: AcquireKey, now: Millis) -> Option<Lead<T>> {
        if self.lock().rests.get(&key).is_some_and(|until| *until > now) {
            return None;
        }
        self.join(key).1
    }

    fn lock(&self) -> MutexGuard<'_, Flights<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lead<T> {
    /// Tells everybody who waits.
    pub(crate) fn land(mut self, outcome: T) {
        self.leave();
        self.outcome.send_replace(Some(outcome));
    }

    /// No [`lead`](SingleFlight::lead) for this key until then.
    pub(crate) fn rest(&self, now: Millis, until: Millis) {
        let Some(key) = self.key else { return };
        let mut flights = self.flights.lock();
        if flights.rests.len() >= SWEEP {
            flights.rests.retain(|_, until| *until > now);
        }
        flights.rests.insert(key, until);
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.flights.lock().by_key.remove(&key);
        }
    }
}

impl<T> Drop for Lead<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Flights { by_key: HashMap::new(), rests: HashMap::new() })))
    }
}
