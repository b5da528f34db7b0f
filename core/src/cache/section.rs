//! One section of the cache: entries in the order of the file, and the ways to find them without walking all of them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde_json::Value;

use super::entry::{Entry, Kind};
use super::index::{self, Partition, Posting};
use crate::secret::wipe;
use crate::time::UnixTime;

/// What stands at a place.
pub(super) enum Content {
    /// An object: an entry, well formed or not.
    Entry(Entry),
    /// Something else. It is kept and never matched.
    Foreign(Value),
}

impl Drop for Content {
    fn drop(&mut self) {
        if let Self::Foreign(value) = self {
            wipe(value);
        }
    }
}

impl Clone for Content {
    fn clone(&self) -> Self {
        match self {
            Self::Entry(entry) => Self::Entry(entry.clone()),
            Self::Foreign(value) => Self::Foreign(value.clone()),
        }
    }
}

#[derive(Clone)]
struct Slot {
    key: String,
    content: Content,
}

/// Entries in the order in which they came, and an index over them.
///
/// The number of an entry is its place in that order; one that is replaced keeps its number, as in MSAL's maps.
#[derive(Clone)]
pub(super) struct Section {
    kind: Option<Kind>,
    slots: BTreeMap<u64, Slot>,
    next: u64,
    /// Digests of keys, accounts and scopes, each with the numbers of its entries.
    postings: BTreeSet<(Posting, u64)>,
    /// Access tokens by the second in which they end.
    ends: BTreeSet<(UnixTime, u64)>,
}

impl Section {
    pub(super) const fn new(kind: Option<Kind>) -> Self {
        Self { kind, slots: BTreeMap::new(), next: 0, postings: BTreeSet::new(), ends: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The entry under a key, if it is one.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match self.slots.get(&self.number(key)?) {
            Some(Slot { content: Content::Entry(entry), .. }) => Some(entry),
            _ => None,
        }
    }

    pub(super) fn put(&mut self, key: String, content: Content) {
        let number = match self.number(&key) {
            Some(number) => {
                self.unlink(number);
                number
            }
            None => self.next,
        };
        self.next = self.next.max(number.saturating_add(1));
        self.postings.insert((index::of_key(&key), number));
        if let (Some(kind), Content::Entry(entry)) = (self.kind, &content) {
            for_each_posting(kind, entry, |posting| {
                self.postings.insert((posting, number));
            });
            if let Some(end) = end(kind, entry) {
                self.ends.insert((end, number));
            }
        }
        self.slots.insert(number, Slot { key, content });
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(number) = self.number(key) {
            self.unlink(number);
            self.slots.remove(&number);
        }
    }

    /// Everything in the section, in its order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.slots.values().map(|slot| (slot.key.as_str(), &slot.content))
    }

    /// All entries with their keys, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.slots.values().filter_map(named_entry)
    }

    /// The entries of a posting, in their order. Digests may collide: compare the members.
    pub(super) fn walk(&self, posting: Posting) -> impl Iterator<Item = (&str, &Entry)> {
        self.postings
            .range((posting, 0)..=(posting, u64::MAX))
            .filter_map(|(_, number)| self.slots.get(number))
            .filter_map(named_entry)
    }

    /// Whether more than `limit` entries have a posting; costs no more than `limit` steps.
    pub(super) fn is_longer(&self, posting: Posting, limit: usize) -> bool {
        self.postings.range((posting, 0)..=(posting, u64::MAX)).nth(limit).is_some()
    }

    /// The keys of the access tokens that ended before `now`, the oldest first.
    pub(super) fn ended(&self, now: UnixTime) -> impl Iterator<Item = &str> {
        let slots = self.ends.range(..(now, 0)).filter_map(|(_, number)| self.slots.get(number));
        slots.map(|slot| slot.key.as_str())
    }

    fn number(&self, key: &str) -> Option<u64> {
        let posting = index::of_key(key);
        let mut numbers = self.postings.range((posting, 0)..=(posting, u64::MAX)).map(|(_, number)| *number);
        numbers.find(|number| self.slots.get(number).is_some_and(|slot| slot.key == key))
    }

    /// Takes a slot out of the index.
    fn unlink(&mut self, number: u64) {
        let Some(slot) = self.slots.get(&number) else { return };
        self.postings.remove(&(index::of_key(&slot.key), number));
        if let (Some(kind), Content::Entry(entry)) = (self.kind, &slot.content) {
            for_each_posting(kind, entry, |posting| {
                self.postings.remove(&(posting, number));
            });
            if let Some(end) = end(kind, entry) {
                self.ends.remove(&(end, number));
            }
        }
    }
}

fn named_entry(slot: &Slot) -> Option<(&str, &Entry)> {
    match &slot.content {
        Content::Entry(entry) => Some((&slot.key, entry)),
        Content::Foreign(_) => None,
    }
}

fn for_each_posting(kind: Kind, entry: &Entry, mut each: impl FnMut(Posting)) {
    each(index::of_account(entry.text("environment").unwrap_or_default(), entry.text("home_account_id")));
    if kind == Kind::AccessToken {
        let partition = Partition::of(entry);
        entry.scopes().for_each(|scope| each(partition.scope(scope)));
        each(partition.scopes(entry.scopes()));
    }
}

fn end(kind: Kind, entry: &Entry) -> Option<UnixTime> {
    (kind == Kind::AccessToken).then(|| entry.expires_on()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    fn token(target: &str, end: u64) -> Content {
        let text = format!(r#"{{"environment":"e","client_id":"c","target":"{target}","expires_on":"{end}"}}"#);
        Content::Entry(Entry::from_json(text.as_bytes()).unwrap())
    }

    fn keys<'a>(entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> Vec<&'a str> {
        entries.map(|(key, _)| key).collect()
    }

    #[test]
    fn index_follows_every_change() {
        let partition = Partition::new(Some("c"), "e", None, None, None);
        let (a, b) = (partition.scope("a"), partition.scope("b"));
        let mut section = Section::new(Some(Kind::AccessToken));
        section.put("1".into(), token("a", 10));
        section.put("2".into(), token("a b", 20));
        section.put("3".into(), Content::Foreign(Value::Null));
        assert_eq!((keys(section.walk(a)), keys(section.walk(b))), (Vec::from(["1", "2"]), Vec::from(["2"])));
        assert!(section.is_longer(a, 1) && !section.is_longer(a, 2));
        // A replaced entry keeps its place and loses its old scopes and its old end.
        section.put("1".into(), token("b", 30));
        assert_eq!((keys(section.walk(a)), keys(section.walk(b))), (Vec::from(["2"]), Vec::from(["1", "2"])));
        assert_eq!(section.ended(UnixTime(30)).collect::<Vec<_>>(), ["2"]);
        assert_eq!(section.ended(UnixTime(20)).count(), 0);
        section.remove("1");
        section.remove("2");
        section.remove("nothing");
        assert_eq!((section.len(), keys(section.entries())), (1, Vec::new()));
        section.remove("3");
        assert!(section.slots.is_empty() && section.postings.is_empty() && section.ends.is_empty());
    }
}
