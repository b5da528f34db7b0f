//! Tokens in Redis, shared by hosts: an entry a key, compare-and-set by a script, and leases so that one host asks for a token.

mod answer;
mod builder;
mod exchange;
mod known;
mod link;
mod place;

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sansal::base64::hex_encode;
use sansal::cache::TokenChange;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::CommitError;
use sansal::keys::{AcquireKey, ProcessKey};
use sansal::store::Partition;
use sansal::time::Millis;

pub use self::builder::RedisCacheBuilder;
use self::exchange::State;
use self::link::{Link, Trouble};
use self::place::Places;
use crate::lease::{Granted, Lease};
use crate::persistence::Persistence;
use crate::random::SystemRandom;

/// How long to wait for somebody who asks the server, before the store is looked into again, in milliseconds.
const PATIENCE: (u64, u64) = (15, 40);

/// A token store in Redis for a client's [`persistence`](crate::PublicClientBuilder::persistence): hosts that use the same prefix
/// share tokens.
///
/// * Each entry is a key of its own and ends when its token does. A client reads the entries of one application and one account,
///   and only those that are new to it; where it is not known whose tokens are needed (accounts, sign-ins, on-behalf-of) those of
///   the application, whosever they are.
/// * Entries are written by a script, all of a commit or none, and only over what this client has seen. What somebody else wrote
///   meanwhile is [merged](sansal::cache::TokenCache::merge_changes).
/// * Of all hosts that need the same token one asks the server, while it holds a lease; the others wait for it to bring the token. The
///   lease of a host that ends without giving it back ends by itself.
/// * While Redis is away tokens are served from memory and asked for as if this host were alone; a `tracing` warning and
///   [`trouble`](Self::trouble) say so. What could not be written is written when Redis is back, and so is what a server that lost
///   its memory does not have any more.
/// * With a [`key`](RedisCacheBuilder::key) all values are encrypted by AES-256-GCM, each for its place. Names are digests in any
///   case. Without one whoever can read Redis has the tokens.
///
/// One server, or one with replicas; not Redis Cluster. `rediss://` is TLS with the roots of the operating system. Redis 6.2 or later.
///
/// ```no_run
/// use sansal_std::{ConfidentialClient, DataKey, RedisCache};
/// let key = DataKey::from_text(&std::fs::read_to_string("/run/secrets/token-key")?).ok_or("no key")?;
/// let tokens = RedisCache::builder("rediss://tokens.example.com").key(key).build()?;
/// let client = ConfidentialClient::builder("your-application-id").secret("…").persistence(tokens).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RedisCache(Arc<Shared>);

struct Shared {
    prefix: String,
    places: Places,
    keep: u64,
    lease: Millis,
    state: Mutex<State>,
    link: Mutex<Link>,
    counts: Counts,
}

/// What became of a store's leases so far: for the metrics of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseCounts {
    /// Taken by this process.
    pub granted: u64,
    /// Looks at a lease that another process had.
    pub waited: u64,
    /// Asked for while Redis was away: this process went on alone.
    pub alone: u64,
}

#[derive(Default)]
struct Counts(Mutex<LeaseCounts>);

impl Counts {
    fn add(&self, which: impl FnOnce(&mut LeaseCounts) -> &mut u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = which(&mut counts);
        *count = count.saturating_add(1);
    }

    fn granted(&self) {
        self.add(|counts| &mut counts.granted);
    }

    fn waited(&self) {
        self.add(|counts| &mut counts.waited);
    }

    fn alone(&self) {
        self.add(|counts| &mut counts.alone);
    }
}

impl RedisCache {
    /// At this address: `redis://[user:password@]host[:port][/database]`, or `rediss://` with TLS.
    pub fn builder(address: &str) -> RedisCacheBuilder {
        RedisCacheBuilder::new(address)
    }

    /// Why Redis is not used now, in its own words; nothing when it is.
    pub fn trouble(&self) -> Option<String> {
        self.0.link().trouble().map(str::to_owned)
    }

    /// What became of the leases so far.
    pub fn leases(&self) -> LeaseCounts {
        *self.0.counts.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many entries wait for Redis to be back.
    pub fn unwritten(&self) -> usize {
        self.0.state().pending.len()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, name: &str, who: &str) {
        let mut command = redis::cmd("EVAL");
        command.arg(include_str!("redis_cache/lease.lua")).arg(1).arg(name).arg(who).arg(0);
        let _ = self.link().query::<u64>(&command);
    }
}

impl Drop for Shared {
    /// What waits is written, if that can be done at once.
    fn drop(&mut self) {
        let mut state = mem::take(&mut *self.state());
        if !state.pending.is_empty() {
            let _ = self.with(&mut state, |state, link| self.flush(state, link));
        }
    }
}

impl Persistence for RedisCache {
    fn load(&self, partition: &Partition) -> Vec<TokenChange> {
        let (shared, mut state) = (&self.0, self.0.state());
        let wanted = shared.wanted(partition);
        let read = shared.with(&mut state, |state, link| {
            shared.flush(state, link)?;
            let changes = shared.fetch(state, link, &wanted)?;
            state.news.extend(changes);
            // What the server had lost.
            shared.flush(state, link)
        });
        if let Err(why) = read {
            tracing::debug!(%why, "tokens are served from memory");
        }
        let State { believed, pending, .. } = &mut *state;
        believed.retain(|place, _| pending.iter().any(|open| (open.section(), open.key()) == (&*place.0, &*place.1)));
        mem::take(&mut state.news)
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        let (shared, mut state) = (&self.0, self.0.state());
        // Of several changes at one place the last one counts.
        state.pending.retain(|old| changes.iter().all(|new| (old.section(), old.key()) != (new.section(), new.key())));
        let is_last = |(at, one): &(usize, &TokenChange)| {
            let later = changes.get(at.saturating_add(1)..).unwrap_or_default();
            later.iter().all(|other| (other.section(), other.key()) != (one.section(), one.key()))
        };
        state.pending.extend(changes.iter().enumerate().filter(is_last).map(|(_, one)| one.clone()));
        shared.with(&mut state, |state, link| shared.flush(state, link)).map_err(|why| {
            tracing::debug!(%why, "tokens are kept to be written later");
            CommitError::NotWritten
        })
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn lease_key(&self) -> Option<ProcessKey> {
        let mut link = self.0.link();
        let shared = link.shared().inspect_err(|_| self.0.counts.alone()).ok()?;
        ProcessKey::new(&mut Fixed(self.0.places.lease_key(shared))).ok()
    }

    fn lease(&self, key: &AcquireKey) -> Lease {
        let mut who = [0; 16];
        let shared = &self.0;
        let granted = SystemRandom.fill(&mut who).ok().and_then(|()| {
            let (name, who) = (format!("{}:l:{}", shared.prefix, hex_encode(key.as_bytes())), hex_encode(&who));
            let mut command = redis::cmd("EVAL");
            command.arg(include_str!("redis_cache/lease.lua")).arg(1).arg(&name).arg(&who).arg(shared.lease.0);
            let mut link = shared.link();
            let granted = match link.query::<u64>(&command) {
                Err(Trouble::Begun) => link.query::<u64>(&command),
                other => other,
            };
            Some((granted.ok()? == 1, name, who))
        });
        match granted {
            None => {
                shared.counts.alone();
                Lease::Free
            }
            Some((false, ..)) => {
                shared.counts.waited();
                let mut chance = [0];
                let _ = SystemRandom.fill(&mut chance);
                let spread = PATIENCE.1.saturating_sub(PATIENCE.0).saturating_mul(chance.map(u64::from)[0]) >> 8;
                Lease::Busy(Millis(PATIENCE.0.saturating_add(spread)))
            }
            Some((true, name, who)) => {
                shared.counts.granted();
                let shared = shared.clone();
                Lease::Granted(Granted::new(move || shared.release(&name, &who)))
            }
        }
    }
}

/// Bytes that are not random at all.
struct Fixed([u8; 64]);

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        out.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        Ok(())
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}
