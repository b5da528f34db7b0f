//! The reference's `search`, section 5.7, and the removal of ended tokens that goes with it.

use alloc::vec::Vec;

use super::entry::{Entry, Kind};
use super::{TokenCache, TokenChange, slot};
use crate::time::UnixTime;

impl TokenCache {
    /// Entries of a kind whose members are as `query` says and that have all scopes of `target`, in their order.
    ///
    /// A `None` in the query matches null and not a missing member; what the query does not name matches anything.
    /// Values and scopes compare exactly, but for `environment`. Access tokens that have ended or have no readable
    /// `expires_on` are left out, and so are those with an `ext_cache_key`, unless the query names it. The entry that
    /// lies under the key computed from query and target comes first, ended or not.
    pub fn search(
        &self,
        kind: Kind,
        query: &[(&str, Option<&str>)],
        target: &[&str],
        now: UnixTime,
    ) -> impl Iterator<Item = &Entry> {
        let asked = |name: &str| query.iter().find(|(member, _)| *member == name).map(|(_, value)| *value);
        let section = self.section(kind);
        let exact = (kind == Kind::AccessToken && !target.is_empty())
            .then(|| section?.get(&access_token_key(query, target)?))
            .flatten()
            .filter(|entry| matches(entry, query));
        // Whoever names an account does not pay for all the others.
        let account = match (asked("environment"), asked("home_account_id")) {
            (Some(Some(environment)), Some(home)) => Some((environment, home)),
            _ => None,
        };
        let some = section.zip(account).map(|(section, account)| section.of_account(account.0, account.1));
        let all = section.filter(|_| account.is_none()).map(|section| section.entries());
        let rest = some.into_iter().flatten().chain(all.into_iter().flatten()).map(|(_, entry)| entry);
        let rest = rest.filter(move |entry| {
            !exact.is_some_and(|exact| core::ptr::eq(exact, *entry))
                && matches(entry, query)
                && target.iter().all(|wanted| entry.scopes().any(|scope| scope == *wanted))
                && (kind != Kind::AccessToken
                    || entry.expires_on().is_some_and(|end| end >= now)
                        && (asked("ext_cache_key").is_some() || entry.member("ext_cache_key").is_none()))
        });
        exact.into_iter().chain(rest)
    }

    /// Removal of all access tokens that have ended: what the reference does after a search that walked to the end.
    pub fn expired(&self, now: UnixTime) -> Vec<TokenChange> {
        let section = self.section(Kind::AccessToken).into_iter();
        let keys = section.flat_map(|section| section.ended(now));
        keys.map(|key| TokenChange::remove(Kind::AccessToken, key.into())).collect()
    }
}

fn matches(entry: &Entry, query: &[(&str, Option<&str>)]) -> bool {
    query.iter().all(|(name, wanted)| match (entry.member(name), wanted) {
        (Some(value), None) => value.is_null(),
        (Some(value), Some(wanted)) if *name == "environment" => {
            value.as_str().is_some_and(|host| host.eq_ignore_ascii_case(wanted))
        }
        (Some(value), Some(wanted)) => value.as_str() == Some(wanted),
        (None, _) => false,
    })
}

/// The key of the access token with exactly this target, if the query says enough for one.
fn access_token_key(query: &[(&str, Option<&str>)], target: &[&str]) -> Option<alloc::string::String> {
    let mut wanted = Entry::default();
    for (name, value) in query {
        wanted.set(super::fields::name(name), *value);
    }
    ["home_account_id", "environment", "client_id", "realm"].iter().all(|n| wanted.member(n).is_some()).then_some(())?;
    wanted.set("target", super::record::target(target));
    Some(slot::key(Kind::AccessToken, &wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::{cache, token};

    const NOW: UnixTime = UnixTime(1000);

    fn secrets(query: &[(&str, Option<&str>)], target: &[&str]) -> Vec<alloc::string::String> {
        let cache = cache(&[
            ("1", &token("b A", r#""secret":"1","home_account_id":null"#)),
            ("h-e-accesstoken-c-r-a b", &token("A b", r#""secret":"2""#)),
            ("h-e-accesstoken-c-r-d", &token("D", r#""secret":"3","expires_on":"999""#)),
            ("4", &token("A b", r#""secret":"4","expires_on":null"#)),
            ("5", &token("A b", r#""secret":"5","ext_cache_key":"x""#)),
            ("6", &token("A b c", r#""secret":"6","expires_on":1000"#)),
        ]);
        cache.search(Kind::AccessToken, query, target, NOW).map(|entry| entry.secret().into()).collect()
    }

    #[test]
    fn access_tokens() {
        // Section 5.7 of the reference; transcripts token_cache__search__*.
        let full = [
            ("home_account_id", Some("h")),
            ("environment", Some("E")),
            ("client_id", Some("c")),
            ("realm", Some("r")),
        ];
        assert_eq!(secrets(&[], &[]), ["1", "2", "6"]);
        assert_eq!(secrets(&[], &["b"]), ["1", "2", "6"]);
        assert_eq!(secrets(&[], &["B"]), [""; 0]);
        assert_eq!(secrets(&[], &["b", "c"]), ["6"]);
        assert_eq!(secrets(&[("home_account_id", None)], &[]), ["1"]);
        assert_eq!(secrets(&[("ext_cache_key", None)], &[]), [""; 0]);
        assert_eq!(secrets(&[("ext_cache_key", Some("x"))], &[]), ["5"]);
        assert_eq!(secrets(&[("unheard", None)], &[]), [""; 0]);
        assert_eq!(secrets(&full, &[]), ["2", "6"]);
        assert_eq!(secrets(&full, &["b", "a"]), ["2"], "the whole set in any case, through its key");
        assert_eq!(secrets(&full, &["D"]), ["3"], "ended, but under its key");
        assert_eq!(secrets(&full, &["A"]), ["2", "6"]);
    }

    #[test]
    fn ended_tokens_go() {
        let cache = cache(&[
            ("1", &token("a", r#""expires_on":"999""#)),
            ("2", &token("a", r#""expires_on":"1000""#)),
            ("3", &token("a", r#""expires_on":"x""#)),
            ("4", &token("a", r#""expires_on":5,"ext_cache_key":"x""#)),
        ]);
        let changes = cache.expired(NOW);
        assert_eq!(changes.iter().map(TokenChange::key).collect::<Vec<_>>(), ["4", "1"]);
        assert!(changes.iter().all(|change| change.section() == "AccessToken" && change.entry().is_none()));
    }
}
