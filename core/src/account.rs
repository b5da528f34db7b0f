//! Who is signed in: an account as MSAL knows it, to be listed, kept by the caller, and named in silent calls.

use alloc::string::{String, ToString};
use core::fmt;

use crate::cache::Entry;

/// A signed-in user. The caller may keep it as [`home_account_id`](Self::home_account_id) alone. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    home_account_id: String,
    environment: String,
    username: Option<String>,
    realm: Option<String>,
    local_account_id: Option<String>,
    authority_type: Option<String>,
    account_source: Option<String>,
}

impl Account {
    /// From what a caller kept: the id is enough for silent calls, and for removal together with the authority's host.
    pub fn with_home_account_id(home_account_id: &str, environment: &str) -> Self {
        Self {
            home_account_id: home_account_id.to_string(),
            environment: environment.to_string(),
            username: None,
            realm: None,
            local_account_id: None,
            authority_type: None,
            account_source: None,
        }
    }

    /// From an entry of the cache.
    pub fn from_entry(entry: &Entry) -> Self {
        let text = |name: &str| entry.text(name).map(ToString::to_string);
        Self {
            home_account_id: text("home_account_id").unwrap_or_default(),
            environment: text("environment").unwrap_or_default(),
            username: text("username"),
            realm: text("realm"),
            local_account_id: text("local_account_id"),
            authority_type: text("authority_type"),
            account_source: text("account_source"),
        }
    }

    /// `home_account_id`: the same for a user in every tenant. `uid.utid` at Entra.
    pub fn home_account_id(&self) -> &str {
        &self.home_account_id
    }

    /// The authority's host under which the account lies in the cache.
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// `preferred_username`, as the server spelled it. Not an identifier: names change.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The tenant of the cached entry; of several that the user has been in, an arbitrary one (G-49).
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The user's id in that tenant: `oid`, or `sub` where there is none.
    pub fn local_account_id(&self) -> Option<&str> {
        self.local_account_id.as_deref()
    }

    /// `MSSTS`, `ADFS`, `CLOUDSHELL`.
    pub fn authority_type(&self) -> Option<&str> {
        self.authority_type.as_deref()
    }

    /// The flow that signed the user in, where it is known: `authorization_code`, `password` …
    pub fn account_source(&self) -> Option<&str> {
        self.account_source.as_deref()
    }
}

/// Who somebody is, is personal.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(..)")
    }
}
