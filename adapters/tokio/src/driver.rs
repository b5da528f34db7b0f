//! The asynchronous host: asks a machine what it needs, does it without blocking, and goes round until there is a result.

use std::fmt;
use std::sync::Arc;

use sansal::Store;
use sansal::client::Client;
use sansal::error::{AskError, CommitError, Error, SendError};
use sansal::flow::{Ask, Changes, Cx, Flow, Input, Partition, Step};
use sansal::http::Request;
use sansal::keys::{AcquireKey, ProcessKey};
use sansal::time::{Clock, Millis};
use sansal_std::{
    Answered, Asks, Event, Happened, Hits, Lease, Log, SharedStore, SystemClock, SystemRandom, Time, answer,
};
use tokio::task::spawn_blocking;

use crate::http::HttpClient;
use crate::running::{Run, Running};

/// Who answers what is not for a server; on a thread of its own, so it may block.
pub type SharedAsks = Arc<dyn Asks + Send + Sync>;

/// Drives any [`Flow`]. Clones are the same driver.
///
/// The store is behind a lock that is never held across an `await`. A future that is dropped leaves the store as it was
/// before a commit or after it, never between.
#[derive(Clone)]
pub struct Driver(Arc<Shared>);

struct Shared {
    http: Arc<dyn HttpClient>,
    time: Option<Arc<dyn Time>>,
    store: Arc<SharedStore>,
    /// Calls that were answered from the cache and are not in the store's memory yet.
    hits: Hits,
    running: Running,
}

/// What the cache has.
pub(crate) enum Cached<T> {
    /// What needs no refresh.
    Fresh(T),
    /// What should be refreshed, and serves meanwhile.
    Aging(T),
    /// Nothing.
    Nothing,
}

impl Driver {
    /// With this store, and the system's clock or another.
    pub fn new(http: Arc<dyn HttpClient>, store: Arc<SharedStore>, time: Option<Arc<dyn Time>>) -> Self {
        Self(Arc::new(Shared { http, time, store, hits: Hits::default(), running: Running::default() }))
    }

    /// Looks into the store. Nothing can be committed meanwhile: be quick.
    pub fn with_store<R>(&self, read: impl FnOnce(&Store) -> R) -> R {
        read(&self.0.store.read())
    }

    /// Drives a machine to its end.
    ///
    /// # Errors
    /// Whatever ends the machine.
    pub async fn drive<F: Flow>(&self, client: &Client, flow: F, asks: &SharedAsks) -> Result<F::Output, Error> {
        self.drive_for(client, flow, asks, true).await
    }

    /// The same, `awaited` by a call or in the background.
    pub(crate) async fn drive_for<F: Flow>(
        &self,
        client: &Client,
        mut flow: F,
        asks: &SharedAsks,
        awaited: bool,
    ) -> Result<F::Output, Error> {
        let mut misses = awaited;
        let log = Log { pii: client.settings().enable_pii_log };
        log.begin(client.client_id());
        self.0.store.count_hits(&self.0.hits, client.client_id());
        let mut happened = Happened::Begun;
        let result = loop {
            let step = happened.tell(|input| self.0.step(client, &mut flow, input));
            happened = match step {
                Ok(Step::Send(request)) => {
                    if std::mem::replace(&mut misses, false) {
                        self.0.store.tell(Event::Miss);
                    }
                    self.send(&request, log).await
                }
                Ok(Step::Wait(span)) => {
                    self.0.sleep(span).await;
                    Happened::Woke
                }
                Ok(Step::Ask(ask)) => Happened::Answered(asked(ask, asks.clone()).await),
                Ok(Step::Load(partition)) => self.load(partition).await,
                Ok(Step::Commit(changes)) => Happened::Committed(self.commit(changes).await),
                Ok(Step::Done(output)) => break Ok(output),
                Err(error) => break Err(error),
            };
        };
        log.outcome(result.as_ref().err());
        result
    }

    async fn send(&self, request: &Request, log: Log) -> Happened {
        log.request(request);
        let begun = self.0.now().mono;
        let result = self.0.http.send(request).await;
        let ms = self.0.now().mono.since(begun).0;
        self.tell(Event::Requested { ms, answered: result.is_ok() });
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

    /// What is found [at hand](SharedStore::at_hand).
    #[inline]
    pub(crate) fn at_hand<T>(&self, find: impl FnOnce(&Store, Clock) -> Option<T>) -> Option<T> {
        let clock = || self.0.time.as_ref().map_or_else(|| SystemClock.recent(), |time| time.recent());
        self.0.store.at_hand(&self.0.hits, clock, find)
    }

    /// The output, if the cache has it: no request, no writer's lock, no waiting for others. A machine that needs more is
    /// dropped.
    pub async fn peek<F: Flow>(&self, client: &Client, flow: F) -> Option<F::Output> {
        match self.cached(client, flow).await {
            Cached::Fresh(output) => Some(output),
            Cached::Aging(_) | Cached::Nothing => None,
        }
    }

    /// What the cache has. A machine that wants to ask is told that nobody can be reached: what it has in hand then, it had from
    /// the cache. None of what it would remember about that is kept.
    pub(crate) async fn cached<F: Flow>(&self, client: &Client, mut flow: F) -> Cached<F::Output> {
        let mut happened = Happened::Begun;
        let mut cut_off = false;
        loop {
            let Ok(step) = happened.tell(|input| self.0.step(client, &mut flow, input)) else { return Cached::Nothing };
            happened = match step {
                Step::Done(output) if cut_off => return Cached::Aging(output),
                Step::Done(output) => return Cached::Fresh(output),
                Step::Load(partition) => self.load(partition).await,
                Step::Commit(changes) if changes.is_hit() && !cut_off => {
                    Happened::Committed(self.commit(changes).await)
                }
                Step::Commit(_) if cut_off => Happened::Committed(Ok(())),
                Step::Commit(_) | Step::Wait(_) => return Cached::Nothing,
                Step::Send(_) => {
                    cut_off = true;
                    Happened::Failed(SendError::Cancelled)
                }
                Step::Ask(_) => {
                    cut_off = true;
                    Happened::Answered(Answered::Failed(AskError::Failed))
                }
            };
        }
    }

    /// Waits until everything that was written has been written, also for those who gave up waiting.
    pub async fn idle(&self) {
        self.0.running.ended().await;
    }

    /// Counts as running, for [`idle`](Self::idle), until dropped.
    pub(crate) fn begin(&self) -> Run {
        self.0.running.begin()
    }

    pub(crate) fn tell(&self, event: Event) {
        self.0.store.tell(event);
    }

    pub(crate) fn now(&self) -> Clock {
        self.0.now()
    }

    pub(crate) async fn pause(&self, span: Millis) {
        self.0.sleep(span).await;
    }

    /// The key that names of leases are computed with, where the store has leases and is there.
    pub(crate) async fn lease_key(&self) -> Option<ProcessKey> {
        let elsewhere = self.0.store.leases()?;
        spawn_blocking(move || elsewhere.lease_key()).await.ok()?
    }

    /// Asks the store for the right to ask a server for a token.
    pub(crate) async fn lease(&self, key: AcquireKey) -> Lease {
        let Some(elsewhere) = self.0.store.leases() else { return Lease::Free };
        spawn_blocking(move || elsewhere.lease(&key)).await.unwrap_or(Lease::Free)
    }

    async fn load(&self, partition: Partition) -> Happened {
        if self.0.store.is_persistent() {
            let store = self.0.store.clone();
            let _ = spawn_blocking(move || store.load(&partition)).await;
        }
        Happened::Loaded
    }

    async fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        if changes.is_hit() {
            self.0.store.hit(&self.0.hits);
            return Ok(());
        }
        let store = &self.0.store;
        if !store.is_persistent() || !changes.is_durable() {
            return store.commit(changes);
        }
        let (store, run) = (store.clone(), self.begin());
        let write = move || {
            let written = store.commit(changes);
            drop(run);
            written
        };
        // Runs to its end, whether anybody waits for it or not.
        spawn_blocking(write).await.unwrap_or(Err(CommitError::NotWritten))
    }
}

impl Shared {
    fn step<F: Flow>(&self, client: &Client, flow: &mut F, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        let store = self.store.read();
        let (clock, mut entropy) = (self.now(), SystemRandom);
        flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input)
    }

    fn now(&self) -> Clock {
        self.time.as_ref().map_or_else(|| SystemClock.now(), |time| time.now())
    }

    async fn sleep(&self, span: Millis) {
        match &self.time {
            None => tokio::time::sleep(span.into()).await,
            Some(time) => {
                let time = time.clone();
                let _ = spawn_blocking(move || time.sleep(span)).await;
            }
        }
    }
}

async fn asked(ask: Ask, asks: SharedAsks) -> Answered {
    spawn_blocking(move || answer(&ask, &*asks)).await.unwrap_or(Answered::Failed(AskError::Failed))
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("store", &self.0.store).finish_non_exhaustive()
    }
}
