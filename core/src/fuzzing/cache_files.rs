//! Files of caches that several processes write, and that somebody spoils: a merge loses nothing, salvage invents nothing.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::cache::{Entry, Kind, TokenCache, TokenChange};

const SECTIONS: [&str; 4] = ["AccessToken", "RefreshToken", "Account", "Theirs"];

/// Two processes change what both knew, three bytes a change; they then find each other's file.
pub fn cache_merge(data: &[u8]) {
    let (chunks, _) = data.as_chunks::<3>();
    let (mut base, mut changes) = (TokenCache::new(), [Vec::new(), Vec::new()]);
    for (number, chunk) in chunks.iter().enumerate() {
        let [who, place, what] = *chunk;
        let change = change(place, what, number);
        match (who % 4, &mut changes) {
            (0, [ours, _]) => ours.push(change),
            (1, [_, theirs]) => theirs.push(change),
            _ => base.apply(Vec::from([change])),
        }
    }
    let [ours, theirs] = changes.map(|changes| {
        let mut side = base.clone();
        side.apply(changes);
        side
    });
    let merged = merge(&base, &ours, &theirs);
    assert!(is_same(&merged, &merge(&base, &theirs, &ours)), "the order of the two counts");
    assert!(is_same(&merge(&base, &ours, &base), &ours) && is_same(&merge(&base, &base, &theirs), &theirs));
    assert!(is_same(&merge(&base, &merged, &merged), &merged));
    let gone = |side: &TokenCache, change: &TokenChange| {
        let removals = base.changes_to(side);
        removals.iter().any(|own| own.entry().is_none() && at(own) == at(change))
    };
    // Accounts that one side removed take their tokens along; everything else that a side has and the other did not remove is there.
    let signs_out = |side: &TokenCache| {
        base.changes_to(side).iter().any(|change| change.entry().is_none() && change.section() == "Account")
    };
    if !signs_out(&ours) && !signs_out(&theirs) {
        let empty = TokenCache::new();
        for (side, other) in [(&ours, &theirs), (&theirs, &ours)] {
            for change in empty.changes_to(side) {
                let is_there = empty.changes_to(&merged).iter().any(|found| at(found) == at(&change));
                assert!(is_there || gone(other, &change), "lost");
            }
        }
    }
    // What a token says comes from one of the two sides, never in part from each.
    let tokens = |cache: &TokenCache| -> Vec<_> {
        let all = TokenCache::new().changes_to(cache);
        let tokens = all.into_iter().filter(|change| change.section().ends_with("Token"));
        let facts = |entry: &Entry| (entry.secret().to_owned(), entry.expires_on(), entry.last_modification_time());
        tokens.filter_map(|change| Some((change.key().to_owned(), facts(change.entry()?)))).collect()
    };
    let (ours, theirs) = (tokens(&ours), tokens(&theirs));
    assert!(tokens(&merged).iter().all(|token| ours.contains(token) || theirs.contains(token)), "a mixture");
}

fn merge(base: &TokenCache, ours: &TokenCache, theirs: &TokenCache) -> TokenCache {
    let mut merged = theirs.clone();
    merged.apply(theirs.merge(base, ours));
    merged
}

fn is_same(one: &TokenCache, other: &TokenCache) -> bool {
    one.changes_to(other).is_empty() && other.changes_to(one).is_empty()
}

fn at(change: &TokenChange) -> (&str, &str) {
    (change.section(), change.key())
}

fn change(place: u8, what: u8, number: usize) -> TokenChange {
    let section = SECTIONS.get(usize::from(place % 4)).copied().unwrap_or_default();
    let (section, key) = (section.to_owned(), format!("k{}", place >> 2 & 3));
    if what.is_multiple_of(5) {
        return TokenChange::Remove { section, key };
    }
    let (time, home, own) = (what % 7, what >> 5 & 1, what >> 6);
    let text = format!(
        r#"{{"cached_at":"{time}","environment":"e","expires_on":"{}","home_account_id":"h{home}","last_modification_time":"{time}","own{own}":{},"secret":"s{number}"}}"#,
        what % 3,
        what % 11
    );
    match Entry::from_json(text.as_bytes()) {
        Ok(entry) => TokenChange::Put { section, key, entry },
        Err(_) => panic!("an entry of ours is not read"),
    }
}

/// A file is spoilt at one place. What is salvaged is a cache, and is what was there: each entry before the place is found again.
pub fn cache_salvage(data: &[u8]) {
    let found = TokenCache::salvage(data);
    let Ok(again) = TokenCache::from_json(&found.cache.to_json()) else { panic!("what was salvaged is not read") };
    assert!(is_same(&again, &found.cache));
    assert_eq!(TokenCache::new().changes_to(&again).len(), found.entries);

    let [low, high, how, text @ ..] = data else { return };
    let Ok(file) = TokenCache::from_json(text) else { return };
    // As we write it: without names that repeat.
    let text = file.to_json();
    let whole = TokenCache::salvage(&text);
    let place = usize::from(u16::from_le_bytes([*low, *high])).checked_rem(text.len()).unwrap_or(0);
    let (before, after) = text.split_at_checked(place).unwrap_or((&text, &[]));
    let spoilt: Vec<u8> = match how % 3 {
        0 => before.to_owned(),
        1 => before.iter().copied().chain(after.iter().map(|_| 0)).collect(),
        _ => before.iter().copied().chain([b'"']).chain(after.iter().skip(1).copied()).collect(),
    };
    let rest = TokenCache::salvage(&spoilt);
    // Cut or zeroed, nothing can be there that was not. (A quote in the wrong place may show one text as another.)
    if how % 3 < 2 {
        let entry = |change: &TokenChange| change.entry().map(Entry::to_json);
        let all = TokenCache::new().changes_to(&whole.cache);
        for change in TokenCache::new().changes_to(&rest.cache) {
            let known = |other: &TokenChange| at(other) == at(&change) && entry(other) == entry(&change);
            assert!(all.iter().any(known) || !is_plain(&text), "salvaged what was not there");
        }
    }
}

/// Whether the file has nothing but MSAL's sections and objects without objects inside. In others, a section that is cut off may
/// look like an entry of the one before, and the other way round.
fn is_plain(text: &[u8]) -> bool {
    let Ok(Value::Object(sections)) = serde_json::from_slice(text) else { return false };
    let is_ours = |name: &String| Kind::of_section(name).is_some();
    sections.iter().all(|(name, section)| {
        let entries = section.as_object();
        is_ours(name)
            && entries.is_some_and(|entries| {
                let inner = entries.values().filter_map(Value::as_object).flat_map(|entry| entry.values());
                !entries.keys().any(is_ours) && !inner.into_iter().any(|value| value.is_object() || value.is_array())
            })
    })
}
