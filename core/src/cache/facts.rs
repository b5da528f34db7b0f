//! What a look-up compares, taken out of an access token once, when it is put: a walk over its members costs more than
//! all the rest of a look-up. The members stay what counts; nothing here is written anywhere.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

use super::Scheme;
use super::entry::{Entry, KEY_ID, instant, says_bound};
#[cfg(feature = "index")]
use super::index::Members;
use super::lookup::{Lookup, Matching};
use super::mix::same;
use crate::client::is_scope_token;
use crate::json::Value;
use crate::text;
use crate::time::UnixTime;

/// As most servers spell it.
const BEARER: &str = "Bearer";

#[derive(Clone)]
pub(crate) struct Facts {
    expires_on: Maybe,
    refresh_on: Maybe,
    cached_at: Maybe,
    /// Whether it has all that a token needs to be used.
    is_usable: bool,
    is_bound: bool,
    /// Whether its scopes are what RFC 6749 s3.3 calls so.
    is_well_formed: bool,
    /// Whether its type is spelled as most are.
    is_plain_bearer: bool,
    client_id: Member,
    home_account_id: Member,
    /// Tenant, account, client, extended key, host and scopes, one after the other.
    texts: Box<str>,
    /// How long each of them but the last is.
    lengths: [u32; 5],
    /// How many scopes.
    count: u32,
}

/// An access token that was found, with what is known of it. Its members need not be searched again.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(super) entry: &'a Entry,
    pub(super) facts: &'a Facts,
    /// Whether the scopes that were looked for are its own, letter by letter.
    pub(super) is_exact: bool,
}

impl<'a> Kept<'a> {
    /// Whether the scopes that were looked for are well-formed, as far as that is known without looking at them.
    pub(crate) fn is_asked_well(&self) -> bool {
        self.is_exact && self.facts.is_well_formed
    }

    /// The token.
    pub(crate) fn secret(&self) -> &'a str {
        self.entry.secret()
    }

    #[inline]
    pub(crate) fn token_type(&self) -> Cow<'static, str> {
        match self.facts.is_plain_bearer {
            true => Cow::Borrowed(BEARER),
            false => Cow::Owned(self.entry.token_type().into()),
        }
    }

    pub(crate) fn expires_on(&self) -> Option<UnixTime> {
        self.facts.expires_on()
    }

    pub(crate) fn refresh_on(&self) -> Option<UnixTime> {
        self.facts.refresh_on()
    }
}

/// An instant, if there is one, in the room of one. What entries say is never as late as the last one, which stands for none.
#[derive(Clone, Copy)]
struct Maybe(u64);

impl Maybe {
    const NONE: u64 = u64::MAX;

    fn of(instant: Option<UnixTime>) -> Self {
        Self(instant.map_or(Self::NONE, |instant| instant.0))
    }

    fn get(self) -> Option<UnixTime> {
        (self.0 != Self::NONE).then_some(UnixTime(self.0))
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

/// The members that say something of a look-up's interest.
const NAMES: [&str; 11 + KEY_ID.len()] = {
    let [a, b, c] = KEY_ID;
    [
        "realm",
        "home_account_id",
        "client_id",
        "ext_cache_key",
        "environment",
        "target",
        "credential_type",
        "token_type",
        "expires_on",
        "refresh_on",
        "cached_at",
        a,
        b,
        c,
    ]
};

impl Facts {
    pub(super) fn of<'a>(entry: &'a Entry) -> Self {
        // One walk over all members costs less than a search for each.
        let mut found = [None; NAMES.len()];
        for (name, value) in entry.others().iter() {
            let place = NAMES.iter().position(|known| *known == name);
            if let Some(place) = place.and_then(|place| found.get_mut(place)) {
                *place = Some(value);
            }
        }
        let [tenant, account, client, ext, host, target, kind, token_type, ends, refresh, cached, keys @ ..] = found;
        let as_text = |value: Option<&'a Value>| value.and_then(Value::as_str);
        let is_usable = as_text(host).is_some() && as_text(tenant).is_some() && !entry.secret().is_empty();
        let is_filled = |value: &Option<&'a Value>| as_text(*value).is_some_and(|text| !text.is_empty());
        let all = [tenant, account, client, ext, host].map(|value| as_text(value).unwrap_or_default());
        let target = as_text(target).unwrap_or_default();
        let length = all.iter().map(|text| text.len()).fold(target.len(), usize::saturating_add);
        let mut texts = String::with_capacity(length);
        all.iter().for_each(|text| texts.push_str(text));
        let (mut count, mut is_well_formed) = (0_u32, true);
        for scope in text::words(target) {
            texts.push_str(if count == 0 { "" } else { " " });
            texts.push_str(scope);
            count = count.saturating_add(1);
            is_well_formed &= is_scope_token(scope);
        }
        let token_type = as_text(token_type).filter(|text| !text.is_empty()).unwrap_or(BEARER);
        let instant = |value: Option<&'a Value>| Maybe::of(value.and_then(instant));
        Self {
            expires_on: instant(ends),
            refresh_on: instant(refresh),
            cached_at: instant(cached),
            is_usable,
            is_bound: says_bound(as_text(kind), token_type) || keys.iter().any(is_filled),
            is_well_formed,
            is_plain_bearer: token_type == BEARER,
            client_id: Member::of(client),
            home_account_id: Member::of(account),
            texts: texts.into_boxed_str(),
            // An entry of four gigabytes is found never.
            lengths: all.map(|text| u32::try_from(text.len()).unwrap_or(u32::MAX)),
            count,
        }
    }

    /// When the token ends. `None`: it is never used, for that or for another reason.
    #[inline]
    pub(super) fn end(&self) -> Option<UnixTime> {
        self.expires_on().filter(|_| self.is_usable)
    }

    /// When it ends, used or not.
    pub(super) fn expires_on(&self) -> Option<UnixTime> {
        self.expires_on.get()
    }

    pub(super) fn refresh_on(&self) -> Option<UnixTime> {
        self.refresh_on.get()
    }

    pub(super) fn cached_at(&self) -> Option<UnixTime> {
        self.cached_at.get()
    }

    /// Whether both are of bearer tokens of the same tenant, account, client, extended key, host and scopes.
    #[cfg(feature = "index")]
    pub(super) fn lie_as(&self, other: &Self) -> bool {
        !self.is_bound && !other.is_bound && self.lengths == other.lengths && self.texts == other.texts
    }

    /// Whether the token is what was asked for, but for its scopes; the account counts only if `of_account` says so.
    #[inline]
    pub(super) fn fit<S>(&self, lookup: &Lookup<'_, S>, of_account: bool, entry: &Entry) -> bool {
        let is_member = |member: Member, text: &[u8], wanted: Option<&str>| match (wanted, lookup.matching) {
            (Some(wanted), _) => member == Member::Text && same(text, wanted.as_bytes()),
            (None, Matching::Reference) => member == Member::Null,
            (None, Matching::Tolerant) => text.is_empty() && member != Member::Other,
        };
        let Some([tenant, account, client, ext, host]) = self.parts().filter(|_| self.end().is_some()) else {
            return false;
        };
        let wanted = lookup.environment.as_bytes();
        let is_scheme = match lookup.scheme {
            Scheme::Bearer => !self.is_bound,
            bound @ Scheme::Bound { .. } => self.is_bound && bound.fits(entry),
        };
        is_scheme
            && same(tenant, lookup.realm.as_bytes())
            && (!of_account || is_member(self.home_account_id, account, lookup.home_account_id))
            && is_member(self.client_id, client, lookup.client_id)
            && lookup.ext_cache_key.map_or(ext.is_empty(), |key| same(ext, key.as_bytes()))
            && (same(host, wanted) || host.eq_ignore_ascii_case(wanted))
    }

    /// Tenant, account, client, extended key and host.
    #[inline]
    fn parts(&self) -> Option<[&[u8]; 5]> {
        let [a, b, c, d, e] = self.lengths;
        let (tenant, rest) = self.texts.as_bytes().split_at_checked(at(a))?;
        let (account, rest) = rest.split_at_checked(at(b))?;
        let (client, rest) = rest.split_at_checked(at(c))?;
        let (ext, rest) = rest.split_at_checked(at(d))?;
        let (host, _) = rest.split_at_checked(at(e))?;
        Some([tenant, account, client, ext, host])
    }

    /// What sets its partition apart, its account and its host. The entry is asked for the key of a bound token only.
    #[cfg(feature = "index")]
    pub(super) fn members<'a>(&'a self, entry: &'a Entry) -> (Members<'a>, &'a str, &'a str) {
        let parts = self.parts().unwrap_or_default();
        let [realm, account, client_id, ext_cache_key, host] =
            parts.map(|part| str::from_utf8(part).unwrap_or_default());
        let key_id = self.is_bound.then(|| entry.key_id().unwrap_or_default());
        (Members { client_id, realm, ext_cache_key, key_id }, account, host)
    }

    /// The scopes of the token, as [`Entry::scopes`] gives them.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        self.target().split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether the token's scopes are these, in this order and spelling. Faster than to take them apart.
    #[inline]
    pub(super) fn are<S: AsRef<str>>(&self, wanted: &[S]) -> bool {
        // With as many scopes as there are words, none of those wanted can be two words.
        if u32::try_from(wanted.len()) != Ok(self.count) {
            return false;
        }
        let mut rest = self.target().as_bytes();
        for (place, scope) in wanted.iter().enumerate() {
            let scope = scope.as_ref().as_bytes();
            if place > 0 {
                match rest.split_first() {
                    Some((b' ', after)) => rest = after,
                    _ => return false,
                }
            }
            match rest.split_at_checked(scope.len()) {
                Some((first, after)) if same(first, scope) => rest = after,
                _ => return false,
            }
        }
        rest.is_empty() && !wanted.is_empty()
    }

    #[inline]
    fn target(&self) -> &str {
        let begin = self.lengths.iter().fold(0, |sum: usize, length| sum.saturating_add(at(*length)));
        self.texts.get(begin..).unwrap_or_default()
    }
}

fn at(end: u32) -> usize {
    usize::try_from(end).unwrap_or(usize::MAX)
}

impl Member {
    fn of(member: Option<&Value>) -> Self {
        match member {
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
            r#"{"secret":"last"}"#,
            &alloc::format!(r#"{{{many}"secret":"far behind"}}"#),
        ] {
            let entry = Entry::from_json(text.as_bytes()).unwrap();
            let facts = &Facts::of(&entry);
            let kept = Kept { entry: &entry, facts, is_exact: true };
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
            assert_eq!(facts.are(wanted), expected, "{wanted:?}");
        }
    }
}
