//! A cache that stays within a number of entries and bytes: what goes when there is no room, as a pure delta.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::entry::Kind;
use super::{TokenCache, TokenChange};

/// How large a cache may become; `None` is without limit, and so is the default.
///
/// When there is more, entries go in this order until it fits:
/// 1. access tokens that tell no end, which are never used;
/// 2. access tokens by their end, the soonest first: those that have ended, then those that will. Of several that end in
///    the same second, the one goes that has had its place longest (a token that replaces another takes its place);
/// 3. when no access token is left: ID tokens, then application metadata, then refresh tokens, then accounts, in each
///    the one first that has had its place longest. Without its refresh token a user has to sign in again, so a limit
///    that reaches this far is too small.
///
/// Sections of other libraries, and what is not an entry, are not counted and stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Entries of all kinds together.
    pub entries: Option<usize>,
    /// Bytes that their keys and members have in the file, without counting escapes and sections: what
    /// [`to_json`](TokenCache::to_json) writes, to a few percent.
    pub bytes: Option<usize>,
}

impl Limits {
    fn allow(self, (entries, bytes): (usize, usize)) -> bool {
        self.entries.is_none_or(|most| entries <= most) && self.bytes.is_none_or(|most| bytes <= most)
    }
}

/// First what can be had again without the user.
const ORDER: [Kind; 5] = [Kind::AccessToken, Kind::IdToken, Kind::AppMetadata, Kind::RefreshToken, Kind::Account];

impl TokenCache {
    /// How many entries there are, and their bytes, as [`Limits`] count them.
    pub fn weight(&self) -> (usize, usize) {
        let weights = ORDER.iter().filter_map(|kind| self.section(*kind)).map(super::section::Section::weight);
        weights.fold((0, 0), |sum, one| (sum.0.saturating_add(one.0), sum.1.saturating_add(one.1)))
    }

    /// The removals that bring the cache within limits, in the order that [`Limits`] tells. None if it is.
    ///
    /// It needs no clock: what has ended ends sooner than what has not. The cost is that of finding the first entry,
    /// which grows with the logarithm of their number, and then linear in what is removed.
    pub fn over_budget(&self, limits: Limits) -> Vec<TokenChange> {
        if limits == Limits::default() {
            return Vec::new();
        }
        let mut weight = self.weight();
        let mut changes = Vec::new();
        for kind in ORDER {
            for (key, bytes) in self.section(kind).into_iter().flat_map(super::section::Section::by_worth) {
                if limits.allow(weight) {
                    return changes;
                }
                weight = (weight.0.saturating_sub(1), weight.1.saturating_sub(bytes));
                changes.push(TokenChange::remove(kind, key.to_string()));
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Entry;
    use alloc::format;
    use alloc::string::String;

    fn sample() -> TokenCache {
        let token = |end: &str| format!(r#"{{"secret":"s","target":"a","expires_on":{end}}}"#);
        let text = format!(
            r#"{{"AccessToken":{{"late":{},"soon":{},"ended":{},"soon 2":{},"odd":{},"foreign":7}},
            "RefreshToken":{{"rt":{{"secret":"r"}}}},"IdToken":{{"idt":{{}}}},"Account":{{"a":{{}},"b":{{}}}},
            "AppMetadata":{{"app":{{}}}},"Other":{{"x":{{}}}}}}"#,
            token(r#""9000""#),
            token("2000"),
            token("5"),
            token(r#""2000""#),
            token("null"),
        );
        TokenCache::from_json(text.as_bytes()).unwrap()
    }

    fn gone(cache: &TokenCache, entries: Option<usize>, bytes: Option<usize>) -> Vec<String> {
        cache.over_budget(Limits { entries, bytes }).iter().map(|change| change.key().into()).collect()
    }

    #[test]
    fn in_which_order() {
        let cache = sample();
        let order = ["odd", "ended", "soon", "soon 2", "late", "idt", "app", "rt", "a", "b"];
        assert_eq!(cache.weight().0, order.len());
        for left in 0..=order.len() + 1 {
            let expected = &order[..order.len().saturating_sub(left)];
            assert_eq!(gone(&cache, Some(left), None), expected);
        }
        assert!(gone(&cache, None, None).is_empty());
    }

    #[test]
    fn bytes_are_nearly_those_of_the_file() {
        let mut cache = sample();
        let entry =
            Entry::from_json(br#"{"secret":"0123456789","realm":null,"n":[1,{"a":true}],"expires_on":"7"}"#).unwrap();
        let put =
            |n: usize| TokenChange::Put { section: "AccessToken".into(), key: format!("{n}"), entry: entry.clone() };
        cache.apply((0..200).map(put).collect());
        let (written, counted) = (cache.to_json().len(), cache.weight().1);
        assert!(counted.abs_diff(written) < written / 50, "{counted} {written}");
        // As much goes as must, and no more.
        let limit = counted / 2;
        let changes = cache.over_budget(Limits { entries: None, bytes: Some(limit) });
        let last = changes.len() - 1;
        for (count, fits) in [(last, false), (last + 1, true)] {
            let mut smaller = cache.clone();
            smaller.apply(changes[..count].to_vec());
            assert_eq!(smaller.weight().1 <= limit, fits);
        }
        cache.apply(changes);
        let again = TokenCache::from_json(&cache.to_json()).unwrap();
        assert_eq!(again.weight(), cache.weight());
    }
}
