//! One acquisition at a time for each [`AcquireKey`]: the others wait, and then find its token in the cache.
//!
//! Nobody is handed another's result: whoever comes next runs a machine of their own, which looks into the cache first. When the
//! one before failed or was given up, the next one asks the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sansal::keys::AcquireKey;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Entries are looked through when there are this many, or twice as many as were in use at the last time.
const SWEEP: usize = 64;

/// Who is on the way.
#[derive(Debug, Default)]
pub(crate) struct SingleFlight(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    by_key: HashMap<AcquireKey, Weak<Turn<()>>>,
    sweep_at: usize,
}

impl SingleFlight {
    /// Waits for one's turn, which lasts as long as the guard.
    pub(crate) async fn turn(&self, key: AcquireKey) -> OwnedMutexGuard<()> {
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).of(key);
        turn.lock_owned().await
    }
}

impl Turns {
    fn of(&mut self, key: AcquireKey) -> Arc<Turn<()>> {
        if let Some(turn) = self.by_key.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        if self.by_key.len() >= self.sweep_at.max(SWEEP) {
            self.by_key.retain(|_, turn| turn.strong_count() > 0);
            self.sweep_at = self.by_key.len().saturating_mul(2);
        }
        let turn = Arc::new(Turn::new(()));
        self.by_key.insert(key, Arc::downgrade(&turn));
        turn
    }
}
