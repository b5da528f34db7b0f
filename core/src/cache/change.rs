//! What is to be written, as data: one delta for memory, file merge, Redis and flash.

use alloc::string::{String, ToString};
use core::fmt;

use super::entry::{Entry, Kind};
use super::slot;

/// One change to a token cache. Applying it twice is the same as applying it once.
#[derive(Clone, PartialEq)]
pub enum TokenChange {
    /// This entry stands at this place from now on, whatever stood there before.
    Put {
        /// The section of the file, such as `AccessToken`.
        section: String,
        /// The entry's key in its section.
        key: String,
        /// The whole entry.
        entry: Entry,
    },
    /// Nothing stands at this place from now on.
    Remove {
        /// The section of the file.
        section: String,
        /// The entry's key in its section.
        key: String,
    },
}

impl TokenChange {
    /// The section of the file, such as `AccessToken`.
    pub fn section(&self) -> &str {
        match self {
            Self::Put { section, .. } | Self::Remove { section, .. } => section,
        }
    }

    /// The entry's key in its section. It holds account and client identifiers, no secrets.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Remove { key, .. } => key,
        }
    }

    /// What will stand there; `None` for a removal.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Put { entry, .. } => Some(entry),
            Self::Remove { .. } => None,
        }
    }

    pub(super) fn put(kind: Kind, entry: Entry) -> Self {
        Self::Put { section: kind.section().to_string(), key: slot::key(kind, &entry), entry }
    }

    pub(super) fn remove(kind: Kind, key: String) -> Self {
        Self::Remove { section: kind.section().to_string(), key }
    }
}

/// Shows what happens in which section; keys hold account identifiers, which are personal data.
impl fmt::Debug for TokenChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.entry().is_some() { "Put" } else { "Remove" };
        write!(f, "{verb}({}, ..)", self.section())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_shows_no_secrets_and_no_people() {
        let entry = Entry::from_json(br#"{"secret":"planted","home_account_id":"planted"}"#).unwrap();
        assert_eq!(format!("{:?}", TokenChange::put(Kind::AccessToken, entry)), "Put(AccessToken, ..)");
        let gone = TokenChange::remove(Kind::Account, "planted".into());
        assert_eq!(format!("{gone:?}"), "Remove(Account, ..)");
    }
}
