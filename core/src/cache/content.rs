//! What stands under a key of a section: an entry, or something that is kept and never used.

use super::entry::Entry;
use crate::json::{Members, Value, wipe};

/// What stands at a place.
#[derive(PartialEq)]
pub(super) enum Content {
    /// An object: an entry, well formed or not.
    Entry(Entry),
    /// Something else. It is kept and never matched.
    Foreign(Value),
}

impl Content {
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Object(members) => Self::Entry(Entry::from(Members::from(members))),
            other => Self::Foreign(other),
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if let Self::Foreign(value) = self {
            wipe(value);
        }
    }
}

impl Clone for Content {
    fn clone(&self) -> Self {
        match self {
            Self::Entry(entry) => Self::Entry(entry.clone()),
            Self::Foreign(value) => Self::Foreign(value.clone()),
        }
    }
}
