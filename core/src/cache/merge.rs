//! Two writers of one cache: what each of them changed since a state that both knew, brought together entry by entry.
//!
//! | since the base | what comes out |
//! |---|---|
//! | one side changed, added or removed an entry | its change |
//! | one removed it, the other changed it | the entry; but whoever signed its account out wins |
//! | both changed or added it: an account, application metadata, another library's entry | member by member |
//! | both changed or added it: a token | the younger token; members that are not MSAL's member by member |

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{Entry, Kind, TokenCache, TokenChange, fields};

impl TokenCache {
    /// The changes that bring into `self`, which another process wrote, what `ours` says beyond `base`, the state that both
    /// began with. Nothing that only one side changed is lost; what is no entry stays as it is in `self`.
    ///
    /// The cost is linear in the size of all three; see [`merge_changes`](Self::merge_changes) for one that is not.
    pub fn merge(&self, base: &Self, ours: &Self) -> Vec<TokenChange> {
        self.merge_changes(base, &base.changes_to(ours))
    }

    /// The same, where what was changed since `base` is known as a delta: the cost is linear in that and in the accounts.
    pub fn merge_changes(&self, base: &Self, changes: &[TokenChange]) -> Vec<TokenChange> {
        let places = changes.iter().map(|change| ((change.section(), change.key()), change));
        // In a delta the last word on a place is the one that counts.
        let last: BTreeMap<_, _> = places.collect();
        let left = SignedOut::between(base, &last, self);
        let mut merged: Vec<TokenChange> = Vec::with_capacity(last.len());
        for change in changes {
            let (section, key) = (change.section(), change.key());
            if last.get(&(section, key)).is_some_and(|last| !core::ptr::eq(*last, change)) {
                continue;
            }
            let (before, theirs) = (base.at(section, key), self.at(section, key));
            let kind = Kind::of_section(section);
            let result = resolve(kind, before, change.entry(), theirs, &left);
            if result.as_ref() != theirs {
                let (section, key) = (section.to_string(), key.to_string());
                merged.push(match result {
                    Some(entry) => TokenChange::Put { section, key, entry },
                    None => TokenChange::Remove { section, key },
                });
            }
        }
        merged
    }
}

/// What stands at a place after both.
fn resolve(
    kind: Option<Kind>,
    base: Option<&Entry>,
    ours: Option<&Entry>,
    theirs: Option<&Entry>,
    left: &SignedOut,
) -> Option<Entry> {
    match (ours, theirs) {
        (Some(entry), None) if base.is_some() && SignedOut::has(&left.theirs, kind, entry) => None,
        (None, Some(entry)) if base.is_some() && SignedOut::has(&left.ours, kind, entry) => None,
        // Also one that was put again as it had been.
        (Some(entry), None) => Some(entry.clone()),
        _ if theirs == base || ours == theirs => ours.cloned(),
        _ if ours == base => theirs.cloned(),
        (Some(ours), Some(theirs)) => Some(both(kind, base, ours, theirs)),
        (None, theirs) => theirs.cloned(),
    }
}

/// Whose account a side removed while the other left it as it was, by environment and home account id.
#[derive(Default)]
struct SignedOut {
    ours: BTreeSet<(String, String)>,
    theirs: BTreeSet<(String, String)>,
}

impl SignedOut {
    fn between(base: &TokenCache, delta: &BTreeMap<(&str, &str), &TokenChange>, theirs: &TokenCache) -> Self {
        let (section, mut left) = (Kind::Account.section(), Self::default());
        for (key, entry) in base.section(Kind::Account).into_iter().flat_map(|section| section.entries()) {
            let ours = delta.get(&(section, key)).map(|change| change.entry());
            match (ours, theirs.at(section, key)) {
                (Some(None), None) => {
                    left.ours.extend(owner(entry));
                    left.theirs.extend(owner(entry));
                }
                (Some(None), Some(now)) if now == entry => left.ours.extend(owner(entry)),
                (None, None) => left.theirs.extend(owner(entry)),
                _ => {}
            }
        }
        left
    }

    fn has(side: &BTreeSet<(String, String)>, kind: Option<Kind>, entry: &Entry) -> bool {
        let is_token = matches!(kind, Some(Kind::AccessToken | Kind::RefreshToken | Kind::IdToken));
        is_token && !side.is_empty() && owner(entry).is_some_and(|owner| side.contains(&owner))
    }
}

fn owner(entry: &Entry) -> Option<(String, String)> {
    Some((entry.filled("environment")?.to_lowercase(), entry.filled("home_account_id")?.to_lowercase()))
}

/// An entry that both sides changed.
fn both(kind: Option<Kind>, base: Option<&Entry>, ours: &Entry, theirs: &Entry) -> Entry {
    let ours_wins = younger(ours, theirs) != Ordering::Less;
    let (winner, other) = if ours_wins { (ours, theirs) } else { (theirs, ours) };
    let is_token = matches!(kind, Some(Kind::AccessToken | Kind::RefreshToken | Kind::IdToken));
    let mut merged = winner.clone();
    let names: BTreeSet<&str> = winner.members().chain(other.members()).map(|(name, _)| name).collect();
    for name in names.into_iter().filter(|name| !(is_token && fields::is_of_a_token(name))) {
        let (before, won, lost) = (base.and_then(|base| base.member(name)), winner.member(name), other.member(name));
        if won == before && lost != before {
            match lost {
                Some(value) => merged.set(fields::name(name), value.clone()),
                None => merged.unset(name),
            }
        }
    }
    merged
}

/// Which of two entries of one place was written later: `Greater` if it is the first. The same for both orders.
pub(super) fn younger(one: &Entry, other: &Entry) -> Ordering {
    let written = |entry: &Entry| (entry.last_modification_time(), entry.instant("cached_at"), entry.expires_on());
    written(one).cmp(&written(other)).then_with(|| one.to_json().as_slice().cmp(other.to_json().as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn read(text: &str) -> TokenCache {
        TokenCache::from_json(text.as_bytes()).unwrap()
    }

    /// What comes out, the same for both orders.
    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        let (base, ours, theirs) = (read(base), read(ours), read(theirs));
        let of = |ours: &TokenCache, theirs: &TokenCache| {
            let mut result = theirs.clone();
            result.apply(theirs.merge(&base, ours));
            result
        };
        let (one, other) = (of(&ours, &theirs), of(&theirs, &ours));
        assert!(one.changes_to(&other).is_empty() && other.changes_to(&one).is_empty());
        String::from_utf8(one.to_json().to_vec()).unwrap()
    }

    #[test]
    fn one_side_only() {
        let (empty, one) = ("{}", r#"{"AccessToken":{"a":{"n":1}}}"#);
        let two = r#"{"AccessToken":{"a":{"n":2}}}"#;
        let cases = [
            (empty, one, empty, one),
            (one, two, one, two),
            (one, r#"{"AccessToken":{}}"#, one, r#"{"AccessToken":{}}"#),
            (one, two, two, two),
            (one, one, one, one),
            // Removed here, changed there: it stays.
            (one, r#"{"AccessToken":{}}"#, two, two),
            (
                one,
                r#"{"AccessToken":{"a":{"n":1},"b":{"n":1}}}"#,
                r#"{"AccessToken":{"c":{"n":1}}}"#,
                r#"{"AccessToken":{"c":{"n":1},"b":{"n":1}}}"#,
            ),
        ];
        for (base, ours, theirs, expected) in cases {
            assert_eq!(merged(base, ours, theirs), expected, "{base} {ours} {theirs}");
        }
    }

    #[test]
    fn both_sides() {
        let token = |secret: &str, at: u32, own: &str| {
            format!(r#"{{"RefreshToken":{{"k":{{"last_modification_time":"{at}",{own}"secret":"{secret}"}}}}}}"#)
        };
        // The younger token, with what another library said beside the older one.
        let base = token("s0", 5, r#""gone":1,"#);
        let (ours, theirs) = (token("s1", 9, r#""gone":1,"#), token("s2", 7, r#""own":1,"#));
        assert_eq!(
            merged(&base, &ours, &theirs),
            r#"{"RefreshToken":{"k":{"last_modification_time":"9","own":1,"secret":"s1"}}}"#
        );
        // No member of the older one beside the secret of the younger.
        let access = |secret: &str, at: u32, ends: u32| {
            format!(r#"{{"AccessToken":{{"k":{{"cached_at":"{at}","expires_on":"{ends}","secret":"{secret}"}}}}}}"#)
        };
        assert_eq!(merged(&access("s0", 1, 100), &access("s1", 3, 100), &access("s2", 2, 200)), access("s1", 3, 100));
        // Accounts and metadata, member by member.
        for section in ["Account", "AppMetadata", "Theirs"] {
            let of = |members: &str| format!(r#"{{"{section}":{{"k":{{{members}}}}}}}"#);
            assert_eq!(
                merged(&of(r#""a":1,"b":1,"c":1"#), &of(r#""a":2,"b":1,"c":1,"d":1"#), &of(r#""a":1,"b":3,"e":1"#)),
                of(r#""a":2,"b":3,"d":1,"e":1"#)
            );
        }
    }

    #[test]
    fn whoever_signed_out_is_out() {
        let of = |account: bool, secret: &str, environment: &str| {
            let account = if account { r#"{"x":{"environment":"E","home_account_id":"h"}}"# } else { "{}" };
            let token = format!(r#"{{"environment":"{environment}","home_account_id":"h","secret":"{secret}"}}"#);
            let tokens = if secret.is_empty() { "{}".into() } else { format!(r#"{{"k":{token}}}"#) };
            format!(r#"{{"Account":{account},"RefreshToken":{tokens}}}"#)
        };
        let (base, renewed) = (of(true, "s0", "e"), of(true, "s1", "e"));
        let ours = of(false, "", "e");
        let (base, ours, theirs) = (read(&base), read(&ours), read(&renewed));
        let mut result = theirs.clone();
        result.apply(theirs.merge(&base, &ours));
        assert_eq!(result.to_json().as_slice(), br#"{"Account":{},"RefreshToken":{}}"#);
        // A token alone, called dead by the server, is another matter.
        let ours = read(&of(true, "", "e"));
        let mut result = theirs.clone();
        result.apply(theirs.merge(&base, &ours));
        assert_eq!(result.to_json().as_slice(), renewed.as_bytes());
    }

    #[test]
    fn what_is_no_entry_stays() {
        let theirs = r#"{"AccessToken":{"f":7},"Own":[1]}"#;
        assert_eq!(merged("{}", theirs, theirs), theirs);
        let mut cache = read(theirs);
        cache.apply(cache.merge(&read("{}"), &read(r#"{"AccessToken":{"a":{"n":1}}}"#)));
        assert_eq!(cache.to_json().as_slice(), br#"{"AccessToken":{"f":7,"a":{"n":1}},"Own":[1]}"#);
    }
}
