//! One section of the cache: entries in the order of the file, and the ways to find them without walking all of them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::content::Content;
use super::entry::{Entry, Kind};
use super::facts::Facts;
use super::index::{AsItIs, Digests, Posting};
use super::places::{At, Iter, Places};
use crate::time::UnixTime;

#[derive(Clone)]
struct Slot {
    at: At,
    key: Box<str>,
    content: Content,
    /// Of access tokens.
    facts: Option<Facts>,
    /// Of entries; see [`Limits`](super::Limits).
    bytes: usize,
}

impl Slot {
    /// Whether both hold access tokens that the same look-ups find.
    fn lies_as(&self, other: &Self) -> bool {
        match (&self.facts, &other.facts) {
            (Some(one), Some(facts)) => self.key == other.key && one.lie_as(facts),
            _ => false,
        }
    }
}

/// Entries in the order in which they came, and an index over them.
///
/// One that is replaced keeps its place in that order, as in MSAL's maps.
#[derive(Clone)]
pub(super) struct Section {
    kind: Option<Kind>,
    slots: Vec<Option<Slot>>,
    /// Places that can be used again.
    free: Vec<usize>,
    /// Where each number lies.
    order: BTreeMap<u64, usize>,
    next: u64,
    digests: Digests,
    /// Access tokens by the digest of all their scopes, which nearly every look-up finds what it wants by: a smaller map than the
    /// other one is sooner in the processor's cache.
    exact: HashMap<Posting, Places, AsItIs>,
    /// Digests of keys, accounts and single scopes.
    postings: HashMap<Posting, Places, AsItIs>,
    /// Access tokens by the second in which they end; those that tell none come first.
    ends: BTreeSet<(Option<UnixTime>, At)>,
    /// Entries, foreign values not counted, and what they weigh.
    entries: usize,
    bytes: usize,
}

impl Section {
    pub(super) fn new(kind: Option<Kind>) -> Self {
        Self {
            kind,
            slots: Vec::new(),
            free: Vec::new(),
            order: BTreeMap::new(),
            next: 0,
            digests: Digests::default(),
            exact: HashMap::default(),
            postings: HashMap::default(),
            ends: BTreeSet::new(),
            entries: 0,
            bytes: 0,
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// How many entries there are, and how many bytes they weigh.
    pub(super) fn weight(&self) -> (usize, usize) {
        (self.entries, self.bytes)
    }

    /// The entry under a key, if it is one.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        named_entry(self.slot(self.find(key)?)?).map(|(_, entry)| entry)
    }

    pub(super) fn put(&mut self, key: String, content: Content) {
        let at = self.find(&key).unwrap_or_else(|| {
            let place = self.free.pop().unwrap_or(self.slots.len());
            let at = At { number: self.next, place };
            self.next = self.next.saturating_add(1);
            at
        });
        // What is known of a client is put again with each of its tokens, and rarely new.
        if self.kind != Some(Kind::AccessToken) && self.slot(at).is_some_and(|slot| slot.content == content) {
            return;
        }
        let (facts, bytes) = match &content {
            Content::Entry(entry) => {
                ((self.kind == Some(Kind::AccessToken)).then(|| Facts::of(entry)), entry.weight(&key))
            }
            Content::Foreign(_) => (None, 0),
        };
        let slot = Slot { at, key: key.into_boxed_str(), content, facts, bytes };
        match self.slot(at).is_some_and(|before| before.lies_as(&slot)) {
            true => self.relink(&slot),
            false => {
                self.unlink(at);
                self.link(&slot);
            }
        }
        let before = match self.slots.get_mut(at.place) {
            Some(place) => place.replace(slot),
            None => {
                self.slots.push(Some(slot));
                None
            }
        };
        if before.is_none() {
            self.order.insert(at.number, at.place);
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(at) = self.find(key) {
            self.unlink(at);
            self.order.remove(&at.number);
            if let Some(place) = self.slots.get_mut(at.place) {
                *place = None;
                self.free.push(at.place);
            }
        }
    }

    /// Everything in the section, in its order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.in_order().map(|slot| (&*slot.key, &slot.content))
    }

    /// All entries with their keys, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.in_order().filter_map(named_entry)
    }

    /// The entries of an account in an environment, in their order. Digests may collide: compare the members.
    pub(super) fn of_account(
        &self,
        environment: &str,
        home_account_id: Option<&str>,
    ) -> impl Iterator<Item = (&str, &Entry)> {
        self.walk(self.digests.of_account(environment, home_account_id)).filter_map(named_entry)
    }

    /// What makes digests here.
    pub(super) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The access tokens whose scopes together have this digest, in their order. Digests may collide: compare the members.
    #[inline]
    pub(super) fn tokens(&self, posting: Posting) -> Tokens<'_> {
        Tokens { slots: &self.slots, places: self.exact.get(&posting).map(Places::iter).unwrap_or_default() }
    }

    /// The access tokens of another posting that do not end before `least`. What others there are costs nothing, or a little.
    pub(super) fn lasting(&self, posting: Posting, least: UnixTime) -> impl Iterator<Item = (&Entry, &Facts)> {
        let places = self.postings.get(&posting);
        let mut from = 0;
        let next = core::iter::from_fn(move || {
            let at = places?.next(from, least)?;
            from = at.number.saturating_add(1);
            Some(at)
        });
        next.filter_map(|at| match self.slot(at)? {
            Slot { content: Content::Entry(entry), facts: Some(facts), .. } => Some((entry, facts)),
            _ => None,
        })
    }

    /// How many entries have a posting.
    pub(super) fn count(&self, posting: Posting) -> usize {
        self.postings.get(&posting).map_or(0, Places::len)
    }

    /// The keys of the access tokens that ended before `now`, the oldest first.
    pub(super) fn ended(&self, now: UnixTime) -> impl Iterator<Item = &str> {
        let first = At { number: 0, place: 0 };
        let ended = self.ends.range((Some(UnixTime(0)), first)..(Some(now), first));
        ended.filter_map(|(_, at)| self.slot(*at)).map(|slot| &*slot.key)
    }

    /// Entries with what they weigh, in the order in which they go when there is no room; see [`Limits`](super::Limits).
    pub(super) fn by_worth(&self) -> impl Iterator<Item = (&str, usize)> {
        let tokens = self.ends.iter().filter_map(|(_, at)| self.slot(*at));
        let is_by_place = self.kind != Some(Kind::AccessToken);
        let others = is_by_place.then(|| self.in_order()).into_iter().flatten();
        let others = others.filter(|slot| matches!(slot.content, Content::Entry(_)));
        tokens.chain(others).map(|slot| (&*slot.key, slot.bytes))
    }

    fn in_order(&self) -> impl Iterator<Item = &Slot> {
        self.order.values().filter_map(|place| self.slots.get(*place)?.as_ref())
    }

    #[inline]
    fn walk(&self, posting: Posting) -> impl Iterator<Item = &Slot> {
        let places = self.postings.get(&posting).map(Places::iter).unwrap_or_default();
        places.filter_map(|at| self.slot(at))
    }

    fn slot(&self, at: At) -> Option<&Slot> {
        self.slots.get(at.place)?.as_ref()
    }

    fn find(&self, key: &str) -> Option<At> {
        self.walk(self.digests.of_key(key)).find(|slot| *slot.key == *key).map(|slot| slot.at)
    }

    fn link(&mut self, slot: &Slot) {
        let Self { kind, digests, exact, postings, ends, .. } = self;
        let end = slot.facts.as_ref().and_then(Facts::end);
        for_each_posting(digests, *kind, slot, |of, posting| {
            let postings = of.among(&mut *exact, &mut *postings);
            match postings.get_mut(&posting) {
                Some(places) => places.insert(slot.at, end),
                None => drop(postings.insert(posting, Places::One(slot.at, end))),
            }
        });
        if let Some(facts) = &slot.facts {
            ends.insert((facts.expires_on(), slot.at));
        }
        if let Content::Entry(_) = &slot.content {
            self.entries = self.entries.saturating_add(1);
            self.bytes = self.bytes.saturating_add(slot.bytes);
        }
    }

    /// Puts an access token in the place of one that [lies as it does](Slot::lies_as): a token that is fetched anew. What finds them
    /// is the same, and only when they end is not.
    fn relink(&mut self, slot: &Slot) {
        let Self { kind, slots, digests, exact, postings, ends, .. } = self;
        let (Some(Some(before)), Some(facts)) = (slots.get(slot.at.place), &slot.facts) else { return };
        for_each_posting(digests, *kind, slot, |of, posting| {
            if let Some(places) = of.among(&mut *exact, &mut *postings).get_mut(&posting) {
                places.replace(slot.at, facts.end());
            }
        });
        if let Some(old) = &before.facts {
            ends.remove(&(old.expires_on(), slot.at));
        }
        ends.insert((facts.expires_on(), slot.at));
        self.bytes = self.bytes.saturating_sub(before.bytes).saturating_add(slot.bytes);
    }

    /// Takes a slot out of the index.
    fn unlink(&mut self, at: At) {
        let Self { kind, slots, digests, exact, postings, ends, .. } = self;
        let Some(Some(slot)) = slots.get(at.place) else { return };
        for_each_posting(digests, *kind, slot, |of, posting| {
            let postings = of.among(&mut *exact, &mut *postings);
            let is_empty = postings.get_mut(&posting).is_some_and(|places| places.remove(at));
            if is_empty {
                postings.remove(&posting);
            }
        });
        if let Some(facts) = &slot.facts {
            ends.remove(&(facts.expires_on(), at));
        }
        if let Content::Entry(_) = &slot.content {
            self.entries = self.entries.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(slot.bytes);
        }
    }
}

fn named_entry(slot: &Slot) -> Option<(&str, &Entry)> {
    match &slot.content {
        Content::Entry(entry) => Some((&slot.key, entry)),
        Content::Foreign(_) => None,
    }
}

/// What a posting is a digest of.
#[derive(Clone, Copy)]
enum Of {
    AllScopes,
    Less,
}

impl Of {
    fn among<T>(self, exact: T, others: T) -> T {
        match self {
            Self::AllScopes => exact,
            Self::Less => others,
        }
    }
}

fn for_each_posting(digests: &Digests, kind: Option<Kind>, slot: &Slot, mut each: impl FnMut(Of, Posting)) {
    each(Of::Less, digests.of_key(&slot.key));
    let (Some(_), Content::Entry(entry)) = (kind, &slot.content) else { return };
    let Some(facts) = &slot.facts else {
        let (host, account) = (entry.text("environment").unwrap_or_default(), entry.text("home_account_id"));
        return each(Of::Less, digests.of_account(host, account));
    };
    let (members, account, host) = facts.members(entry);
    each(Of::Less, digests.of_account(host, Some(account)));
    let own = digests.partition(&members, Some(account));
    let any_account = (!members.ext_cache_key.is_empty()).then(|| digests.any_account(&members));
    for partition in [Some(own), any_account].into_iter().flatten() {
        each(Of::Less, partition.all());
        facts.scopes().for_each(|scope| each(Of::Less, partition.scope(scope)));
        each(Of::AllScopes, partition.scopes(facts.scopes()));
    }
}

/// Access tokens with what is known of them. By hand, since a chain of adapters costs as much as the hash of a look-up.
pub(super) struct Tokens<'a> {
    slots: &'a [Option<Slot>],
    places: Iter<'a>,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (&'a Entry, &'a Facts);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.places.next()?;
            let slot = self.slots.get(at.place).and_then(Option::as_ref);
            if let Some(Slot { content: Content::Entry(entry), facts: Some(facts), .. }) = slot {
                return Some((entry, facts));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::index::Members;
    use alloc::format;
    use serde_json::Value;

    fn token(target: &str, end: u64) -> Content {
        let text = format!(
            r#"{{"environment":"e","realm":"","client_id":"c","secret":"s","target":"{target}","expires_on":"{end}"}}"#
        );
        Content::Entry(Entry::from_json(text.as_bytes()).unwrap())
    }

    fn keys<'a>(entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> Vec<&'a str> {
        entries.map(|(key, _)| key).collect()
    }

    #[test]
    fn index_follows_every_change() {
        let mut section = Section::new(Some(Kind::AccessToken));
        let members = Members { client_id: "c", realm: "", ext_cache_key: "", key_id: None };
        let partition = section.digests.partition(&members, None);
        let (a, b) = (partition.scope("a"), partition.scope("b"));
        let one = partition.scopes(["b"].into_iter());
        let shown = |section: &Section, posting| {
            section.walk(posting).filter_map(named_entry).map(|(key, _)| String::from(key)).collect::<Vec<_>>()
        };
        section.put("1".into(), token("a", 10));
        section.put("2".into(), token("a b", 20));
        section.put("3".into(), Content::Foreign(Value::Null));
        assert_eq!(shown(&section, a), ["1", "2"]);
        assert_eq!(shown(&section, b), ["2"]);
        assert_eq!((section.count(a), section.count(b), section.count(0)), (2, 1, 0));
        // A replaced entry keeps its place and loses its old scopes and its old end.
        section.put("1".into(), token("b", 30));
        assert_eq!(shown(&section, a), ["2"]);
        assert_eq!(shown(&section, b), ["1", "2"]);
        assert_eq!(section.ended(UnixTime(30)).collect::<Vec<_>>(), ["2"]);
        assert_eq!(section.ended(UnixTime(20)).count(), 0);
        // One that is fetched anew ends later, and is found where it was.
        let weight = section.weight();
        section.put("1".into(), token("b", 4000));
        assert_eq!(
            (shown(&section, a), shown(&section, b)),
            (["2"].map(String::from).into(), ["1", "2"].map(String::from).into())
        );
        assert_eq!(section.weight(), (weight.0, weight.1 + 2), "two digits more");
        assert_eq!(section.ended(UnixTime(31)).collect::<Vec<_>>(), ["2"]);
        assert_eq!(
            section.lasting(b, UnixTime(31)).filter_map(|(entry, _)| entry.expires_on()).collect::<Vec<_>>(),
            [UnixTime(4000)]
        );
        assert!(section.exact.get(&one).is_some_and(|places| places.next(0, UnixTime(4000)).is_some()));
        section.remove("1");
        section.remove("2");
        section.remove("nothing");
        assert_eq!((section.len(), keys(section.entries())), (1, Vec::new()));
        section.remove("3");
        assert!(section.order.is_empty() && section.ends.is_empty());
        assert!(section.exact.is_empty() && section.postings.is_empty());
        assert_eq!((section.slots.len(), section.free.len(), section.weight()), (3, 3, (0, 0)));
        section.put("4".into(), token("a", 10));
        assert_eq!((section.slots.len(), section.weight().0), (3, 1), "places are used again");
    }
}
