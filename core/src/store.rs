//! What machines remember: tokens, which applications may share, and the memory of one process. Changed only by [`Changes`].

mod memory;

use alloc::string::String;
use alloc::vec::Vec;

use crate::cache::{Limits, TokenCache, TokenChange};
use crate::entropy::{Entropy, NoEntropy};
use crate::telemetry::Outcome;

#[cfg(feature = "assertions")]
pub(crate) use memory::HeldAssertion;
#[cfg(feature = "validate")]
pub(crate) use memory::HeldKeys;
#[cfg(any(feature = "validate", feature = "fuzzing"))]
pub(crate) use memory::Kept;
pub use memory::Memory;
pub(crate) use memory::{Answered, Fact, MemoryChange};

/// Tokens and memory, as a machine sees them. Two objects: applications share caches, not memory.
#[derive(Debug)]
pub struct Store {
    /// Tokens in MSAL's schema; this is what is persisted.
    pub tokens: TokenCache,
    /// Metadata, throttled requests, assertions, telemetry; this is never persisted.
    pub memory: Memory,
    /// How large `tokens` may become; without limit unless the application says so.
    pub limits: Limits,
}

impl Store {
    /// An empty store.
    ///
    /// # Errors
    /// [`NoEntropy`] when the host has no random bytes for the keys of its memory.
    pub fn new(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        Ok(Self { tokens: TokenCache::default(), memory: Memory::new(entropy)?, limits: Limits::default() })
    }

    /// Applies the changes of a [`Step::Commit`](crate::flow::Step::Commit), and then those that keep the tokens within
    /// [`limits`](Self::limits). Gives the latter back, for hosts that write deltas elsewhere too.
    pub fn apply(&mut self, changes: Changes) -> Vec<TokenChange> {
        self.tokens.apply(changes.tokens);
        changes.memory.into_iter().for_each(|change| self.memory.apply(change));
        let evicted = self.tokens.over_budget(self.limits);
        self.tokens.apply(evicted.clone());
        evicted
    }
}

/// A delta that a machine wants written. Hosts whose store lies elsewhere write [`tokens`](Self::tokens) there.
#[derive(Debug, Default)]
pub struct Changes {
    /// Entries to put and to remove, in this order.
    pub tokens: Vec<TokenChange>,
    pub(crate) memory: Vec<MemoryChange>,
}

impl Changes {
    /// Whether there is something to persist; otherwise only the memory of this process changes.
    pub fn is_durable(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether all it says is that one call was answered from the cache. A host may count these and apply them later, all at
    /// once, as [`hits`](Self::hits): then a hit changes nothing.
    pub fn is_hit(&self) -> bool {
        self.tokens.is_empty() && matches!(self.memory.as_slice(), [MemoryChange::Telemetry(_, Outcome::Hits(1))])
    }

    /// So many calls of this application were answered from the cache: what the telemetry headers of its next request tell.
    pub fn hits(client_id: &str, count: u64) -> Self {
        let memory = Vec::from([MemoryChange::Telemetry(client_id.into(), Outcome::Hits(count))]);
        Self { tokens: Vec::new(), memory }
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.memory.is_empty()
    }
}

/// The part of a store that one machine needs: what a host whose store lies elsewhere has to bring. Refresh tokens of a
/// family and what is known of the application (`AppMetadata`) belong to it too, whoever's they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The application.
    pub client_id: String,
    /// The authority's host; entries of its aliases belong to the partition too.
    pub environment: String,
    /// Whose entries.
    pub owner: Owner,
}

/// Whose tokens a [`Partition`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The application's own.
    Application,
    /// Those of the user with this `home_account_id`.
    Account(String),
    /// Everybody's: who it will be is not known yet.
    Everyone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_after_every_commit() {
        struct Fixed;
        impl Entropy for Fixed {
            fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
                out.fill(7);
                Ok(())
            }
        }
        let put = |n: u64| {
            let entry = alloc::format!(r#"{{"secret":"s","expires_on":"{n}"}}"#);
            let entry = crate::cache::Entry::from_json(entry.as_bytes()).unwrap();
            let put = TokenChange::Put { section: "AccessToken".into(), key: alloc::format!("{n}"), entry };
            Changes { tokens: Vec::from([put]), memory: Vec::new() }
        };
        let mut store = Store::new(&mut Fixed).unwrap();
        for n in 0..10 {
            assert!(store.apply(put(n)).is_empty(), "without limit unless asked");
        }
        store.limits.entries = Some(5);
        let evicted = store.apply(put(10));
        let keys: Vec<_> = evicted.iter().map(TokenChange::key).collect();
        assert_eq!(keys, ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(store.tokens.weight().0, 5);
    }
}
