//! Is there a token for this? Section 4.11.2 A of the reference, at a cost that does not grow with the cache.

use alloc::vec::Vec;
use core::hint::black_box;

use super::entry::{Entry, Kind};
use super::facts::{Facts, Kept};
use super::index::{Members, Partition};
use super::mix::lowered;
use super::section::Section;
use super::{TokenCache, entry, slot};
use crate::time::UnixTime;

/// A token that ends sooner than this is not given out any more (seconds).
const MARGIN: u64 = 300;

/// What an access token must be for, and whose. `S` is how the caller holds scopes: `&str`, `String` …
#[derive(Clone, Copy)]
pub struct Lookup<'a, S = &'a str> {
    /// The application. `None` is the system-assigned managed identity, which has no id.
    pub client_id: Option<&'a str>,
    /// The authority's host; case does not matter.
    pub environment: &'a str,
    /// The tenant, spelled as in the authority.
    pub realm: &'a str,
    /// The user's home account; `None` for a token of the application itself.
    pub home_account_id: Option<&'a str>,
    /// The scopes that the token must have; it may have more. None at all: any token of the account.
    pub scopes: &'a [S],
    /// From [`ext_cache_key`](super::ext_cache_key); a token with another one is never found, nor one without.
    pub ext_cache_key: Option<&'a str>,
    /// Bearer, or bound to a key.
    pub scheme: Scheme<'a>,
    /// How exactly members are compared.
    pub matching: Matching,
}

/// How a token proves that it is in the right hands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// Not at all (RFC 6750). A look-up for it never returns a token that is bound to a key.
    #[default]
    Bearer,
    /// By a key (RFC 9449, RFC 8705, signed HTTP requests, SSH certificates).
    Bound {
        /// As the server calls it: `pop`, `DPoP`, `ssh-cert` … Case does not matter.
        token_type: &'a str,
        /// The key's name, its thumbprint as a rule.
        key_id: &'a str,
    },
}

/// How a look-up compares what other libraries may have written differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// Scopes in any case (G-11); a missing or empty `home_account_id` is no account, as a null one is.
    #[default]
    Tolerant,
    /// As the reference: a part of a token's scopes is found in exactly the same case only, and missing is not null.
    Reference,
}

/// What a look-up brings.
#[derive(Debug)]
pub enum Found<'a> {
    /// A token with at least 300 seconds left.
    Fresh(&'a Entry),
    /// Such a token, which the server wants renewed by now, or which was stored at a time that has not come. Use it if
    /// renewing fails.
    Aging(&'a Entry),
    /// There is a token, but it ends within 300 seconds or has ended.
    Expiring,
    /// There is none.
    Nothing,
}

impl<'a> Found<'a> {
    /// The token, if there is a usable one.
    pub const fn entry(&self) -> Option<&'a Entry> {
        match self {
            Self::Fresh(entry) | Self::Aging(entry) => Some(entry),
            Self::Expiring | Self::Nothing => None,
        }
    }
}

impl TokenCache {
    /// Looks for an access token: one with exactly these scopes first, then one that has them among others.
    ///
    /// Entries are compared by their members, so what another library wrote under another key is found as well.
    /// Nothing is allocated. The cost depends on how many tokens of the same account, client and tenant share the
    /// rarest of the scopes, not on the size of the cache.
    pub fn find<S: AsRef<str>>(&self, lookup: &Lookup<'_, S>, now: UnixTime) -> Found<'_> {
        self.find_of_account(lookup, now, |_| ()).found()
    }

    /// The same for whoever takes the token's text at once, with what is known of the token. The text comes out of memory while
    /// the members are compared: among so many tokens that they do not fit into the processor's cache, to wait for one after the
    /// other takes longer than the look-up.
    pub(crate) fn find_kept<S: AsRef<str>>(&self, lookup: &Lookup<'_, S>, now: UnixTime) -> Aged<'_> {
        self.find_of_account(lookup, now, |entry| {
            black_box(entry.secret().as_bytes().first().copied());
        })
    }

    fn find_of_account<S: AsRef<str>>(
        &self,
        lookup: &Lookup<'_, S>,
        now: UnixTime,
        before: impl Fn(&Entry),
    ) -> Aged<'_> {
        let Some(section) = self.section(Kind::AccessToken) else { return Aged::Nothing };
        let partition = section.digests().partition(&Members::wanted(lookup), lookup.home_account_id);
        lookup.among(section, partition, true, now, before)
    }

    /// As [`find`](Self::find), whatever the account: `home_account_id` is not looked at.
    ///
    /// For tokens that an extended key sets apart by itself, such as those on behalf of a user who is known by the
    /// assertion only. Without `ext_cache_key` nothing is found, since the token of anybody would do.
    pub fn find_partitioned<S: AsRef<str>>(&self, lookup: &Lookup<'_, S>, now: UnixTime) -> Found<'_> {
        let Some(section) = self.section(Kind::AccessToken) else { return Found::Nothing };
        if lookup.ext_cache_key.is_none_or(str::is_empty) {
            return Found::Nothing;
        }
        let partition = section.digests().any_account(&Members::wanted(lookup));
        lookup.among(section, partition, false, now, |_| ()).found()
    }
}

/// [`Found`], with what is known of the token.
pub(crate) enum Aged<'a> {
    Fresh(Kept<'a>),
    Aging(Kept<'a>),
    Expiring,
    Nothing,
}

impl<'a> Aged<'a> {
    fn found(self) -> Found<'a> {
        match self {
            Self::Fresh(kept) => Found::Fresh(kept.entry),
            Self::Aging(kept) => Found::Aging(kept.entry),
            Self::Expiring => Found::Expiring,
            Self::Nothing => Found::Nothing,
        }
    }
}

/// The token that ends later; of two that end together, the one that came later.
fn later<'a>(one: Kept<'a>, other: Kept<'a>) -> Kept<'a> {
    if other.facts.end() >= one.facts.end() { other } else { one }
}

impl<S: AsRef<str>> Lookup<'_, S> {
    /// The best token of a partition. `before` is told of each before it is compared.
    fn among<'s>(
        &self,
        section: &'s Section,
        partition: Partition<'_>,
        of_account: bool,
        now: UnixTime,
        before: impl Fn(&Entry),
    ) -> Aged<'s> {
        let (mut best, mut expiring) = (None, false);
        for (entry, facts) in section.tokens(partition.scopes(self.scopes.iter().map(AsRef::as_ref))) {
            before(entry);
            if !facts.fit(self, of_account, entry) {
                continue;
            }
            // As a rule they are spelled and ordered as they were when the token was stored.
            let is_exact = facts.are(self.scopes);
            if is_exact || self.is_exactly(facts) {
                // Another library may have left an older one of the same scopes under a key of its own.
                let kept = Kept { entry, facts, is_exact };
                best = Some(best.map_or(kept, |other| later(other, kept)));
            }
        }
        match best.map(|kept| self.age(kept, now)) {
            Some(Aged::Expiring) => expiring = true,
            Some(found) => return found,
            None => {}
        }
        let posting = self.rarest(partition, section).map_or_else(|| partition.all(), |scope| partition.scope(scope));
        let others = |least| {
            let mut tokens = section.lasting(posting, least);
            tokens.find(|(entry, facts)| facts.fit(self, of_account, entry) && self.is_within(facts))
        };
        match others(now.after(MARGIN)) {
            Some((entry, facts)) => self.age(Kept { entry, facts, is_exact: false }, now),
            None if expiring || others(now).is_some() => Aged::Expiring,
            None => Aged::Nothing,
        }
    }

    fn age<'e>(&self, kept: Kept<'e>, now: UnixTime) -> Aged<'e> {
        match kept.facts.end() {
            Some(end) if end >= now.after(MARGIN) => match kept.facts.refresh_on() {
                Some(refresh) if refresh < now => Aged::Aging(kept),
                _ if self.is_ahead(kept.facts, now) => Aged::Aging(kept),
                _ => Aged::Fresh(kept),
            },
            _ => Aged::Expiring,
        }
    }

    /// Whether the token was stored at a time that has not come. The clock was wrong then, and so is the token's end; or it is
    /// wrong now. So another one is asked for, and this one serves if there is none.
    fn is_ahead(&self, facts: &Facts, now: UnixTime) -> bool {
        self.matching == Matching::Tolerant && facts.cached_at() > Some(now.after(MARGIN))
    }

    /// All scopes are the token's, and it has no others.
    #[cold]
    fn is_exactly(&self, token: &Facts) -> bool {
        let scopes = || self.scopes.iter().map(AsRef::as_ref);
        if cfg!(feature = "index") && self.matching == Matching::Reference {
            // Its key: sorted by code point first, and in lower case after that.
            let wanted = slot::lower(super::record::target(&scopes().collect::<Vec<&str>>()));
            return wanted == slot::lower(token.scopes().collect::<Vec<&str>>().join(" "));
        }
        scopes().all(|wanted| token.scopes().any(|scope| same_letters(scope, wanted)))
            && token.scopes().all(|scope| scopes().any(|wanted| same_letters(scope, wanted)))
    }

    /// All scopes are among the token's.
    fn is_within(&self, token: &Facts) -> bool {
        self.scopes.iter().map(AsRef::as_ref).all(|wanted: &str| match self.matching {
            Matching::Tolerant => token.scopes().any(|scope| same_letters(scope, wanted)),
            Matching::Reference => token.scopes().any(|scope| scope == wanted),
        })
    }

    /// The scope that the fewest tokens have, more or less.
    fn rarest(&self, partition: Partition<'_>, section: &Section) -> Option<&str> {
        let scopes = || self.scopes.iter().map(AsRef::as_ref);
        if self.scopes.len() < 2 {
            return scopes().next();
        }
        scopes().min_by_key(|scope| section.count(partition.scope(scope)))
    }
}

impl Scheme<'_> {
    pub(super) fn fits(&self, entry: &entry::Entry) -> bool {
        match self {
            Self::Bearer => !entry.is_bound(),
            Self::Bound { token_type, key_id } => {
                entry.is_bound()
                    && entry.token_type().eq_ignore_ascii_case(token_type)
                    && entry.key_id() == Some(key_id)
            }
        }
    }
}

fn same_letters(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || !(a.is_ascii() && b.is_ascii()) && lowered(a).eq(lowered(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::{cache, token};
    use alloc::string::String;

    const NOW: UnixTime = UnixTime(1000);

    fn lookup<'a>(scopes: &'a [&'a str]) -> Lookup<'a> {
        Lookup {
            client_id: Some("c"),
            environment: "E",
            realm: "r",
            home_account_id: Some("h"),
            scopes,
            ext_cache_key: None,
            scheme: Scheme::Bearer,
            matching: Matching::Tolerant,
        }
    }

    fn show<'a>(found: &Found<'a>) -> &'a str {
        match found {
            Found::Fresh(entry) => entry.secret(),
            Found::Aging(_) => "(aging)",
            Found::Expiring => "(expiring)",
            Found::Nothing => "(nothing)",
        }
    }

    #[test]
    fn boundaries_of_age() {
        // Section 4.11.2 A; transcript client_credentials__cache__near_expiry_boundary.
        for (members, expected) in [
            (r#""expires_on":"1300""#, "s"),
            (r#""expires_on":1300"#, "s"),
            (r#""expires_on":"1299""#, "(expiring)"),
            (r#""expires_on":"999""#, "(expiring)"),
            (r#""expires_on":"1300","refresh_on":"1000""#, "s"),
            (r#""expires_on":"1300","refresh_on":"999""#, "(aging)"),
            (r#""expires_on":"1300","refresh_on":999"#, "(aging)"),
            (r#""expires_on":"1299","refresh_on":"999""#, "(expiring)"),
            (r#""expires_on":null"#, "(nothing)"), // G-40
            (r#""expires_on":"soon""#, "(nothing)"),
            (r#""secret":"""#, "(nothing)"),
            // The clock was ahead when it was stored.
            (r#""expires_on":"4900","cached_at":"1300""#, "s"),
            (r#""expires_on":"4901","cached_at":"1301""#, "(aging)"),
            (r#""expires_on":"4901","cached_at":"soon""#, "s"),
        ] {
            let cache = cache(&[("k", &token("a", members))]);
            assert_eq!(show(&cache.find(&lookup(&["a"]), NOW)), expected, "{members}");
        }
        let ahead = cache(&[("k", &token("a b", r#""expires_on":"4901","cached_at":1301"#))]);
        assert_eq!(show(&ahead.find(&lookup(&["a"]), NOW)), "(aging)");
        let reference = Lookup { matching: Matching::Reference, ..lookup(&["a"]) };
        assert_eq!(show(&ahead.find(&reference, NOW)), "s");
        // A token that has ended is not even a reason when it only happens to have the scopes among others.
        let cache = cache(&[("k", &token("a b", r#""expires_on":"999""#))]);
        assert_eq!(show(&cache.find(&lookup(&["a"]), NOW)), "(nothing)");
    }

    #[test]
    fn members_decide_and_not_the_key() {
        let base = lookup(&["a"]);
        let cases: &[(&str, Lookup<'_>, &str)] = &[
            ("", base, "s"),
            (r#""environment":"e""#, base, "s"),
            (r#""environment":"x""#, base, "(nothing)"),
            (r#""realm":"R""#, base, "(nothing)"),
            (r#""client_id":"C""#, base, "(nothing)"),
            (r#""client_id":null"#, base, "(nothing)"),
            (r#""client_id":null"#, Lookup { client_id: None, ..base }, "s"),
            (r#""home_account_id":"H""#, base, "(nothing)"),
            (r#""home_account_id":null"#, base, "(nothing)"),
            ("", Lookup { home_account_id: None, ..base }, "(nothing)"),
            (r#""home_account_id":null"#, Lookup { home_account_id: None, ..base }, "s"),
            (r#""home_account_id":"""#, Lookup { home_account_id: None, ..base }, "s"),
            (r#""home_account_id":7"#, Lookup { home_account_id: None, ..base }, "(nothing)"),
            (
                r#""home_account_id":"""#,
                Lookup { home_account_id: None, matching: Matching::Reference, ..base },
                "(nothing)",
            ),
            (r#""ext_cache_key":"x""#, base, "(nothing)"),
            (r#""ext_cache_key":"x""#, Lookup { ext_cache_key: Some("x"), ..base }, "s"),
            (r#""ext_cache_key":"x""#, Lookup { ext_cache_key: Some("y"), ..base }, "(nothing)"),
            ("", Lookup { ext_cache_key: Some("x"), ..base }, "(nothing)"),
            (r#""target":null"#, base, "(nothing)"),
        ];
        for (members, lookup, expected) in cases {
            let cache = cache(&[("anything at all", &token("a", members))]);
            assert_eq!(show(&cache.find(lookup, NOW)), *expected, "{members}");
        }
    }

    #[test]
    fn scopes() {
        let cases: &[(&str, &[&str], &str, &str)] = &[
            ("User.Read mail", &["User.Read"], "s", "s"),
            ("User.Read mail", &["mail", "User.Read"], "s", "s"),
            ("User.Read mail", &["User.Read", "MAIL"], "s", "(nothing)"), // sorted before it is put in lower case
            ("Mail User.Read", &["MAIL", "USER.READ"], "s", "s"), // the whole set: the reference ignores case too
            ("User.Read mail", &["user.read"], "s", "(nothing)"), // G-11
            ("User.Read mail", &["mail", "mail"], "s", "s"),
            ("User.Read mail", &["User.Read", "files"], "(nothing)", "(nothing)"),
            ("User.Read mail", &["User"], "(nothing)", "(nothing)"),
            ("\u{c4}rger mail", &["\u{e4}rger"], "s", "(nothing)"),
            ("a", &[], "s", "s"),
        ];
        for (target, scopes, tolerant, reference) in cases {
            let cache = cache(&[("k", &token(target, ""))]);
            assert_eq!(show(&cache.find(&lookup(scopes), NOW)), *tolerant, "{target} {scopes:?}");
            let strict = Lookup { matching: Matching::Reference, ..lookup(scopes) };
            assert_eq!(show(&cache.find(&strict, NOW)), *reference, "{target} {scopes:?}");
        }
    }

    #[test]
    fn exactly_these_scopes_come_first() {
        let more = token("a b", r#""secret":"more""#);
        let old = token("a", r#""secret":"old","expires_on":"9000""#);
        let new = token("A", r#""secret":"new","expires_on":"9001""#);
        let cache = cache(&[("1", &more), ("2", &old), ("3", &new), ("4", &token("b", r#""expires_on":"1100""#))]);
        assert_eq!(show(&cache.find(&lookup(&["a"]), NOW)), "new");
        assert_eq!(show(&cache.find(&lookup(&["b"]), NOW)), "more"); // the exact one ends soon
        let owned = [String::from("b"), String::from("a")];
        let base = lookup(&[]);
        let owned = Lookup {
            client_id: base.client_id,
            environment: "e",
            realm: "r",
            home_account_id: base.home_account_id,
            scopes: &owned,
            ext_cache_key: None,
            scheme: Scheme::Bearer,
            matching: Matching::Tolerant,
        };
        assert_eq!(show(&cache.find(&owned, NOW)), "more");
    }

    #[test]
    fn bearer_never_finds_a_bound_token() {
        // Decision 4 of the design, G-12.
        let pop = Scheme::Bound { token_type: "pop", key_id: "k" };
        let other_key = Scheme::Bound { token_type: "pop", key_id: "l" };
        let dpop = Scheme::Bound { token_type: "DPoP", key_id: "k" };
        let mtls = Scheme::Bound { token_type: "Bearer", key_id: "k" };
        let cases: &[(&str, &[Scheme<'_>])] = &[
            ("", &[Scheme::Bearer]),
            (r#""token_type":"bearer""#, &[Scheme::Bearer]),
            (r#""token_type":"PoP","key_id":"k""#, &[pop]),
            (r#""token_type":"pop","kid":"l""#, &[other_key]),
            (r#""token_type":"pop""#, &[]),
            (r#""token_type":"dpop","key_id":"k""#, &[dpop]),
            (r#""token_type":"Bearer","key_id":"k""#, &[mtls]),
            (r#""credential_type":"AccessToken_With_AuthScheme""#, &[]),
        ];
        for (members, found_by) in cases {
            let cache = cache(&[("k", &token("a", members))]);
            for scheme in [Scheme::Bearer, pop, other_key, dpop, mtls] {
                for scopes in [&["a"][..], &[]] {
                    let found = cache.find(&Lookup { scheme, ..lookup(scopes) }, NOW);
                    assert_eq!(found.entry().is_some(), found_by.contains(&scheme), "{members} {scheme:?}");
                }
            }
        }
    }

    #[test]
    fn an_extended_key_without_an_account() {
        // G-30: on-behalf-of tokens lie apart by the assertion; the account is known after the exchange only.
        let ext = |n: usize| alloc::format!(r#""ext_cache_key":"x{n}","home_account_id":"h{n}","secret":"s{n}""#);
        let cache = cache(&[
            ("1", &token("a b", &ext(1))),
            ("2", &token("a b", &ext(2))),
            ("3", &token("a", &alloc::format!(r#"{},"expires_on":"1100""#, ext(3)))),
            ("4", &token("a", r#""home_account_id":null,"ext_cache_key":"x4","secret":"s4""#)),
            ("5", &token("a", r#""secret":"no key""#)),
            ("6", &token("a", r#""secret":"no key","ext_cache_key":"""#)),
        ]);
        let cases: &[(Option<&str>, &[&str], &str)] = &[
            (Some("x1"), &["a", "b"], "s1"),
            (Some("x2"), &["B", "a"], "s2"),
            (Some("x2"), &["b"], "s2"),
            (Some("x2"), &[], "s2"),
            (Some("x2"), &["c"], "(nothing)"),
            (Some("x3"), &["a"], "(expiring)"),
            (Some("x4"), &["a"], "s4"),
            (Some("x5"), &["a"], "(nothing)"),
            (Some(""), &["a"], "(nothing)"),
            (None, &["a"], "(nothing)"),
        ];
        for (ext_cache_key, scopes, expected) in cases {
            let base = Lookup { ext_cache_key: *ext_cache_key, ..lookup(scopes) };
            for home_account_id in [None, Some("whoever")] {
                let found = cache.find_partitioned(&Lookup { home_account_id, ..base }, NOW);
                assert_eq!(show(&found), *expected, "{ext_cache_key:?} {scopes:?}");
            }
            for other in [
                Lookup { client_id: Some("d"), ..base },
                Lookup { realm: "q", ..base },
                Lookup { environment: "f", ..base },
                Lookup { scheme: Scheme::Bound { token_type: "pop", key_id: "k" }, ..base },
            ] {
                assert_eq!(show(&cache.find_partitioned(&other, NOW)), "(nothing)");
            }
        }
    }

    #[cfg(feature = "index")]
    #[test]
    fn a_rare_scope_is_found_among_many_tokens() {
        let entries: Vec<_> =
            (0..600).map(|n| (alloc::format!("{n}"), token(&alloc::format!("all s{n}"), ""))).collect();
        let entries: Vec<_> = entries.iter().map(|(key, entry)| (key.as_str(), entry.as_str())).collect();
        let cache = cache(&entries);
        let section = cache.section(Kind::AccessToken).unwrap();
        let wanted = lookup(&["all", "s599"]);
        let partition = section.digests().partition(&Members::wanted(&wanted), wanted.home_account_id);
        assert_eq!(wanted.rarest(partition, section), Some("s599"));
        assert_eq!(show(&cache.find(&wanted, NOW)), "s");
        assert_eq!(show(&cache.find(&lookup(&["all", "s600"]), NOW)), "(nothing)");
    }
}
