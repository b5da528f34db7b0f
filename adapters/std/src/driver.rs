//! The blocking host: asks a machine what it needs, does it, and goes round until there is a result.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use sansal::Store;
use sansal::cache::TokenChange;
use sansal::client::Client;
use sansal::error::{CommitError, Error};
use sansal::flow::{Changes, Cx, Flow, Partition, Step};
use sansal::http::Request;

use crate::asks::Asks;
use crate::clock::{SystemClock, Time};
use crate::happened::{Happened, answer};
use crate::http::HttpClient;
use crate::log::Log;
use crate::persistence::Persistence;
use crate::random::SystemRandom;

/// Drives any [`Flow`] on the calling thread. Many threads may use one at a time.
///
/// The store is behind a lock that is never held while something is sent, signed, waited for or persisted.
pub struct Driver {
    http: Arc<dyn HttpClient>,
    time: Arc<dyn Time>,
    store: RwLock<Store>,
    persistence: Option<Arc<dyn Persistence>>,
    /// Held from what is read or written elsewhere until it is in memory: otherwise an old refresh token, read before a new
    /// one was written, could come into memory after it.
    order: Mutex<()>,
}

impl Driver {
    /// With this store and the clocks of the system.
    pub fn new(http: Arc<dyn HttpClient>, store: Store) -> Self {
        Self { http, time: Arc::new(SystemClock), store: RwLock::new(store), persistence: None, order: Mutex::new(()) }
    }

    /// Counts by another clock.
    #[must_use]
    pub fn time(mut self, time: Arc<dyn Time>) -> Self {
        self.time = time;
        self
    }

    /// Keeps tokens elsewhere too. What a commit pushes out of a store with [`limits`](Store::limits) is removed there as
    /// well.
    #[must_use]
    pub fn persistence(mut self, persistence: Arc<dyn Persistence>) -> Self {
        self.persistence = Some(persistence);
        self
    }

    /// Looks into the store. Nothing can be committed meanwhile: be quick.
    pub fn with_store<R>(&self, read: impl FnOnce(&Store) -> R) -> R {
        read(&self.read())
    }

    /// Drives a machine to its end.
    ///
    /// # Errors
    /// Whatever ends the machine.
    pub fn drive<F: Flow>(&self, client: &Client, mut flow: F, asks: &dyn Asks) -> Result<F::Output, Error> {
        let log = Log { pii: client.settings().enable_pii_log };
        log.begin(client.client_id());
        let mut happened = Happened::Begun;
        let result = loop {
            let step = happened.tell(|input| {
                let store = self.read();
                let mut entropy = SystemRandom;
                let clock = self.time.now();
                flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input)
            });
            happened = match step {
                Ok(Step::Send(request)) => self.send(&request, log),
                Ok(Step::Wait(span)) => {
                    self.time.sleep(span);
                    Happened::Woke
                }
                Ok(Step::Ask(ask)) => Happened::Answered(answer(&ask, asks)),
                Ok(Step::Load(partition)) => self.load(&partition),
                Ok(Step::Commit(changes)) => Happened::Committed(self.commit(changes)),
                Ok(Step::Done(output)) => break Ok(output),
                Err(error) => break Err(error),
            };
        };
        log.outcome(result.as_ref().err());
        result
    }

    /// The output, if the cache has it: nothing is sent. A machine that needs more is dropped.
    pub(crate) fn peek<F: Flow>(&self, client: &Client, mut flow: F) -> Option<F::Output> {
        let mut happened = Happened::Begun;
        loop {
            let step = happened.tell(|input| {
                let store = self.read();
                let (clock, mut entropy) = (self.time.now(), SystemRandom);
                flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input)
            });
            happened = match step.ok()? {
                Step::Load(partition) => self.load(&partition),
                Step::Commit(changes) if changes.is_hit() => Happened::Committed(self.commit(changes)),
                Step::Done(output) => return Some(output),
                _ => return None,
            };
        }
    }

    /// The store that has leases, if there is one.
    pub(crate) fn leases(&self) -> Option<&dyn Persistence> {
        self.persistence.as_deref().filter(|elsewhere| elsewhere.has_leases())
    }

    pub(crate) fn time_source(&self) -> &dyn Time {
        &*self.time
    }

    fn send(&self, request: &Request, log: Log) -> Happened {
        log.request(request);
        let begun = self.time.now().mono;
        let result = self.http.send(request);
        let ms = self.time.now().mono.since(begun).0;
        match result {
            Ok(response) => {
                log.response(request, &response, ms);
                Happened::Responded(response)
            }
            Err(why) => {
                log.failed(request, why, ms);
                Happened::Failed(why)
            }
        }
    }

    fn load(&self, partition: &Partition) -> Happened {
        if let Some(elsewhere) = &self.persistence {
            let _order = self.in_order();
            let mut changes = Changes::default();
            changes.tokens = elsewhere.load(partition);
            // What does not fit into memory now stays where it came from: reading removes nothing there.
            let _ = self.apply(changes);
        }
        Happened::Loaded
    }

    fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let _order = (self.persistence.is_some() && changes.is_durable()).then(|| self.in_order());
        let saved = self.save(&changes.tokens);
        // A token that could not be persisted still serves this process.
        let evicted = self.apply(changes);
        // After what put it there: whoever evicts an entry has seen it, so its own commit has been saved.
        saved.and(self.save(&evicted))
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        match &self.persistence {
            Some(elsewhere) if !changes.is_empty() => elsewhere.save(changes),
            _ => Ok(()),
        }
    }

    /// Gives back what had to go for the store to stay within its limits.
    fn apply(&self, changes: Changes) -> Vec<TokenChange> {
        if changes.is_empty() {
            return Vec::new();
        }
        // A panic elsewhere cannot leave a store half changed: only `apply` writes, and it does not panic.
        self.store.write().unwrap_or_else(PoisonError::into_inner).apply(changes)
    }

    fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("persistence", &self.persistence.is_some()).finish_non_exhaustive()
    }
}
