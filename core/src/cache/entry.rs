//! One entry of the cache: a token, an account, or what is known of a client. Unknown members stay.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::fields::{Fields, Name};
use crate::error::{Error, What};
use crate::json::{self, Members, Value};
use crate::limits::MAX_RESPONSE;
use crate::text;
use crate::time::UnixTime;
use crate::token;

/// What an entry is, and in which section of the cache it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An access token, bound to a key or not.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// An ID token.
    IdToken,
    /// A signed-in account.
    Account,
    /// What is known of a client: its family.
    AppMetadata,
}

impl Kind {
    /// All of them, in the order in which a token response fills them.
    pub const ALL: [Self; 5] = [Self::AccessToken, Self::Account, Self::IdToken, Self::RefreshToken, Self::AppMetadata];

    /// The name of its section in the file.
    pub const fn section(self) -> &'static str {
        match self {
            Self::AccessToken => "AccessToken",
            Self::RefreshToken => "RefreshToken",
            Self::IdToken => "IdToken",
            Self::Account => "Account",
            Self::AppMetadata => "AppMetadata",
        }
    }

    /// The kind that lies in a section; `None` for sections of other libraries or later versions.
    pub fn of_section(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.section() == name)
    }
}

/// An entry as it stands in the file. Its texts are zeroed on drop; `Debug` shows the names of its members only.
///
/// A token's text lies apart from the other members: whoever looks for a token wants it and none of them.
#[derive(Clone, Default, PartialEq)]
pub struct Entry {
    /// The member `secret`, if it is a text.
    secret: Option<Text>,
    others: Fields,
}

/// The member that is a token.
const SECRET: &str = "secret";

/// A value that is a text, zeroed on drop.
#[derive(Clone, PartialEq)]
struct Text(Value);

impl Drop for Text {
    fn drop(&mut self) {
        json::wipe(&mut self.0);
    }
}

impl Entry {
    /// The token itself; empty for accounts, application metadata and malformed entries.
    #[inline]
    pub fn secret(&self) -> &str {
        self.secret.as_ref().and_then(|text| text.0.as_str()).unwrap_or_default()
    }

    /// A member as it stands there, null included.
    pub fn member(&self, name: &str) -> Option<&Value> {
        match &self.secret {
            Some(text) if name == SECRET => Some(&text.0),
            _ => self.others.get(name),
        }
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_str()
    }

    /// When the token ends. `None` when that is missing or unreadable: such an entry is kept, but never used.
    pub fn expires_on(&self) -> Option<UnixTime> {
        self.instant("expires_on")
    }

    /// When the token was stored, by the clock of whoever stored it.
    pub fn cached_at(&self) -> Option<UnixTime> {
        self.instant("cached_at")
    }

    /// From when on the token should be renewed although it lives.
    pub fn refresh_on(&self) -> Option<UnixTime> {
        self.instant("refresh_on")
    }

    /// When a refresh token was written last; 1970 if that is not known.
    pub fn last_modification_time(&self) -> UnixTime {
        self.instant("last_modification_time").unwrap_or_default()
    }

    /// `token_type`; `Bearer` when there is none, as other libraries leave it out.
    pub fn token_type(&self) -> &str {
        self.filled("token_type").unwrap_or("Bearer")
    }

    /// The scopes of the token, in the order in which they stand there. None when `target` is null or absent.
    pub fn scopes(&self) -> impl Iterator<Item = &str> + Clone {
        text::words(self.text("target").unwrap_or_default())
    }

    /// Whether the token works only together with a key: proof of possession, DPoP, mTLS, SSH certificates.
    pub fn is_bound(&self) -> bool {
        says_bound(self.text("credential_type"), self.token_type()) || self.key_id().is_some()
    }

    /// The key that the token is bound to, in the spellings of MSAL Python, .NET and JavaScript.
    pub fn key_id(&self) -> Option<&str> {
        KEY_ID.into_iter().find_map(|name| self.filled(name))
    }

    /// The members but for [`secret`](Self::secret), in the order of their names.
    pub(super) fn others(&self) -> &Fields {
        &self.others
    }

    /// All members, in the order of their names.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value)> {
        let is_before = |(name, _): &(&str, &Value)| *name < SECRET;
        let secret = self.secret.iter().map(|text| (SECRET, &text.0));
        self.others.iter().take_while(is_before).chain(secret).chain(self.others.iter().skip_while(is_before))
    }

    /// As JSON text, for stores that keep entry by entry. As secret as the token.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        super::json::entry_to_json(self)
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`Error::BadResponse`] when it is not a JSON object, or too long.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        json::parse_object(text, MAX_RESPONSE)
            .map(Self::from)
            .map_err(|why| Error::BadResponse { what: What::TokenCache, at: token::reason(why) })
    }

    /// Bytes that the entry needs in a file, with its key: what is written, but escapes are not counted.
    pub(super) fn weight(&self, key: &str) -> usize {
        fn of(value: &Value) -> usize {
            match value {
                Value::String(text) => text.len().saturating_add(2),
                Value::Array(all) => all.iter().map(of).fold(1, |sum, one| sum.saturating_add(one).saturating_add(1)),
                Value::Object(all) => members(all.iter().map(|(name, value)| (name.as_str(), value))),
                Value::Null | Value::Bool(_) | Value::Number(_) => super::json::length(value),
            }
        }
        fn members<'a>(all: impl Iterator<Item = (&'a str, &'a Value)>) -> usize {
            // Quotes, colon and comma.
            let each = all.map(|(name, value)| name.len().saturating_add(of(value)).saturating_add(4));
            each.fold(1, usize::saturating_add)
        }
        // In any order.
        let all = self.others.iter().chain(self.secret.iter().map(|text| (SECRET, &text.0)));
        members(all).saturating_add(key.len()).saturating_add(4)
    }

    /// A member that is a text with something in it.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// No members yet but the token, and room for this many others.
    pub(super) fn of_token(secret: String, others: usize) -> Self {
        Self { secret: Some(Text(Value::String(secret))), others: Fields::with_capacity(others) }
    }

    /// Sets a member. Cheapest in the order of the names, each of them one that is [known](super::fields::name).
    pub(super) fn set(&mut self, name: impl Into<Name>, value: impl Into<Value>) {
        self.set_value(name.into(), value.into());
    }

    /// Sets a member to a copy of this text, or to null.
    #[inline(never)]
    pub(super) fn set_text(&mut self, name: &'static str, text: Option<&str>) {
        self.set_value(Name::Borrowed(name), text.map_or(Value::Null, Value::from));
    }

    #[inline(never)]
    fn set_value(&mut self, name: Name, value: Value) {
        if name == SECRET {
            self.secret = None;
            if value.is_string() {
                self.others.remove(&name);
                self.secret = Some(Text(value));
                return;
            }
        }
        self.others.set(name, value);
    }

    pub(super) fn unset(&mut self, name: &str) {
        if name == SECRET {
            self.secret = None;
        }
        self.others.remove(name);
    }

    pub(super) fn instant(&self, name: &str) -> Option<UnixTime> {
        self.others.get(name).and_then(instant)
    }
}

/// Whether credential and token type are those of a token that is bound.
pub(super) fn says_bound(credential_type: Option<&str>, token_type: &str) -> bool {
    credential_type.is_some_and(|kind| kind.eq_ignore_ascii_case(super::WITH_AUTH_SCHEME))
        || !token_type.eq_ignore_ascii_case("Bearer")
}

/// The names of the member that tells which key a token is bound to.
pub(super) const KEY_ID: [&str; 3] = ["key_id", "kid", "keyId"];

/// Numbers of other libraries may be JSON numbers; what lies before 1970 is 1970.
pub(super) fn instant(value: &Value) -> Option<UnixTime> {
    token::integer(value).map(|seconds| UnixTime(u64::try_from(seconds).unwrap_or(0)))
}

impl From<Members> for Entry {
    fn from(mut others: Members) -> Self {
        let secret = others.text(SECRET).is_some().then(|| others.take(SECRET)).flatten().map(Text);
        Self { secret, others: others.into() }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")?;
        f.debug_set().entries(self.members().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn entry(text: &str) -> Entry {
        Entry::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn bound_or_not() {
        for (text, expected) in [
            ("{}", false),
            (r#"{"token_type":"Bearer"}"#, false),
            (r#"{"token_type":"bearer","key_id":null,"kid":""}"#, false),
            (r#"{"token_type":null}"#, false),
            (r#"{"token_type":"pop"}"#, true),
            (r#"{"token_type":"DPoP"}"#, true),
            (r#"{"token_type":"ssh-cert"}"#, true),
            (r#"{"token_type":"Bearer","key_id":"k"}"#, true),
            (r#"{"token_type":"Bearer","kid":"k"}"#, true),
            (r#"{"keyId":"k"}"#, true),
            (r#"{"credential_type":"accesstoken_with_authscheme"}"#, true),
        ] {
            assert_eq!(entry(text).is_bound(), expected, "{text}");
        }
    }

    #[test]
    fn the_token_is_a_member_as_others_are() {
        for (text, secret) in [
            (r#"{"a":1,"secret":"s","z":2}"#, "s"),
            (r#"{"secret":"s"}"#, "s"),
            (r#"{"secret":"s","z":null}"#, "s"),
            (r#"{"a":1,"secret":7,"z":2}"#, ""),
            (r#"{"secret":null}"#, ""),
            (r#"{"a":1}"#, ""),
            ("{}", ""),
        ] {
            let read = entry(text);
            let members: serde_json::Value = serde_json::from_str(text).unwrap();
            let members = members.as_object().unwrap();
            assert_eq!(read.to_json().as_slice(), text.as_bytes());
            assert!(read.members().eq(members.iter().map(|(name, value)| (name.as_str(), value))), "{text}");
            assert_eq!((read.secret(), read.member("secret")), (secret, members.get("secret")), "{text}");
            // However it comes to be there.
            let mut set = Entry::default();
            set.set("secret", "other");
            set.set("secret", 1);
            assert_eq!(set, entry(r#"{"secret":1}"#));
            set.set("secret", "other");
            members.iter().for_each(|(name, value)| set.set(name.clone(), value.clone()));
            if !members.contains_key("secret") {
                assert_ne!(set, read, "{text}");
                set.unset("secret");
            }
            assert_eq!(set, read, "{text}");
        }
    }

    #[test]
    fn instants_in_all_spellings() {
        for (text, expected) in [
            (r#"{"expires_on":"1700003600"}"#, Some(1_700_003_600)),
            (r#"{"expires_on":1700003600}"#, Some(1_700_003_600)),
            (r#"{"expires_on":1700003600.7}"#, Some(1_700_003_600)),
            (r#"{"expires_on":-1}"#, Some(0)),
            (r#"{"expires_on":null}"#, None),
            (r#"{"expires_on":"soon"}"#, None),
            (r#"{"expires_on":{}}"#, None),
            ("{}", None),
        ] {
            assert_eq!(entry(text).expires_on().map(|t| t.0), expected, "{text}");
        }
    }

    #[test]
    fn json_round_trip_and_debug() {
        let text = r#"{"a\"b":[1,"x",null,{"y":2.5}],"secret":"planted"}"#;
        let entry = entry(text);
        assert_eq!(entry.to_json().as_slice(), text.as_bytes());
        assert_eq!(format!("{entry:?}"), r#"Entry{"a\"b", "secret"}"#);
        assert!(Entry::from_json(b"[]").is_err());
    }
}
