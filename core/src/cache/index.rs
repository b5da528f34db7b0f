//! Short digests under which entries are found: of keys, of accounts, of scopes. A digest only narrows the search;
//! whoever follows it compares the members themselves.

use sha2::{Digest, Sha256};

use super::entry::Entry;

/// Sixty-four bits of SHA-256, so that nobody who chooses names can make many entries share one.
pub(super) type Posting = u64;

/// The place named by a key.
pub(super) fn of_key(key: &str) -> Posting {
    finish(Sha256::new_with_prefix(b"key").chain_update(key))
}

/// All entries of an account in an environment; no account and an empty one are the same.
pub(super) fn of_account(environment: &str, home_account_id: Option<&str>) -> Posting {
    let hash = lower_case(part(Sha256::new_with_prefix(b"account"), home_account_id), environment);
    finish(hash)
}

/// The access tokens that differ in scopes and scheme only.
#[derive(Clone, Copy)]
pub(super) struct Partition(Posting);

impl Partition {
    pub(super) fn new(
        client_id: Option<&str>,
        environment: &str,
        realm: Option<&str>,
        home_account_id: Option<&str>,
        ext_cache_key: Option<&str>,
    ) -> Self {
        let mut hash = Sha256::new_with_prefix(b"partition");
        for member in [client_id, realm, home_account_id, ext_cache_key] {
            hash = part(hash, member);
        }
        Self(finish(lower_case(hash, environment)))
    }

    pub(super) fn of(entry: &Entry) -> Self {
        Self::new(
            entry.text("client_id"),
            entry.text("environment").unwrap_or_default(),
            entry.text("realm"),
            entry.text("home_account_id"),
            entry.text("ext_cache_key"),
        )
    }

    /// The tokens of the partition that have this scope, in any case of its letters.
    pub(super) fn scope(self, scope: &str) -> Posting {
        finish(lower_case(Sha256::new_with_prefix(self.0.to_le_bytes()), scope))
    }

    /// The tokens of the partition that have exactly these scopes, in any order.
    pub(super) fn scopes<'a>(self, scopes: impl Iterator<Item = &'a str>) -> Posting {
        // A sum does not depend on the order, so nothing has to be sorted, and nothing allocated.
        let sum = scopes.fold(self.0, |sum, scope| sum.wrapping_add(self.scope(scope)));
        finish(Sha256::new_with_prefix(b"scopes").chain_update(sum.to_le_bytes()))
    }
}

/// Feeds a member with its length, so that neighbours cannot flow into one another.
fn part(hash: Sha256, member: Option<&str>) -> Sha256 {
    let text = member.unwrap_or_default();
    let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
    hash.chain_update(len.to_le_bytes()).chain_update(text)
}

/// Feeds a text as if it were lower case, without allocating.
fn lower_case(mut hash: Sha256, text: &str) -> Sha256 {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return hash.chain_update(text);
    }
    for letter in lowered(text) {
        hash.update(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
    hash
}

/// The letters of a text in lower case.
pub(super) fn lowered(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn finish(hash: Sha256) -> Posting {
    hash.finalize().as_slice().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_do_not_flow_into_one_another() {
        let digest = |client, realm, home| Partition::new(client, "e", realm, home, None).0;
        let base = digest(Some("ab"), Some("c"), None);
        assert_ne!(base, digest(Some("a"), Some("bc"), None));
        assert_ne!(base, digest(Some("ab"), None, Some("c")));
        assert_eq!(base, digest(Some("ab"), Some("c"), Some("")));
        assert_ne!(of_account("e", Some("a")), of_account("ea", None));
    }

    #[test]
    fn scopes_in_any_order_and_case() {
        let partition = Partition::new(Some("c"), "Login.Example", None, None, None);
        let same = Partition::new(Some("c"), "login.example", None, None, None);
        let digest = |scopes: &[&str]| partition.scopes(scopes.iter().copied());
        assert_eq!(digest(&["User.Read", "b"]), same.scopes(["B", "user.read"].into_iter()));
        assert_ne!(digest(&["a", "b"]), digest(&["a"]));
        assert_ne!(digest(&["a"]), digest(&["a", "a"]));
        assert_ne!(digest(&["a"]), partition.scope("a"));
    }
}
