//! One section of a small cache, without an index: whoever looks for an entry walks past the others. For devices, where entries
//! are few and flash is dear (without the feature `index`).
//!
//! It stands for `section.rs` and `index.rs`, and gives out the same entries in the same order. A digest only narrows a search,
//! and callers compare the members of what they are given: here they compare those of all.

use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

use super::content::Content;
use super::entry::{Entry, Kind};
use super::facts::Facts;
use super::lookup::Lookup;
use crate::time::UnixTime;

#[derive(Clone)]
struct Slot {
    key: String,
    content: Content,
    /// Of access tokens.
    facts: Option<Facts>,
    /// Of entries; see [`Limits`](super::Limits).
    bytes: usize,
}

/// Entries in the order in which they came. One that is replaced keeps its place, as in MSAL's maps.
#[derive(Clone)]
pub(super) struct Section {
    kind: Option<Kind>,
    slots: Vec<Slot>,
}

impl Section {
    pub(super) fn new(kind: Option<Kind>) -> Self {
        Self { kind, slots: Vec::new() }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many entries there are, and how many bytes they weigh.
    pub(super) fn weight(&self) -> (usize, usize) {
        let entries = self.slots.iter().filter(|slot| slot.entry().is_some());
        entries.fold((0, 0), |(count, bytes), slot| (count.saturating_add(1), bytes.saturating_add(slot.bytes)))
    }

    /// The entry under a key, if it is one.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.slots.iter().find(|slot| slot.key == key)?.entry()
    }

    pub(super) fn put(&mut self, key: String, content: Content) {
        let (facts, bytes) = match &content {
            Content::Entry(entry) => {
                ((self.kind == Some(Kind::AccessToken)).then(|| Facts::of(entry)), entry.weight(&key))
            }
            Content::Foreign(_) => (None, 0),
        };
        let slot = Slot { key, content, facts, bytes };
        match self.slots.iter_mut().find(|other| other.key == slot.key) {
            Some(place) => *place = slot,
            None => {
                // A section has one entry or two, and room for more would be as large as they are.
                self.slots.reserve_exact(1);
                self.slots.push(slot);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.slots.retain(|slot| slot.key != key);
    }

    /// Everything in the section, in its order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.slots.iter().map(|slot| (slot.key.as_str(), &slot.content))
    }

    /// All entries with their keys, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.slots.iter().filter_map(|slot| Some((slot.key.as_str(), slot.entry()?)))
    }

    /// Those of an account in an environment, and others: compare the members.
    pub(super) fn of_account(&self, _: &str, _: Option<&str>) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries()
    }

    pub(super) fn digests(&self) -> Digests {
        Digests
    }

    /// The access tokens, in their order: compare the members.
    pub(super) fn tokens(&self, posting: Posting) -> impl Iterator<Item = (&Entry, &Facts)> {
        let tokens = self.slots.iter().filter_map(|slot| Some((slot.entry()?, slot.facts.as_ref()?)));
        tokens.filter(move |(_, facts)| match posting {
            Posting::All => true,
            Posting::Exactly(sum) => sum == digest(facts.scopes()),
        })
    }

    /// Those of them that do not end before `least`.
    pub(super) fn lasting(&self, all: Posting, least: UnixTime) -> impl Iterator<Item = (&Entry, &Facts)> {
        self.tokens(all).filter(move |(_, facts)| facts.end() >= Some(least))
    }

    /// Nothing is counted: every search costs the same.
    pub(super) fn count(&self, _: Posting) -> usize {
        0
    }

    /// The keys of the access tokens that ended before `now`, the oldest first.
    pub(super) fn ended(&self, now: UnixTime) -> impl Iterator<Item = &str> {
        let ends = self.by_end().into_iter().filter(move |(end, _)| end.is_some_and(|end| end < now));
        ends.map(|(_, slot)| slot.key.as_str())
    }

    /// Entries with what they weigh, in the order in which they go when there is no room; see [`Limits`](super::Limits).
    pub(super) fn by_worth(&self) -> impl Iterator<Item = (&str, usize)> {
        self.by_end().into_iter().map(|(_, slot)| (slot.key.as_str(), slot.bytes))
    }

    /// Access tokens by the second in which they end, those that tell none first; others in their order.
    fn by_end(&self) -> Vec<(Option<UnixTime>, &Slot)> {
        // There are a handful, and a function that sorts is large.
        let mut all: Vec<(Option<UnixTime>, &Slot)> = Vec::new();
        for slot in &self.slots {
            if slot.entry().is_none() {
                continue;
            }
            let end = slot.facts.as_ref().and_then(Facts::expires_on);
            let place = all.iter().position(|(other, _)| *other > end).unwrap_or(all.len());
            all.insert(place, (end, slot));
        }
        all
    }
}

impl Slot {
    fn entry(&self) -> Option<&Entry> {
        match &self.content {
            Content::Entry(entry) => Some(entry),
            Content::Foreign(_) => None,
        }
    }
}

/// Which tokens are looked through.
#[derive(Clone, Copy)]
pub(super) enum Posting {
    All,
    /// Those whose scopes have this digest.
    Exactly(u32),
}

/// Of scopes in any order and in any case of their letters; it tells `a a` from `a` (FNV-1a).
fn digest<'a>(scopes: impl Iterator<Item = &'a str>) -> u32 {
    let of =
        |scope: &str| lowered(scope).fold(0x811c_9dc5, |sum: u32, c| (sum ^ u32::from(c)).wrapping_mul(0x0100_0193));
    scopes.fold(0, |sum: u32, scope| sum.wrapping_add(of(scope)))
}

/// As if all members made one and the same digest.
pub(super) struct Digests;

/// The access tokens that may be meant: all.
#[derive(Clone, Copy)]
pub(super) struct Partition<'a>(PhantomData<&'a ()>);

/// What sets partitions apart; here nothing does.
pub(super) struct Members<'a>(PhantomData<&'a ()>);

impl<'a> Members<'a> {
    pub(super) fn wanted<S>(_: &Lookup<'a, S>) -> Self {
        Self(PhantomData)
    }
}

impl Digests {
    pub(super) fn partition<'a>(&self, _: &Members<'_>, _: Option<&str>) -> Partition<'a> {
        Partition(PhantomData)
    }

    pub(super) fn any_account<'a>(&self, _: &Members<'_>) -> Partition<'a> {
        Partition(PhantomData)
    }
}

impl Partition<'_> {
    pub(super) fn all(self) -> Posting {
        Posting::All
    }

    pub(super) fn scope(self, _: &str) -> Posting {
        Posting::All
    }

    pub(super) fn scopes<'a>(self, scopes: impl Iterator<Item = &'a str>) -> Posting {
        Posting::Exactly(digest(scopes))
    }
}

/// Whether two texts are the same.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one == other
}

/// The letters of a text in lower case.
pub(super) fn lowered(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| c.to_ascii_lowercase())
}
