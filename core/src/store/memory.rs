//! What one process remembers besides tokens: facts that count for a span of time, and what its calls came to.
//!
//! Facts of all kinds lie in lists of one type, sorted by name: a map for each kind would be the largest part of a small device's
//! program.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "clouds")]
use crate::client::RegionName;
use crate::entropy::{Entropy, NoEntropy};
#[cfg(feature = "validate")]
use crate::error::Error;
#[cfg(feature = "validate")]
use crate::jose::KeySet;
#[cfg(feature = "assertions")]
use crate::keys::AssertionKey;
use crate::keys::{ProcessKey, WireKey};
use crate::limits::MAX_MEMORY_ENTRIES;
use crate::metadata::ProviderMetadata;
use crate::secret::{Secret, SecretBytes};
use crate::telemetry::{Outcome, Telemetry};
use crate::time::Millis;
#[cfg(feature = "assertions")]
use crate::time::UnixTime;
#[cfg(feature = "wstrust")]
use crate::wstrust::{TrustEndpoint, UserRealm};

/// What one process remembers besides tokens. Counted on the monotonic clock: a jump of the date changes nothing here.
pub struct Memory {
    pub(crate) key: ProcessKey,
    /// By topic.
    facts: [Named<Kept<Fact>>; TOPICS],
    telemetry: Named<Telemetry>,
}

/// Values by name, in the order of the names.
type Named<T> = Vec<(Box<[u8]>, T)>;

/// An error answer that is given again instead of asking again.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: SecretBytes,
}

/// The keys of an issuer.
#[cfg(feature = "validate")]
#[derive(Clone, Debug)]
pub(crate) struct HeldKeys {
    pub(crate) set: KeySet,
    /// When they were last asked for, whether an answer came or not.
    pub(crate) asked: Millis,
}

/// A client assertion signed earlier.
#[cfg(feature = "assertions")]
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

    #[cfg(feature = "validate")]
    fn map<U>(self, to: impl FnOnce(T) -> U) -> Kept<U> {
        Kept { value: to(self.value), from: self.from, until: self.until }
    }
}

/// Something that is remembered for a span.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// Provider metadata, by the authority it was found for.
    Metadata(Box<ProviderMetadata>),
    /// Hosts that are the same cloud as this one.
    Aliases(Vec<String>),
    #[cfg(feature = "clouds")]
    /// The region of this machine, or word that it is in none. It has no name.
    DetectedRegion(Option<RegionName>),
    #[cfg(feature = "clouds")]
    /// Metadata of a region, or word that it cannot be reached.
    Regional(Option<Box<ProviderMetadata>>),
    /// An error answer, by [`WireKey`].
    Answered(Answered),
    /// A client assertion that may be used again, by [`AssertionKey`].
    #[cfg(feature = "assertions")]
    Assertion(HeldAssertion),
    /// The DPoP nonce that this server, by scheme, host and port, gave last.
    DpopNonce(Secret),
    /// Keys of an issuer, by their address.
    #[cfg(feature = "validate")]
    Keys(Box<HeldKeys>),
    /// Why the keys of this authority could not be had.
    #[cfg(feature = "validate")]
    KeysAway(Box<Error>),
    /// This host knows nothing of user realms.
    #[cfg(feature = "wstrust")]
    NoUserRealm,
    /// The realm of a user, by the [`WireKey`] of the question.
    #[cfg(feature = "wstrust")]
    UserRealm(Box<UserRealm>),
    /// Where a federation server takes passwords, by the address of its description.
    #[cfg(feature = "wstrust")]
    Trust(Box<TrustEndpoint>),
}

/// The kinds of facts; each has its own room.
#[derive(Clone, Copy)]
enum Topic {
    Metadata,
    Aliases,
    #[cfg(feature = "clouds")]
    DetectedRegion,
    #[cfg(feature = "clouds")]
    Regional,
    Answered,
    #[cfg(feature = "assertions")]
    Assertion,
    DpopNonce,
    #[cfg(feature = "validate")]
    Keys,
    #[cfg(feature = "validate")]
    KeysAway,
    #[cfg(feature = "wstrust")]
    NoUserRealm,
    #[cfg(feature = "wstrust")]
    UserRealm,
    #[cfg(feature = "wstrust")]
    Trust,
    Last,
}

const TOPICS: usize = Topic::Last as usize;

impl Fact {
    const fn topic(&self) -> Topic {
        match self {
            Self::Metadata(_) => Topic::Metadata,
            Self::Aliases(_) => Topic::Aliases,
            #[cfg(feature = "clouds")]
            Self::DetectedRegion(_) => Topic::DetectedRegion,
            #[cfg(feature = "clouds")]
            Self::Regional(_) => Topic::Regional,
            Self::Answered(_) => Topic::Answered,
            #[cfg(feature = "assertions")]
            Self::Assertion(_) => Topic::Assertion,
            Self::DpopNonce(_) => Topic::DpopNonce,
            #[cfg(feature = "validate")]
            Self::Keys(_) => Topic::Keys,
            #[cfg(feature = "validate")]
            Self::KeysAway(_) => Topic::KeysAway,
            #[cfg(feature = "wstrust")]
            Self::NoUserRealm => Topic::NoUserRealm,
            #[cfg(feature = "wstrust")]
            Self::UserRealm(_) => Topic::UserRealm,
            #[cfg(feature = "wstrust")]
            Self::Trust(_) => Topic::Trust,
        }
    }

    /// To be remembered under this name, from `now` on.
    pub(crate) fn for_seconds(self, name: &[u8], now: Millis, seconds: u64) -> MemoryChange {
        MemoryChange::Fact(name.into(), Kept::for_seconds(self, now, seconds))
    }
}

#[cfg(feature = "validate")]
impl Kept<&HeldKeys> {
    pub(crate) fn cloned(&self) -> Kept<HeldKeys> {
        Kept { value: self.value.clone(), from: self.from, until: self.until }
    }
}

#[cfg(feature = "validate")]
impl Kept<HeldKeys> {
    /// To be remembered under this address, for the rest of their span.
    pub(crate) fn under(self, address: &str) -> MemoryChange {
        MemoryChange::Fact(address.as_bytes().into(), self.map(|keys| Fact::Keys(Box::new(keys))))
    }
}

/// One change of the memory.
#[derive(Clone, Debug)]
pub(crate) enum MemoryChange {
    /// A fact, by its name.
    Fact(Box<[u8]>, Kept<Fact>),
    /// What became of a call, for the telemetry headers of this client.
    Telemetry(String, Outcome),
}

impl Memory {
    /// An empty memory with a key of its own.
    ///
    /// # Errors
    /// [`NoEntropy`] when the host has no random bytes.
    pub fn new(entropy: &mut dyn Entropy) -> Result<Self, NoEntropy> {
        Ok(Self { key: ProcessKey::new(entropy)?, facts: Default::default(), telemetry: Vec::new() })
    }

    /// The random key of this process, for [`AcquireKey`](crate::keys::AcquireKey)s.
    pub fn process_key(&self) -> &ProcessKey {
        &self.key
    }

    fn topic(&self, topic: Topic) -> &[(Box<[u8]>, Kept<Fact>)] {
        self.facts.get(topic as usize).map_or(&[], Vec::as_slice)
    }

    fn fact(&self, topic: Topic, name: &[u8]) -> Option<&Kept<Fact>> {
        let facts = self.topic(topic);
        facts.get(place(facts, name).ok()?).map(|(_, kept)| kept)
    }

    fn valid(&self, topic: Topic, name: &[u8], now: Millis) -> Option<&Kept<Fact>> {
        self.fact(topic, name).filter(|kept| counts(kept, now))
    }

    /// Metadata of an authority; `max_age` in seconds overrides how long it counts.
    pub(crate) fn metadata(&self, authority: &str, now: Millis, max_age: Option<u64>) -> Option<&ProviderMetadata> {
        let kept = self.fact(Topic::Metadata, authority.as_bytes())?;
        match &kept.value {
            Fact::Metadata(metadata) if is_fresh(kept, now, max_age) => Some(metadata),
            _ => None,
        }
    }

    pub(crate) fn aliases(&self, host: &str) -> Option<&[String]> {
        match &self.fact(Topic::Aliases, host.as_bytes())?.value {
            Fact::Aliases(hosts) => Some(hosts),
            _ => None,
        }
    }

    #[cfg(feature = "clouds")]
    /// The region of this machine, once it was asked for; `max_age` as for an authority's metadata.
    pub(crate) fn detected_region(&self, now: Millis, max_age: Option<u64>) -> Option<Option<&RegionName>> {
        let kept = self.fact(Topic::DetectedRegion, &[])?;
        match &kept.value {
            Fact::DetectedRegion(Some(region)) if is_fresh(kept, now, max_age) => Some(Some(region)),
            Fact::DetectedRegion(None) if counts(kept, now) => Some(None),
            _ => None,
        }
    }

    #[cfg(feature = "clouds")]
    /// Metadata of a region, once it was asked for; `max_age` as for that of an authority.
    pub(crate) fn regional(
        &self,
        address: &str,
        now: Millis,
        max_age: Option<u64>,
    ) -> Option<Option<&ProviderMetadata>> {
        let kept = self.fact(Topic::Regional, address.as_bytes())?;
        match &kept.value {
            Fact::Regional(Some(metadata)) if is_fresh(kept, now, max_age) => Some(Some(metadata)),
            Fact::Regional(None) if counts(kept, now) => Some(None),
            _ => None,
        }
    }

    /// Whether any error answer is remembered.
    pub(crate) fn has_answers(&self) -> bool {
        !self.topic(Topic::Answered).is_empty()
    }

    /// An error answer that still counts, and for how many seconds.
    pub(crate) fn answered(&self, key: &WireKey, now: Millis) -> Option<(&Answered, u64)> {
        let kept = self.valid(Topic::Answered, key.as_bytes(), now)?;
        match &kept.value {
            Fact::Answered(answered) => Some((answered, kept.until.since(now).as_secs_ceil())),
            _ => None,
        }
    }

    #[cfg(feature = "assertions")]
    /// A signed assertion that may be used again: by the monotonic clock, and if the date jumped, by the date too.
    pub(crate) fn assertion(&self, key: &AssertionKey, now: Millis, date: UnixTime) -> Option<&Secret> {
        let kept = self.valid(Topic::Assertion, key.as_bytes(), now)?;
        let Fact::Assertion(HeldAssertion { text, issued }) = &kept.value else { return None };
        let seconds = kept.until.since(kept.from).as_secs_ceil();
        (*issued <= date && date < issued.after(seconds)).then_some(text)
    }

    /// The DPoP nonce that a server gave last (RFC 9449 s8.2).
    pub(crate) fn dpop_nonce(&self, origin: &str, now: Millis) -> Option<&Secret> {
        match &self.valid(Topic::DpopNonce, origin.as_bytes(), now)?.value {
            Fact::DpopNonce(nonce) => Some(nonce),
            _ => None,
        }
    }

    /// The keys at an address, while they count.
    #[cfg(feature = "validate")]
    pub(crate) fn keys(&self, address: &str, now: Millis) -> Option<Kept<&HeldKeys>> {
        let kept = self.valid(Topic::Keys, address.as_bytes(), now)?;
        match &kept.value {
            Fact::Keys(value) => Some(Kept { value, from: kept.from, until: kept.until }),
            _ => None,
        }
    }

    /// Why the keys of this authority could not be had a moment ago.
    #[cfg(feature = "validate")]
    pub(crate) fn keys_away(&self, authority: &str, now: Millis) -> Option<Error> {
        let kept = self.valid(Topic::KeysAway, authority.as_bytes(), now)?;
        let Fact::KeysAway(why) = &kept.value else { return None };
        Some(match &**why {
            Error::Throttled { status, refusal, .. } => {
                let left = kept.until.since(now).0.div_ceil(1000);
                Error::Throttled { status: *status, retry_after: Some(left), refusal: refusal.clone() }
            }
            other => other.clone(),
        })
    }

    pub(crate) fn telemetry(&self, client_id: &str) -> Option<&Telemetry> {
        let at = place(&self.telemetry, client_id.as_bytes()).ok()?;
        self.telemetry.get(at).map(|(_, telemetry)| telemetry)
    }

    /// Whether a host, scheme and port included, has said that it knows nothing of user realms.
    #[cfg(feature = "wstrust")]
    pub(crate) fn has_no_user_realm(&self, origin: &str, now: Millis) -> bool {
        self.valid(Topic::NoUserRealm, origin.as_bytes(), now).is_some()
    }

    /// The realm of a user, once it was asked for.
    #[cfg(feature = "wstrust")]
    pub(crate) fn user_realm(&self, key: &WireKey, now: Millis) -> Option<&UserRealm> {
        match &self.valid(Topic::UserRealm, key.as_bytes(), now)?.value {
            Fact::UserRealm(realm) => Some(realm),
            _ => None,
        }
    }

    /// Where the federation server that describes itself at this address takes passwords.
    #[cfg(feature = "wstrust")]
    pub(crate) fn trust(&self, address: &str, now: Millis) -> Option<&TrustEndpoint> {
        match &self.valid(Topic::Trust, address.as_bytes(), now)?.value {
            Fact::Trust(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    pub(super) fn apply(&mut self, change: MemoryChange) {
        match change {
            MemoryChange::Fact(name, kept) => {
                if let Some(facts) = self.facts.get_mut(kept.value.topic() as usize) {
                    keep(facts, name, kept);
                }
            }
            MemoryChange::Telemetry(client_id, outcome) if cfg!(feature = "telemetry") => {
                self.count(client_id, outcome)
            }
            MemoryChange::Telemetry(..) => {}
        }
    }

    fn count(&mut self, client_id: String, outcome: Outcome) {
        match place(&self.telemetry, client_id.as_bytes()) {
            Ok(at) => {
                if let Some((_, telemetry)) = self.telemetry.get_mut(at) {
                    telemetry.record(outcome);
                }
            }
            Err(at) if self.telemetry.len() < MAX_MEMORY_ENTRIES => {
                let mut telemetry = Telemetry::default();
                telemetry.record(outcome);
                self.telemetry.insert(at, (client_id.into_bytes().into(), telemetry));
            }
            Err(_) => {}
        }
    }
}

/// Where a name stands, or would stand.
fn place<T>(named: &[(Box<[u8]>, T)], name: &[u8]) -> Result<usize, usize> {
    named.binary_search_by(|(other, _)| (**other).cmp(name))
}

/// Whether something is no older than so many seconds, where that counts.
fn is_fresh<T>(kept: &Kept<T>, now: Millis, max_age: Option<u64>) -> bool {
    kept.from <= now && max_age.is_none_or(|age| now < kept.from.after(Millis::from_secs(age)))
}

fn counts<T>(kept: &Kept<T>, now: Millis) -> bool {
    kept.from <= now && now < kept.until
}

/// Inserts; where the memory is full, what ends soonest makes room.
fn keep(facts: &mut Named<Kept<Fact>>, name: Box<[u8]>, kept: Kept<Fact>) {
    if facts.len() >= MAX_MEMORY_ENTRIES && place(facts, &name).is_err() {
        facts.retain(|(_, old)| kept.from < old.until);
        if facts.len() >= MAX_MEMORY_ENTRIES
            && let Some((soonest, _)) = facts.iter().enumerate().min_by_key(|(_, (_, old))| old.until)
        {
            facts.remove(soonest);
        }
    }
    match place(facts, &name) {
        Ok(at) => {
            if let Some((_, old)) = facts.get_mut(at) {
                *old = kept;
            }
        }
        Err(at) => facts.insert(at, (name, kept)),
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("metadata", &self.topic(Topic::Metadata).len())
            .field("answers", &self.topic(Topic::Answered).len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_memory_forgets_what_ends_soonest() {
        let mut facts = Vec::new();
        let name = |n: usize| Box::from(n.to_le_bytes());
        let fact = |seconds| Kept::for_seconds(Fact::Aliases(Vec::new()), Millis(0), seconds);
        for n in 0..MAX_MEMORY_ENTRIES {
            keep(&mut facts, name(n), fact(if n == 7 { 1 } else { 100 }));
        }
        assert_eq!(facts.len(), MAX_MEMORY_ENTRIES);
        keep(&mut facts, name(9), fact(200));
        assert_eq!(facts.len(), MAX_MEMORY_ENTRIES, "one that is known takes no other room");
        keep(&mut facts, name(usize::MAX), fact(50));
        assert_eq!(facts.len(), MAX_MEMORY_ENTRIES);
        assert!(facts.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(place(&facts, &name(7)).is_err() && place(&facts, &name(usize::MAX)).is_ok());
    }

    #[test]
    fn a_span_has_both_ends() {
        let kept = Kept::for_seconds((), Millis(1000), 1);
        for (now, counts) in [(999, false), (1000, true), (1999, true), (2000, false)] {
            assert_eq!(super::counts(&kept, Millis(now)), counts, "{now}");
        }
    }
}
