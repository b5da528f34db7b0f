//! What changed between two states of one cache: for hosts that read it again from where it is kept.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::content::Content;
use super::{Body, Entry, TokenCache, TokenChange};

impl TokenCache {
    /// The changes that make of `self` what `other` is: first the removals. What is no entry, and sections that are no maps,
    /// are passed over. The cost is linear in the size of both.
    pub fn changes_to(&self, other: &Self) -> Vec<TokenChange> {
        let gone = self.everything().filter(|(section, key, _)| other.at(section, key).is_none());
        let removals = gone.map(|(section, key, _)| TokenChange::Remove { section: section.into(), key: key.into() });
        let new = other.everything().filter(|(section, key, entry)| self.at(section, key) != Some(entry));
        removals
            .chain(new.map(|(section, key, entry)| TokenChange::Put {
                section: section.to_string(),
                key: key.to_string(),
                entry: entry.clone(),
            }))
            .collect()
    }

    pub(super) fn everything(&self) -> impl Iterator<Item = (&str, &str, &Entry)> {
        self.sections.iter().flat_map(|(name, body)| {
            let section = match body {
                Body::Entries(section) => Some(section),
                Body::Foreign(_) => None,
            };
            section.into_iter().flat_map(|section| section.iter()).filter_map(move |(key, content)| match content {
                Content::Entry(entry) => Some((name, key, entry)),
                Content::Foreign(_) => None,
            })
        })
    }

    /// The entry at a place, if one stands there.
    pub(super) fn at(&self, section: &str, key: &str) -> Option<&Entry> {
        match self.sections.get(section) {
            Some(Body::Entries(section)) => section.get(key),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_becomes_the_other() {
        let states = [
            "{}",
            r#"{"AccessToken":{"a":{"n":1},"b":{"n":2}}}"#,
            r#"{"AccessToken":{"b":{"n":3}},"Account":{"x":{"n":1}}}"#,
            r#"{"AccessToken":{"a":{"n":1},"f":7},"Own":{"y":{"n":1}},"Account":5}"#,
        ];
        let read = |text: &str| TokenCache::from_json(text.as_bytes()).unwrap();
        for from in states {
            for to in states {
                let (mut cache, other) = (read(from), read(to));
                let changes = cache.changes_to(&other);
                assert_eq!(changes.is_empty(), from == to, "{from} to {to}");
                cache.apply(changes);
                assert!(cache.changes_to(&other).is_empty() && other.changes_to(&cache).is_empty(), "{from} to {to}");
            }
        }
        let changes = read(states[1]).changes_to(&read(states[2]));
        let places: Vec<_> = changes.iter().map(|change| (change.key(), change.entry().is_some())).collect();
        assert_eq!(places, [("a", false), ("b", true), ("x", true)]);
    }
}
