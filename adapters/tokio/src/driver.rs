//! The asynchronous host: asks a machine what it needs, does it without blocking, and goes round until there is a result.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use sansal::Store;
use sansal::client::Client;
use sansal::error::{AskError, CommitError, Error};
use sansal::flow::{Ask, Changes, Cx, Flow, Input, Partition, Step};
use sansal::http::Request;
use sansal::keys::{AcquireKey, ProcessKey};
use sansal::time::{Clock, Millis};
use sansal_std::{Answered, Asks, Happened, Lease, Log, Persistence, SystemClock, SystemRandom, Time, answer};
use tokio::task::spawn_blocking;

use crate::http::HttpClient;

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
    store: RwLock<Store>,
    persistence: Option<Arc<dyn Persistence>>,
    /// Held from what is read or written elsewhere until it is in memory; only on threads that may block.
    order: Mutex<()>,
    /// Calls that were answered from the cache and are not in the store's memory yet.
    hits: AtomicU64,
}

impl Driver {
    /// With this store, the system's clock or another, and a place where tokens are kept too.
    pub fn new(
        http: Arc<dyn HttpClient>,
        store: Store,
        time: Option<Arc<dyn Time>>,
        persistence: Option<Arc<dyn Persistence>>,
    ) -> Self {
        let (order, hits) = (Mutex::new(()), AtomicU64::new(0));
        Self(Arc::new(Shared { http, time, store: RwLock::new(store), persistence, order, hits }))
    }

    /// Looks into the store. Nothing can be committed meanwhile: be quick.
    pub fn with_store<R>(&self, read: impl FnOnce(&Store) -> R) -> R {
        read(&self.0.read())
    }

    /// Drives a machine to its end.
    ///
    /// # Errors
    /// Whatever ends the machine.
    pub async fn drive<F: Flow>(&self, client: &Client, mut flow: F, asks: &SharedAsks) -> Result<F::Output, Error> {
        let log = Log { pii: client.settings().enable_pii_log };
        log.begin(client.client_id());
        self.0.count_hits(client);
        let mut happened = Happened::Begun;
        let result = loop {
            let step = happened.tell(|input| self.0.step(client, &mut flow, input));
            happened = match step {
                Ok(Step::Send(request)) => self.send(&request, log).await,
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

    /// The output, if the cache has it: no request, no writer's lock, no waiting for others. A machine that needs more is
    /// dropped.
    pub async fn peek<F: Flow>(&self, client: &Client, mut flow: F) -> Option<F::Output> {
        let mut happened = Happened::Begun;
        loop {
            happened = match happened.tell(|input| self.0.step(client, &mut flow, input)).ok()? {
                Step::Load(partition) => self.load(partition).await,
                Step::Commit(changes) if changes.is_hit() => Happened::Committed(self.commit(changes).await),
                Step::Done(output) => return Some(output),
                _ => return None,
            };
        }
    }

    /// Asks the store for the right to ask a server for a token.
    pub(crate) async fn lease(&self, key: impl Fn(&ProcessKey) -> AcquireKey) -> Lease {
        let Some(store) = self.0.persistence.clone().filter(|store| store.has_leases()) else { return Lease::Free };
        let shared = store.clone();
        let Ok(Some(shared)) = spawn_blocking(move || shared.lease_key()).await else { return Lease::Free };
        let key = key(&shared);
        spawn_blocking(move || store.lease(&key)).await.unwrap_or(Lease::Free)
    }

    pub(crate) fn mono(&self) -> Millis {
        self.0.now().mono
    }

    pub(crate) async fn pause(&self, span: Millis) {
        self.0.sleep(span).await;
    }

    async fn load(&self, partition: Partition) -> Happened {
        if self.0.persistence.is_some() {
            let shared = self.0.clone();
            let _ = spawn_blocking(move || shared.load(&partition)).await;
        }
        Happened::Loaded
    }

    async fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        if changes.is_hit() {
            self.0.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if self.0.persistence.is_none() || !changes.is_durable() {
            return self.0.commit(changes);
        }
        let shared = self.0.clone();
        // Runs to its end, whether anybody waits for it or not.
        spawn_blocking(move || shared.commit(changes)).await.unwrap_or(Err(CommitError::NotWritten))
    }
}

impl Shared {
    fn step<F: Flow>(&self, client: &Client, flow: &mut F, input: Input<'_>) -> Result<Step<F::Output>, Error> {
        let store = self.read();
        let (clock, mut entropy) = (self.now(), SystemRandom);
        flow.step(&mut Cx { client, store: &store, clock, entropy: &mut entropy }, input)
    }

    fn now(&self) -> Clock {
        self.time.as_ref().map_or_else(|| SystemClock.now(), |time| time.now())
    }

    async fn sleep(&self, span: Millis) {
        match &self.time {
            None => tokio::time::sleep(Duration::from_millis(span.0)).await,
            Some(time) => {
                let time = time.clone();
                let _ = spawn_blocking(move || time.sleep(span)).await;
            }
        }
    }

    /// Hits become known to the machine that sends the next request, in its telemetry headers.
    fn count_hits(&self, client: &Client) {
        if self.hits.load(Ordering::Relaxed) > 0 {
            let count = self.hits.swap(0, Ordering::Relaxed);
            let _ = self.apply(Changes::hits(client.client_id(), count));
        }
    }

    fn load(&self, partition: &Partition) {
        let Some(elsewhere) = &self.persistence else { return };
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::default();
        changes.tokens = elsewhere.load(partition);
        // What does not fit into memory now stays where it came from: reading removes nothing there.
        let _ = self.apply(changes);
    }

    fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let durable = self.persistence.as_ref().filter(|_| changes.is_durable());
        let Some(elsewhere) = durable else {
            let _ = self.apply(changes);
            return Ok(());
        };
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let saved = elsewhere.save(&changes.tokens);
        // A token that could not be persisted still serves this process.
        let evicted = self.apply(changes);
        match evicted.is_empty() {
            true => saved,
            false => saved.and(elsewhere.save(&evicted)),
        }
    }

    fn apply(&self, changes: Changes) -> Vec<sansal::cache::TokenChange> {
        if changes.is_empty() {
            return Vec::new();
        }
        self.store.write().unwrap_or_else(PoisonError::into_inner).apply(changes)
    }

    fn read(&self) -> RwLockReadGuard<'_, Store> {
        // A panic elsewhere cannot leave a store half changed: only `apply` writes, and it does not panic.
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn asked(ask: Ask, asks: SharedAsks) -> Answered {
    spawn_blocking(move || answer(&ask, &*asks)).await.unwrap_or(Answered::Failed(AskError::Failed))
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("persistence", &self.0.persistence.is_some()).finish_non_exhaustive()
    }
}
