//! The token cache in MSAL's unified schema: a map that is only read here, and deltas that change it.
//!
//! ```text
//! find, search, accounts          read; nothing is allocated by `find`
//! record, expired, remove_…,
//! over_budget                     compute what is to be written: Vec<TokenChange>
//! apply                           writes it; the same delta goes to a file, Redis or flash
//! merge, salvage                  two writers of one file, and a file that somebody spoilt
//! from_json, to_json              the file that MSAL Python, .NET, Java and the Azure CLI share
//! ```
//!
//! The schema is in section 5 of the protocol reference: five sections, each a map from a key to an entry.

mod accounts;
mod budget;
mod change;
mod content;
mod difference;
mod entry;
mod facts;
mod fields;
mod file;
#[cfg(feature = "index")]
mod index;
mod json;
mod lookup;
mod merge;
#[cfg(feature = "index")]
mod mix;
#[cfg(feature = "index")]
mod places;
mod record;
mod remove;
mod salvage;
mod search;
#[cfg(feature = "index")]
mod section;
mod sections;
mod slot;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod transcripts;
#[cfg(not(feature = "index"))]
mod walked;

use alloc::vec::Vec;
use core::fmt;

pub use accounts::ACCOUNT_TYPES;
pub use budget::Limits;
pub use change::TokenChange;
pub use entry::{Entry, Kind};
pub(crate) use facts::Kept;
pub(crate) use lookup::Aged;
pub use lookup::{Found, Lookup, Matching, Scheme};
pub use record::TokenEvent;
pub use salvage::Salvaged;
pub use slot::ext_cache_key;

use crate::json::{Value, wipe};
use content::Content;
use section::Section;
use sections::Sections;
use slot::WITH_AUTH_SCHEME;
#[cfg(not(feature = "index"))]
use {walked as section, walked as index, walked as mix};

/// Tokens, accounts and what is known of clients.
///
/// ```
/// use sansal::cache::{Found, Lookup, Matching, Scheme, TokenCache, TokenEvent};
/// use sansal::time::UnixTime;
/// use sansal::token::TokenResponse;
///
/// let response = TokenResponse::parse(br#"{"access_token":"at","expires_in":3600}"#)?;
/// let event = TokenEvent {
///     client_id: Some("my-app"),
///     scopes: &["https://graph.microsoft.com/.default"],
///     token_endpoint: Some("https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token"),
///     grant_type: "client_credentials",
///     ..TokenEvent::new(&response)
/// };
/// let mut cache = TokenCache::new();
/// let changes = cache.record(&event, UnixTime(1_700_000_000))?;
/// cache.apply(changes);
///
/// let lookup = Lookup {
///     client_id: Some("my-app"),
///     environment: "login.microsoftonline.com",
///     realm: "my-tenant",
///     home_account_id: None,
///     scopes: &["https://graph.microsoft.com/.default"],
///     ext_cache_key: None,
///     scheme: Scheme::Bearer,
///     matching: Matching::Tolerant,
/// };
/// assert!(matches!(cache.find(&lookup, UnixTime(1_700_000_000)), Found::Fresh(entry) if entry.secret() == "at"));
/// # Ok::<(), sansal::Error>(())
/// ```
#[derive(Clone, Default)]
#[doc(alias = "SerializableTokenCache")]
pub struct TokenCache {
    sections: Sections,
    changed: bool,
}

/// What stands under the name of a section.
#[derive(Clone)]
enum Body {
    Entries(Section),
    /// Not an object. It is kept until an entry is put there.
    Foreign(Value),
}

impl Body {
    fn empty(kind: Option<Kind>) -> Self {
        Self::Entries(Section::new(kind))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Self::Foreign(value) = self {
            wipe(value);
        }
    }
}

impl TokenCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes changes, in their order.
    pub fn apply(&mut self, changes: Vec<TokenChange>) {
        self.changed |= !changes.is_empty();
        for change in changes {
            let kind = Kind::of_section(change.section());
            match change {
                TokenChange::Put { section, key, entry } => {
                    let Some(body) = self.sections.or_insert_with(section, || Body::empty(kind)) else { continue };
                    if let Body::Foreign(_) = body {
                        *body = Body::empty(kind);
                    }
                    if let Body::Entries(section) = body {
                        section.put(key, Content::Entry(entry));
                    }
                }
                TokenChange::Remove { section, key } => {
                    // As in MSAL's map, the section is there from then on.
                    if let Some(Body::Entries(section)) = self.sections.or_insert_with(section, || Body::empty(kind)) {
                        section.remove(&key);
                    }
                }
            }
        }
    }

    /// Whether changes were applied since the cache was read or [saved](Self::mark_saved), even ones without effect.
    pub fn has_state_changed(&self) -> bool {
        self.changed
    }

    /// Says that what [`to_json`](Self::to_json) gave out is safe.
    pub fn mark_saved(&mut self) {
        self.changed = false;
    }

    fn section(&self, kind: Kind) -> Option<&Section> {
        // Access tokens come first, by the order of names; a look-up need not search for them.
        match self.sections.first() {
            Some((_, Body::Entries(section))) if section.kind() == Some(kind) => Some(section),
            _ => match self.sections.get(kind.section())? {
                Body::Entries(section) => Some(section),
                Body::Foreign(_) => None,
            },
        }
    }
}

/// Counts, no members: keys and entries hold secrets and people.
impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCache")?;
        let counts = Kind::ALL.into_iter().map(|kind| (kind, self.section(kind).map_or(0, Section::len)));
        f.debug_map().entries(counts).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn apply_touches_what_it_says_and_nothing_else() {
        let text = r#"{"AccessToken":{"a":{"n":1},"b":{"n":2},"c":7},"Account":5,"IdToken":null,"X":{"k":{}}}"#;
        let mut cache = TokenCache::from_json(text.as_bytes()).unwrap();
        let entry = Entry::from_json(br#"{"n":3}"#).unwrap();
        let put = |section: &str, key: &str| TokenChange::Put {
            section: section.into(),
            key: key.into(),
            entry: entry.clone(),
        };
        let remove = |section: &str, key: &str| TokenChange::Remove { section: section.into(), key: key.into() };
        let changes = [
            put("AccessToken", "a"),
            remove("AccessToken", "b"),
            remove("AccessToken", "nothing"),
            remove("Account", "nothing"),
            put("IdToken", "i"),
            remove("RefreshToken", "nothing"),
            put("Y", "y"),
        ];
        let expected = r#"{"AccessToken":{"a":{"n":3},"c":7},"Account":5,"IdToken":{"i":{"n":3}},"RefreshToken":{},"X":{"k":{}},"Y":{"y":{"n":3}}}"#;
        for _ in 0..2 {
            cache.apply(changes.to_vec());
            assert_eq!(core::str::from_utf8(&cache.to_json()), Ok(expected));
        }
    }

    #[test]
    fn changed_or_not() {
        // Section 5.9 of the reference.
        let mut cache = TokenCache::new();
        cache.apply(Vec::new());
        assert!(!cache.has_state_changed());
        cache.apply(Vec::from([TokenChange::Remove { section: "Account".into(), key: "nothing".into() }]));
        assert!(cache.has_state_changed());
        cache.mark_saved();
        assert!(!cache.has_state_changed());
        assert!(!TokenCache::from_json(b"{\"Account\":{}}").unwrap().has_state_changed());
    }

    #[test]
    fn debug_shows_counts_only() {
        let cache = testing::cache(&[("planted", &testing::token("planted", r#""secret":"planted""#))]);
        let shown = format!("{cache:?}");
        assert!(shown.contains("AccessToken: 1") && !shown.contains("planted"), "{shown}");
    }
}
