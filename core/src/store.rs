//! What machines remember: tokens, which applications may share, and the memory of one process. Changed only by [`Changes`].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::cache::{Limits, TokenCache, TokenChange};
use crate::client::RegionName;
use crate::entropy::{Entropy, NoEntropy};
use crate::jose::KeySet;
use crate::keys::{AssertionKey, ProcessKey, WireKey};
use crate::limits::MAX_MEMORY_ENTRIES;
use crate::metadata::ProviderMetadata;
use crate::secret::{Secret, SecretBytes};
use crate::telemetry::{Outcome, Telemetry};
use crate::time::{Millis, UnixTime};

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

/// What one process remembers besides tokens. Counted on the monotonic clock: a jump of the date changes nothing here.
pub struct Memory {
    pub(crate) key: ProcessKey,
    metadata: BTreeMap<String, Kept<ProviderMetadata>>,
    aliases: BTreeMap<String, Kept<Vec<String>>>,
    detected_region: Option<Kept<Option<RegionName>>>,
    regional: BTreeMap<String, Kept<Option<ProviderMetadata>>>,
    answers: BTreeMap<WireKey, Kept<Answered>>,
    assertions: BTreeMap<AssertionKey, Kept<HeldAssertion>>,
    nonces: BTreeMap<String, Kept<Secret>>,
    key_sets: BTreeMap<String, Kept<HeldKeys>>,
    telemetry: BTreeMap<String, Telemetry>,
    #[cfg(feature = "wstrust")]
    no_user_realm: BTreeMap<String, Kept<()>>,
}

/// An error answer that is given again instead of asking again.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: SecretBytes,
}

/// The keys of an issuer.
#[derive(Clone, Debug)]
pub(crate) struct HeldKeys {
    pub(crate) set: KeySet,
    /// When they were last asked for, whether an answer came or not.
    pub(crate) asked: Millis,
}

/// A client assertion signed earlier.
#[derive(Clone, Debug)]
pub(crate) struct HeldAssertion {
    pub(crate) text: Secret,
    pub(crate) issued: UnixTime,
}

/// A value with the span in which it counts.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) from: Millis,
    pub(crate) until: Millis,
}

impl<T> Kept<T> {
    pub(crate) fn for_seconds(value: T, now: Millis, seconds: u64) -> Self {
        Self { value, from: now, until: now.after(Millis::from_secs(seconds)) }
    }
}

/// One change of the memory.
#[derive(Clone, Debug)]
pub(crate) enum MemoryChange {
    /// Provider metadata, by the authority it was found for.
    Metadata(String, Box<Kept<ProviderMetadata>>),
    /// Hosts that are the same cloud as this one.
    Aliases(String, Kept<Vec<String>>),
    /// The region of this machine, or word that it is in none.
    DetectedRegion(Kept<Option<RegionName>>),
    /// Metadata of a region, or word that it cannot be reached.
    Regional(String, Box<Kept<Option<ProviderMetadata>>>),
    /// An error answer.
    Answered(WireKey, Kept<Answered>),
    /// A client assertion that may be used again.
    Assertion(AssertionKey, Kept<HeldAssertion>),
    /// The DPoP nonce that this server, by scheme, host and port, gave last.
    DpopNonce(String, Kept<Secret>),
    /// Keys of an issuer, by their address.
    Keys(String, Kept<HeldKeys>),
    /// What became of a call, for the telemetry headers of this client.
    Telemetry(String, Outcome),
    /// This host knows nothing of user realms.
    #[cfg(feature = "wstrust")]
    NoUserRealm(String, Kept<()>),
}

impl Memory {
    /// An empty memory with a key of its own.
    ///
    /// # Errors
    /// [`NoEntropy`] when the host has no random bytes.
    pub fn new(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        Ok(Self {
            key: ProcessKey::new(entropy)?,
            metadata: BTreeMap::new(),
            aliases: BTreeMap::new(),
            detected_region: None,
            regional: BTreeMap::new(),
            answers: BTreeMap::new(),
            assertions: BTreeMap::new(),
            nonces: BTreeMap::new(),
            key_sets: BTreeMap::new(),
            telemetry: BTreeMap::new(),
            #[cfg(feature = "wstrust")]
            no_user_realm: BTreeMap::new(),
        })
    }

    /// The random key of this process, for [`AcquireKey`](crate::keys::AcquireKey)s.
    pub fn process_key(&self) -> &ProcessKey {
        &self.key
    }

    /// Metadata of an authority; `max_age` in seconds overrides how long it counts.
    pub(crate) fn metadata(&self, authority: &str, now: Millis, max_age: Option<u64>) -> Option<&ProviderMetadata> {
        let kept = self.metadata.get(authority)?;
        let fresh = max_age.is_none_or(|age| now < kept.from.after(Millis::from_secs(age)));
        (kept.from <= now && fresh).then_some(&kept.value)
    }

    pub(crate) fn aliases(&self, host: &str) -> Option<&[String]> {
        self.aliases.get(host).map(|kept| kept.value.as_slice())
    }

    /// The region of this machine, once it was asked for.
    pub(crate) fn detected_region(&self, now: Millis) -> Option<Option<&RegionName>> {
        valid(self.detected_region.as_ref()?, now).map(|kept| kept.value.as_ref())
    }

    /// Metadata of a region, once it was asked for.
    pub(crate) fn regional(&self, address: &str, now: Millis) -> Option<Option<&ProviderMetadata>> {
        valid(self.regional.get(address)?, now).map(|kept| kept.value.as_ref())
    }

    /// Whether any error answer is remembered.
    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// An error answer that still counts, and for how many seconds.
    pub(crate) fn answered(&self, key: &WireKey, now: Millis) -> Option<(&Answered, u64)> {
        let kept = valid(self.answers.get(key)?, now)?;
        Some((&kept.value, kept.until.since(now).as_secs_ceil()))
    }

    /// A signed assertion that may be used again: by the monotonic clock, and if the date jumped, by the date too.
    pub(crate) fn assertion(&self, key: &AssertionKey, now: Millis, date: UnixTime) -> Option<&Secret> {
        let kept = valid(self.assertions.get(key)?, now)?;
        let seconds = kept.until.since(kept.from).as_secs_ceil();
        let issued = kept.value.issued;
        (issued <= date && date < issued.after(seconds)).then_some(&kept.value.text)
    }

    /// The DPoP nonce that a server gave last (RFC 9449 s8.2).
    pub(crate) fn dpop_nonce(&self, origin: &str, now: Millis) -> Option<&Secret> {
        valid(self.nonces.get(origin)?, now).map(|kept| &kept.value)
    }

    /// The keys at an address, while they count.
    pub(crate) fn keys(&self, address: &str, now: Millis) -> Option<&Kept<HeldKeys>> {
        valid(self.key_sets.get(address)?, now)
    }

    pub(crate) fn telemetry(&self, client_id: &str) -> Option<&Telemetry> {
        self.telemetry.get(client_id)
    }

    /// Whether a host, scheme and port included, has said that it knows nothing of user realms.
    #[cfg(feature = "wstrust")]
    pub(crate) fn has_no_user_realm(&self, origin: &str, now: Millis) -> bool {
        self.no_user_realm.get(origin).and_then(|kept| valid(kept, now)).is_some()
    }

    fn apply(&mut self, change: MemoryChange) {
        match change {
            #[cfg(feature = "wstrust")]
            MemoryChange::NoUserRealm(origin, kept) => keep(&mut self.no_user_realm, origin, kept),
            MemoryChange::Metadata(authority, kept) => keep(&mut self.metadata, authority, *kept),
            MemoryChange::Aliases(host, kept) => keep(&mut self.aliases, host, kept),
            MemoryChange::DetectedRegion(kept) => self.detected_region = Some(kept),
            MemoryChange::Regional(address, kept) => keep(&mut self.regional, address, *kept),
            MemoryChange::Answered(key, kept) => keep(&mut self.answers, key, kept),
            MemoryChange::Assertion(key, kept) => keep(&mut self.assertions, key, kept),
            MemoryChange::DpopNonce(origin, kept) => keep(&mut self.nonces, origin, kept),
            MemoryChange::Keys(address, kept) => keep(&mut self.key_sets, address, kept),
            MemoryChange::Telemetry(client_id, outcome) => {
                if self.telemetry.len() < MAX_MEMORY_ENTRIES || self.telemetry.contains_key(&client_id) {
                    self.telemetry.entry(client_id).or_default().record(outcome);
                }
            }
        }
    }
}

fn valid<T>(kept: &Kept<T>, now: Millis) -> Option<&Kept<T>> {
    (kept.from <= now && now < kept.until).then_some(kept)
}

/// Inserts; where the memory is full, what ends soonest makes room.
fn keep<K: Ord + Clone, T>(map: &mut BTreeMap<K, Kept<T>>, key: K, kept: Kept<T>) {
    if map.len() >= MAX_MEMORY_ENTRIES && !map.contains_key(&key) {
        map.retain(|_, old| kept.from < old.until);
        if map.len() >= MAX_MEMORY_ENTRIES
            && let Some(soonest) = map.iter().min_by_key(|(_, old)| old.until).map(|(key, _)| key.clone())
        {
            map.remove(&soonest);
        }
    }
    map.insert(key, kept);
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("metadata", &self.metadata.len())
            .field("answers", &self.answers.len())
            .field("assertions", &self.assertions.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_memory_forgets_what_ends_soonest() {
        let mut map = BTreeMap::new();
        for n in 0..MAX_MEMORY_ENTRIES {
            let seconds = if n == 7 { 1 } else { 100 };
            keep(&mut map, n, Kept::for_seconds(n, Millis(0), seconds));
        }
        keep(&mut map, usize::MAX, Kept::for_seconds(0, Millis(0), 50));
        assert_eq!(map.len(), MAX_MEMORY_ENTRIES);
        assert!(!map.contains_key(&7) && map.contains_key(&usize::MAX));
    }

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

    #[test]
    fn a_span_has_both_ends() {
        let kept = Kept::for_seconds((), Millis(1000), 1);
        for (now, counts) in [(999, false), (1000, true), (1999, true), (2000, false)] {
            assert_eq!(valid(&kept, Millis(now)).is_some(), counts, "{now}");
        }
    }
}
