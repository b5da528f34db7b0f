//! The store of one application and where its tokens are persisted: for many threads, one write at a time, in order.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use crossbeam_utils::sync::ShardedLock;
use sansal::Store;
use sansal::cache::TokenChange;
use sansal::error::CommitError;
use sansal::flow::{Changes, Partition};
use sansal::time::Clock;

use crate::hits::Hits;
use crate::metrics::{Event, Metrics};
use crate::persistence::Persistence;

/// What a driver reads and writes. The lock on the store is never held while something is persisted.
pub struct SharedStore {
    /// Readers on different threads do not wait for each other's memory.
    store: ShardedLock<Store>,
    persistence: Option<Arc<dyn Persistence>>,
    metrics: Option<Arc<dyn Metrics>>,
    /// Held from what is read or written elsewhere until it is in memory: otherwise an old refresh token, read before a new
    /// one was written, could come into memory after it.
    order: RwLock<()>,
}

impl SharedStore {
    /// This store, a place where tokens are kept too, and who counts.
    pub fn new(store: Store, persistence: Option<Arc<dyn Persistence>>, metrics: Option<Arc<dyn Metrics>>) -> Self {
        Self { store: ShardedLock::new(store), persistence, metrics, order: RwLock::new(()) }
    }

    /// Tells who counts.
    #[inline]
    pub fn tell(&self, event: Event) {
        if let Some(metrics) = &self.metrics {
            metrics.on(&event);
        }
    }

    /// The store, as long as the guard lives. Nothing can be committed meanwhile: be quick.
    #[inline]
    pub fn read(&self) -> impl Deref<Target = Store> + '_ {
        // A panic elsewhere cannot leave a store half changed: only `apply` writes, and it does not panic.
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is found in memory, where that says what is stored elsewhere, counted as a hit.
    #[inline]
    pub fn at_hand<T>(
        &self,
        hits: &Hits,
        clock: impl FnOnce() -> Clock,
        find: impl FnOnce(&Store, Clock) -> Option<T>,
    ) -> Option<T> {
        if !self.is_current() {
            return None;
        }
        let clock = clock();
        // Not taken apart before it is given on: each time that what it holds is moved costs as much as the lock.
        let found = find(&self.read(), clock);
        if found.is_some() {
            self.hit(hits);
        }
        found
    }

    /// A call was answered from memory.
    pub fn hit(&self, hits: &Hits) {
        hits.add();
        self.tell(Event::Hit);
        tracing::debug!("a token from memory");
    }

    /// Hits become known to the machine that sends the next request, in its telemetry headers.
    pub fn count_hits(&self, hits: &Hits, client_id: &str) {
        let count = hits.take();
        if count > 0 {
            // Nothing of it is kept elsewhere.
            let _ = self.commit(Changes::hits(client_id, count));
        }
    }

    /// Whether tokens are kept elsewhere too, so that [`load`](Self::load) and [`commit`](Self::commit) may block.
    pub fn is_persistent(&self) -> bool {
        self.persistence.is_some()
    }

    /// Whether memory says what is stored elsewhere, as far as that can be told without waiting. `false`: [`load`](Self::load) first.
    #[inline]
    pub fn is_current(&self) -> bool {
        match &self.persistence {
            None => true,
            // While something is read or written there, memory may lack it.
            Some(elsewhere) => self.order.try_read().is_ok_and(|_order| elsewhere.is_current()),
        }
    }

    /// Brings what is stored elsewhere into memory. Blocks.
    pub fn load(&self, partition: &Partition) {
        if let Some(elsewhere) = &self.persistence {
            let _order = self.in_order();
            let mut changes = Changes::default();
            changes.tokens = elsewhere.load(partition);
            // What does not fit into memory now stays where it came from: reading removes nothing there.
            let _ = self.apply(changes);
        }
    }

    /// Writes changes, elsewhere first. Blocks when there is [an elsewhere](Self::is_persistent) and the changes are durable.
    ///
    /// # Errors
    /// [`CommitError`] when they could not be persisted; they are in memory then.
    pub fn commit(&self, changes: Changes) -> Result<(), CommitError> {
        let _order = (self.persistence.is_some() && changes.is_durable()).then(|| self.in_order());
        let saved = self.save(&changes.tokens);
        // A token that could not be persisted still serves this process.
        let evicted = self.apply(changes);
        if !evicted.is_empty() {
            self.tell(Event::Evicted { entries: evicted.len() });
        }
        // After what put it there: whoever evicts an entry has seen it, so its own commit has been saved.
        saved.and(self.save(&evicted))
    }

    /// The elsewhere, if it has leases.
    pub fn leases(&self) -> Option<Arc<dyn Persistence>> {
        self.persistence.clone().filter(|elsewhere| elsewhere.has_leases())
    }

    pub(crate) fn persist(&mut self, persistence: Arc<dyn Persistence>) {
        self.persistence = Some(persistence);
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
        self.store.write().unwrap_or_else(PoisonError::into_inner).apply(changes)
    }

    fn in_order(&self) -> RwLockWriteGuard<'_, ()> {
        self.order.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStore").field("persistence", &self.is_persistent()).finish_non_exhaustive()
    }
}
