//! The members of an entry in one list, in the order of their names. The names of the format take no memory of their own.

use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;

use crate::json::{Members, Value, wipe};

/// The name of a member.
pub(super) type Name = Cow<'static, str>;

/// Members of MSAL's entries in the order of their names, and whether they are the token or say something about it.
const KNOWN: [(&str, bool); 30] = [
    ("account_source", false),
    ("alternative_account_id", false),
    ("authority_type", false),
    ("cached_at", true),
    ("client_id", true),
    ("client_info", false),
    ("credential_type", true),
    ("environment", true),
    ("expires_on", true),
    ("ext_cache_key", true),
    ("extended_expires_on", true),
    ("family_id", true),
    ("home_account_id", true),
    ("keyId", true),
    ("key_id", true),
    ("kid", true),
    ("last_modification_app", false),
    ("last_modification_time", true),
    ("local_account_id", false),
    ("name", false),
    ("oboCacheKey", false),
    ("realm", true),
    ("refresh_on", true),
    ("requestedClaims", true),
    ("secret", true),
    ("target", true),
    ("tenantProfiles", false),
    ("token_type", true),
    ("user_assertion_hash", true),
    ("username", false),
];

fn known(text: &str) -> Option<&'static (&'static str, bool)> {
    KNOWN.get(KNOWN.binary_search_by(|(name, _)| (*name).cmp(text)).ok()?)
}

/// Whether a member is the token or says something about it: they go together.
pub(super) fn is_of_a_token(text: &str) -> bool {
    known(text).is_some_and(|(_, is)| *is)
}

/// A name as it is kept.
pub(super) fn name(text: &str) -> Name {
    known(text).map_or_else(|| Cow::Owned(text.to_owned()), |(known, _)| Cow::Borrowed(*known))
}

/// Members in the order of their names, each name once. Their texts are zeroed on drop.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Fields(Vec<(Name, Value)>);

impl Fields {
    /// None yet, and room for this many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| (**own).cmp(name))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        // Most names differ in their length already, which costs less than to compare a few of them in order.
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, value)| value)
    }

    /// Sets a member; what stood there is zeroed.
    pub(super) fn set(&mut self, name: Name, value: Value) {
        // Most come in their order.
        let is_last = self.0.last().is_none_or(|(last, _)| **last < *name);
        match if is_last { Err(self.0.len()) } else { self.place(&name) } {
            Ok(place) => {
                if let Some((_, old)) = self.0.get_mut(place) {
                    wipe(&mut core::mem::replace(old, value));
                }
            }
            Err(place) => self.0.insert(place, (name, value)),
        }
    }

    /// Removes a member and zeroes it.
    pub(super) fn remove(&mut self, name: &str) {
        if let Ok(place) = self.place(name) {
            wipe(&mut self.0.remove(place).1);
        }
    }

    /// Names and values, in the order of the names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl From<Members> for Fields {
    fn from(members: Members) -> Self {
        // They come in the order of their names.
        Self(members.into_map().into_iter().map(|(text, value)| (name(&text), value)).collect())
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| wipe(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn names_that_are_known_take_no_memory() {
        assert!(KNOWN.is_sorted());
        assert!(
            KNOWN.iter().all(|(known, _)| matches!(name(&String::from(*known)), Cow::Borrowed(text) if text == *known))
        );
        assert!(matches!(name("x"), Cow::Owned(text) if text == "x"));
    }

    #[test]
    fn in_whatever_order_they_are_set() {
        let mut fields = Fields::default();
        for (position, text) in ["realm", "b", "zz", "a", "realm", "client_id", "b"].into_iter().enumerate() {
            fields.set(name(text), Value::from(position));
        }
        let expected = [("a", 3), ("b", 6), ("client_id", 5), ("realm", 4), ("zz", 2)];
        let expected = expected.map(|(name, value)| (name, Value::from(value)));
        assert!(fields.iter().eq(expected.iter().map(|(name, value)| (*name, value))));
        assert_eq!((fields.get("b"), fields.get("c")), (Some(&Value::from(6)), None));
        fields.remove("b");
        fields.remove("c");
        assert!(fields.iter().map(|(name, _)| name).eq(["a", "client_id", "realm", "zz"]));
    }
}
