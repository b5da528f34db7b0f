//! What a look-up compares, taken out of an access token once, when it is put: a walk over its members costs more than
//! all the rest of a look-up. The members stay what counts; nothing here is written anywhere.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

use super::Scheme;
use super::entry::Entry;
#[cfg(feature = "index")]
use super::index::Members;
use super::lookup::{Lookup, Matching};
use super::mix::same;
use crate::time::UnixTime;

/// As most servers spell it.
const BEARER: &str = "Bearer";

/// The member that is the token.
const SECRET: &str = "secret";

#[derive(Clone)]
pub(crate) struct Facts {
    /// When the token ends. `None`: it is never used, for that or for another reason.
    pub(super) end: Option<UnixTime>,
    /// When it ends, used or not.
    pub(super) expires_on: Option<UnixTime>,
    pub(super) refresh_on: Option<UnixTime>,
    pub(super) cached_at: Option<UnixTime>,
    is_bound: bool,
    /// Whether its type is spelled as most are.
    is_plain_bearer: bool,
    /// Where its text stands among its members, in their order.
    secret_at: u8,
    client_id: Member,
    home_account_id: Member,
    /// Tenant, account, client, extended key, host and scopes, one after the other.
    texts: Box<str>,
    /// Where each of them but the last ends.
    ends: [u32; 5],
    /// How many scopes.
    count: u32,
}

/// An access token that was found, with what is known of it. Its members need not be searched again.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(super) entry: &'a Entry,
    pub(super) facts: &'a Facts,
}

impl<'a> Kept<'a> {
    /// The token.
    pub(crate) fn secret(&self) -> &'a str {
        match self.entry.members().iter().nth(self.facts.secret_at.into()) {
            Some((SECRET, value)) => value.as_str().unwrap_or_default(),
            _ => self.entry.secret(),
        }
    }

    pub(crate) fn token_type(&self) -> Cow<'static, str> {
        match self.facts.is_plain_bearer {
            true => Cow::Borrowed(BEARER),
            false => Cow::Owned(self.entry.token_type().into()),
        }
    }

    pub(crate) fn expires_on(&self) -> Option<UnixTime> {
        self.facts.expires_on
    }

    pub(crate) fn refresh_on(&self) -> Option<UnixTime> {
        self.facts.refresh_on
    }
}

/// How a member stands there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Missing,
    Null,
    Text,
    Other,
}

impl Facts {
    pub(super) fn of(entry: &Entry) -> Self {
        let (host, tenant) = (entry.text("environment"), entry.text("realm"));
        let is_usable = host.is_some() && tenant.is_some() && !entry.secret().is_empty();
        let text = |name| entry.text(name).unwrap_or_default();
        let mut target = String::with_capacity(text("target").len());
        for scope in entry.scopes() {
            target.push_str(if target.is_empty() { "" } else { " " });
            target.push_str(scope);
        }
        let (host, tenant) = (host.unwrap_or_default(), tenant.unwrap_or_default());
        let all = [tenant, text("home_account_id"), text("client_id"), text("ext_cache_key"), host];
        let length = all.iter().map(|text| text.len()).fold(target.len(), usize::saturating_add);
        let mut texts = String::with_capacity(length);
        let ends = all.map(|text| {
            texts.push_str(text);
            // An entry of four gigabytes is found never.
            u32::try_from(texts.len()).unwrap_or(u32::MAX)
        });
        texts.push_str(&target);
        let expires_on = entry.expires_on();
        Self {
            end: expires_on.filter(|_| is_usable),
            expires_on,
            refresh_on: entry.refresh_on(),
            cached_at: entry.cached_at(),
            is_bound: entry.is_bound(),
            is_plain_bearer: entry.token_type() == BEARER,
            secret_at: entry.members().iter().position(|(name, _)| name == SECRET).map_or(u8::MAX, to_u8),
            client_id: Member::of(entry, "client_id"),
            home_account_id: Member::of(entry, "home_account_id"),
            texts: texts.into_boxed_str(),
            ends,
            count: u32::try_from(entry.scopes().count()).unwrap_or(u32::MAX),
        }
    }

    /// Whether the token is what was asked for, but for its scopes; the account counts only if `of_account` says so.
    pub(super) fn fit<S>(&self, lookup: &Lookup<'_, S>, of_account: bool, entry: &Entry) -> bool {
        let [a, b, c, d, e] = self.ends;
        let text = |start, end| self.texts.as_bytes().get(at(start)..at(end)).unwrap_or_default();
        let is_member = |member: Member, text: &[u8], wanted: Option<&str>| match (wanted, lookup.matching) {
            (Some(wanted), _) => same(text, wanted.as_bytes()) && member == Member::Text,
            (None, Matching::Reference) => member == Member::Null,
            (None, Matching::Tolerant) => text.is_empty() && member != Member::Other,
        };
        let (host, wanted) = (text(d, e), lookup.environment.as_bytes());
        self.end.is_some()
            && match lookup.scheme {
                Scheme::Bearer => !self.is_bound,
                bound @ Scheme::Bound { .. } => self.is_bound && bound.fits(entry),
            }
            && same(text(0, a), lookup.realm.as_bytes())
            && (!of_account || is_member(self.home_account_id, text(a, b), lookup.home_account_id))
            && is_member(self.client_id, text(b, c), lookup.client_id)
            && same(text(c, d), lookup.ext_cache_key.unwrap_or_default().as_bytes())
            && (same(host, wanted) || host.eq_ignore_ascii_case(wanted))
    }

    /// What sets its partition apart, and its account. The entry is asked for the key of a bound token only.
    #[cfg(feature = "index")]
    pub(super) fn members<'a>(&'a self, entry: &'a Entry) -> (Members<'a>, &'a str) {
        let [a, b, c, d, _] = self.ends;
        let text = |start, end| self.texts.get(at(start)..at(end)).unwrap_or_default();
        let key_id = self.is_bound.then(|| entry.key_id().unwrap_or_default());
        let members = Members { client_id: text(b, c), realm: text(0, a), ext_cache_key: text(c, d), key_id };
        (members, text(a, b))
    }

    /// The host.
    #[cfg(feature = "index")]
    pub(super) fn environment(&self) -> &str {
        let [.., d, e] = self.ends;
        self.texts.get(at(d)..at(e)).unwrap_or_default()
    }

    /// The scopes of the token, as [`Entry::scopes`] gives them.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        self.target().split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether the token's scopes are these, in this order and spelling. Faster than to take them apart.
    pub(super) fn are<'s, 'a>(&'s self, count: usize, mut wanted: impl Iterator<Item = &'a str>) -> bool {
        // With as many scopes as there are words, none of those wanted can be two words.
        if u32::try_from(count) != Ok(self.count) {
            return false;
        }
        let target = self.target().as_bytes();
        let after = |rest: &'s [u8], scope: &str| {
            let (first, rest) = rest.split_at_checked(scope.len())?;
            same(first, scope.as_bytes()).then_some(rest)
        };
        let first = wanted.next().and_then(|scope| after(target, scope));
        let rest = wanted.try_fold(first, |rest, scope| match rest?.split_first()? {
            (b' ', rest) => after(rest, scope).map(Some),
            _ => None,
        });
        rest.flatten().is_some_and(<[u8]>::is_empty)
    }

    fn target(&self) -> &str {
        let [.., end] = self.ends;
        self.texts.get(at(end)..).unwrap_or_default()
    }
}

fn to_u8(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

fn at(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}

impl Member {
    fn of(entry: &Entry, name: &str) -> Self {
        match entry.member(name) {
            None => Self::Missing,
            Some(value) if value.is_null() => Self::Null,
            Some(value) if value.is_string() => Self::Text,
            Some(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_of_the_entry() {
        for (target, expected) in [
            (r#""a b""#, &["a", "b"][..]),
            (r#"" a  b\t""#, &["a", "b"]),
            ("\"a\u{2003}b\"", &["a", "b"]),
            (r#""""#, &[]),
            ("null", &[]),
        ] {
            let entry = Entry::from_json(alloc::format!(r#"{{"target":{target}}}"#).as_bytes()).unwrap();
            let facts = Facts::of(&entry);
            assert!(facts.scopes().eq(expected.iter().copied()) && facts.scopes().eq(entry.scopes()), "{target}");
        }
    }

    #[test]
    fn what_is_found_is_what_the_members_say() {
        let many: String = (0..300).map(|n| alloc::format!(r#""a{n}":1,"#)).collect();
        for text in [
            r#"{"secret":"s","token_type":"Bearer","expires_on":"7","refresh_on":5,"target":"a"}"#,
            r#"{"a":1,"b":2,"secret":"s","token_type":"bearer","z":3}"#,
            r#"{"secret":7,"token_type":null}"#,
            r#"{"token_type":"pop"}"#,
            &alloc::format!(r#"{{{many}"secret":"far behind"}}"#),
        ] {
            let entry = Entry::from_json(text.as_bytes()).unwrap();
            let kept = Kept { entry: &entry, facts: &Facts::of(&entry) };
            assert_eq!(kept.secret(), entry.secret(), "{text}");
            assert_eq!(kept.token_type(), entry.token_type(), "{text}");
            assert_eq!((kept.expires_on(), kept.refresh_on()), (entry.expires_on(), entry.refresh_on()), "{text}");
        }
    }

    #[test]
    fn the_same_scopes_in_the_same_order() {
        let entry = Entry::from_json(br#"{"target":"a b  c"}"#).unwrap();
        let facts = Facts::of(&entry);
        for (wanted, expected) in [
            (&["a", "b", "c"][..], true),
            (&["b", "a", "c"], false),
            (&["a", "b"], false),
            (&["a", "b", "c", ""], false),
            (&["a b", "c"], false),
            (&["a b c", "", ""], false),
            (&["", "a b", "c"], false),
            (&["a", "b", "C"], false),
            (&[], false),
        ] {
            assert_eq!(facts.are(wanted.len(), wanted.iter().copied()), expected, "{wanted:?}");
        }
    }
}
