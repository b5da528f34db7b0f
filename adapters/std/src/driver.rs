//! The blocking host: asks a machine what it needs, does it, and goes round until there is a result.

use std::fmt;
use std::sync::Arc;

use sansal::Store;
use sansal::client::Client;
use sansal::error::Error;
use sansal::flow::{Changes, Cx, Flow, Step};
use sansal::http::Request;
use sansal::time::Clock;

use crate::asks::Asks;
use crate::clock::{SystemClock, Time};
use crate::happened::{Happened, answer};
use crate::hits::Hits;
use crate::http::HttpClient;
use crate::log::Log;
use crate::metrics::Event;
use crate::persistence::Persistence;
use crate::random::SystemRandom;
use crate::shared_store::SharedStore;

/// Drives any [`Flow`] on the calling thread. Many threads may use one at a time.
///
/// The store is behind a lock that is never held while something is sent, signed, waited for or persisted.
pub struct Driver {
    http: Arc<dyn HttpClient>,
    time: Arc<dyn Time>,
    store: Arc<SharedStore>,
    hits: Hits,
}

impl Driver {
    /// With this store and the clocks of the system.
    pub fn new(http: Arc<dyn HttpClient>, store: Store) -> Self {
        Self::sharing(http, Arc::new(SharedStore::new(store, None, None)))
    }

    /// With a store that another driver has too, and the clocks of the system.
    pub fn sharing(http: Arc<dyn HttpClient>, store: Arc<SharedStore>) -> Self {
        Self { http, time: Arc::new(SystemClock), store, hits: Hits::default() }
    }

    /// Counts by another clock.
    #[must_use]
    pub fn time(mut self, time: Arc<dyn Time>) -> Self {
        self.time = time;
        self
    }

    /// Keeps tokens elsewhere too. What a commit pushes out of a store with [`limits`](Store::limits) is removed there as
    /// well. A store that is [shared](Self::sharing) has said itself where it is kept.
    #[must_use]
    pub fn persistence(mut self, persistence: Arc<dyn Persistence>) -> Self {
        if let Some(store) = Arc::get_mut(&mut self.store) {
            store.persist(persistence);
        }
        self
    }

    /// Looks into the store. Nothing can be committed meanwhile: be quick.
    pub fn with_store<R>(&self, read: impl FnOnce(&Store) -> R) -> R {
        read(&self.store.read())
    }

    /// Drives a machine to its end, in a `tracing` span `acquire`.
    ///
    /// # Errors
    /// Whatever ends the machine.
    pub fn drive<F: Flow>(&self, client: &Client, mut flow: F, asks: &dyn Asks) -> Result<F::Output, Error> {
        let _span = tracing::debug_span!("acquire").entered();
        let log = Log { pii: client.settings().enable_pii_log };
        log.begin(client.client_id());
        self.store.count_hits(&self.hits, client.client_id());
        let mut happened = Happened::Begun;
        let mut asks_a_server = false;
        let result = loop {
            let step = happened.tell(|input| {
                let store = self.store.read();
                let mut entropy = SystemRandom;
                let clock = self.time.now();
                flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input)
            });
            happened = match step {
                Ok(Step::Send(request)) => {
                    if !std::mem::replace(&mut asks_a_server, true) {
                        self.store.tell(Event::Miss);
                    }
                    self.send(&request, log)
                }
                Ok(Step::Wait(span)) => {
                    self.time.sleep(span);
                    Happened::Woke
                }
                Ok(Step::Ask(ask)) => Happened::Answered(answer(&ask, asks)),
                Ok(Step::Load(partition)) => {
                    self.store.load(&partition);
                    Happened::Loaded
                }
                Ok(Step::Commit(changes)) => self.commit(changes),
                Ok(Step::Done(output)) => break Ok(output),
                Err(error) => break Err(error),
            };
        };
        log.outcome(result.as_ref().err());
        result
    }

    /// What is found [at hand](SharedStore::at_hand).
    pub(crate) fn at_hand<T>(&self, find: impl FnOnce(&Store, Clock) -> Option<T>) -> Option<T> {
        self.store.at_hand(&self.hits, || self.time.recent(), find)
    }

    /// The output, if the cache has it: nothing is sent. A machine that needs more is dropped.
    pub(crate) fn peek<F: Flow>(&self, client: &Client, mut flow: F) -> Option<F::Output> {
        let mut happened = Happened::Begun;
        loop {
            let step = happened.tell(|input| {
                let store = self.store.read();
                let (clock, mut entropy) = (self.time.now(), SystemRandom);
                flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input)
            });
            happened = match step.ok()? {
                Step::Load(partition) => {
                    self.store.load(&partition);
                    Happened::Loaded
                }
                Step::Commit(changes) if changes.is_hit() => self.commit(changes),
                Step::Done(output) => return Some(output),
                _ => return None,
            };
        }
    }

    /// The store that has leases, if there is one.
    pub(crate) fn leases(&self) -> Option<Arc<dyn Persistence>> {
        self.store.leases()
    }

    pub(crate) fn time_source(&self) -> &dyn Time {
        &*self.time
    }

    fn commit(&self, changes: Changes) -> Happened {
        if changes.is_hit() {
            self.store.hit(&self.hits);
            return Happened::Committed(Ok(()));
        }
        Happened::Committed(self.store.commit(changes))
    }

    fn send(&self, request: &Request, log: Log) -> Happened {
        log.request(request);
        let begun = self.time.now().mono;
        let result = self.http.send(request);
        let ms = self.time.now().mono.since(begun).0;
        self.store.tell(Event::Requested { ms, answered: result.is_ok() });
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
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("store", &self.store).finish_non_exhaustive()
    }
}
