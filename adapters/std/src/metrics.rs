//! What a service counts: hits, misses, refreshes, evictions, requests and waits, as they happen.

/// Is told what happens, on the thread where it happens: count, and come back. It may be called by many threads at a time.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use sansal_std::{Event, Metrics};
///
/// #[derive(Default)]
/// struct Counters { hits: AtomicU64, misses: AtomicU64 }
///
/// impl Metrics for Counters {
///     fn on(&self, event: &Event) {
///         match event {
///             Event::Hit => self.hits.fetch_add(1, Ordering::Relaxed),
///             Event::Miss => self.misses.fetch_add(1, Ordering::Relaxed),
///             _ => 0,
///         };
///     }
/// }
/// ```
pub trait Metrics: Send + Sync {
    /// Something happened.
    fn on(&self, event: &Event);
}

/// What happened. Nothing here names a user, a tenant or a token.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A token came from the cache.
    Hit,
    /// A call has to ask a server; told once for each, whatever it asks for and how often.
    Miss,
    /// A token that still serves was renewed in the background, or could not be. Only with `sansal-tokio`: elsewhere the call
    /// waits for it, and it counts as [`Miss`](Self::Miss).
    Refreshed {
        /// Whether there is a new one.
        renewed: bool,
    },
    /// Entries had to go for the cache to stay within its limits.
    Evicted {
        /// How many.
        entries: usize,
    },
    /// A request ended.
    Requested {
        /// Milliseconds from its beginning.
        ms: u64,
        /// Whether an answer came, of whatever kind.
        answered: bool,
    },
    /// A call waited for another one that asked for the same, and shared its outcome. Only with `sansal-tokio`.
    Waited {
        /// Milliseconds.
        ms: u64,
    },
}
