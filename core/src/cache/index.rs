//! Short digests under which entries are found: of keys, of accounts, of scopes. A digest only narrows the search;
//! whoever follows it compares the members themselves.

use core::hash::{BuildHasher, Hash, Hasher};

use hashbrown::DefaultHashBuilder;

use super::entry::Entry;

/// Sixty-four bits. They mean nothing outside the section that made them.
pub(super) type Posting = u64;

/// Makes digests, with a seed of its own.
///
/// Not SHA-256: four blocks of it cost more than all the rest of a look-up. Whoever chooses names (scopes, user names,
/// claims of a token) could make many entries share one digest only by knowing the seed, which is drawn when a section
/// is made and never leaves it; nothing that is given out depends on it. The hash is the one of `hashbrown`, in whose
/// tables the digests lie; its seed comes from addresses, so it differs between processes where the system randomizes
/// those. Where it does not (bare metal) and names are hostile, entries that share a digest cost time, never a wrong
/// answer.
#[derive(Clone, Default)]
pub(super) struct Digests(DefaultHashBuilder);

/// The access tokens that differ in scopes and scheme only.
#[derive(Clone, Copy)]
pub(super) struct Partition<'a> {
    digests: &'a Digests,
    base: Posting,
}

impl Digests {
    /// The place named by a key.
    pub(super) fn of_key(&self, key: &str) -> Posting {
        let mut hash = self.start(b'k');
        key.hash(&mut hash);
        hash.finish()
    }

    /// All entries of an account in an environment; no account and an empty one are the same.
    pub(super) fn of_account(&self, environment: &str, home_account_id: Option<&str>) -> Posting {
        let mut hash = self.start(b'a');
        home_account_id.unwrap_or_default().hash(&mut hash);
        lower_case(&mut hash, environment);
        hash.finish()
    }

    pub(super) fn partition(
        &self,
        client_id: Option<&str>,
        environment: &str,
        realm: Option<&str>,
        home_account_id: Option<&str>,
        ext_cache_key: Option<&str>,
    ) -> Partition<'_> {
        let mut hash = self.start(b'p');
        for member in [client_id, realm, home_account_id, ext_cache_key] {
            // `str` ends with a byte that is in no text, so that neighbours cannot flow into one another.
            member.unwrap_or_default().hash(&mut hash);
        }
        lower_case(&mut hash, environment);
        Partition { digests: self, base: hash.finish() }
    }

    /// As [`partition`](Self::partition), whatever the account.
    pub(super) fn any_account(
        &self,
        client_id: Option<&str>,
        environment: &str,
        realm: Option<&str>,
        ext_cache_key: &str,
    ) -> Partition<'_> {
        let mut hash = self.start(b'x');
        for member in [client_id.unwrap_or_default(), realm.unwrap_or_default(), ext_cache_key] {
            member.hash(&mut hash);
        }
        lower_case(&mut hash, environment);
        Partition { digests: self, base: hash.finish() }
    }

    /// For entries with an extended key.
    pub(super) fn any_account_of(&self, entry: &Entry) -> Option<Partition<'_>> {
        let environment = entry.text("environment").unwrap_or_default();
        entry
            .filled("ext_cache_key")
            .map(|ext| self.any_account(entry.text("client_id"), environment, entry.text("realm"), ext))
    }

    pub(super) fn partition_of(&self, entry: &Entry) -> Partition<'_> {
        self.partition(
            entry.text("client_id"),
            entry.text("environment").unwrap_or_default(),
            entry.text("realm"),
            entry.text("home_account_id"),
            entry.text("ext_cache_key"),
        )
    }

    fn start(&self, purpose: u8) -> impl Hasher {
        let mut hash = self.0.build_hasher();
        hash.write_u8(purpose);
        hash
    }
}

impl Partition<'_> {
    /// All its tokens.
    pub(super) fn all(self) -> Posting {
        self.base
    }

    /// The tokens of the partition that have this scope, in any case of its letters.
    pub(super) fn scope(self, scope: &str) -> Posting {
        let mut hash = self.digests.start(b's');
        hash.write_u64(self.base);
        lower_case(&mut hash, scope);
        hash.finish()
    }

    /// The tokens of the partition that have exactly these scopes, in any order.
    pub(super) fn scopes<'a>(self, scopes: impl Iterator<Item = &'a str>) -> Posting {
        // A sum does not depend on the order, so nothing has to be sorted, and nothing allocated.
        let sum = scopes.fold(self.base, |sum, scope| sum.wrapping_add(self.scope(scope)));
        let mut hash = self.digests.start(b'e');
        hash.write_u64(sum);
        hash.finish()
    }
}

/// So much of a text is turned into lower case at once, on the stack.
const PIECE: usize = 128;

/// Feeds a text as if it were lower case, without allocating. The hash sees pieces of the same lengths for texts that
/// are the same in lower case, however they are spelled.
fn lower_case(hash: &mut impl Hasher, text: &str) {
    let mut buffer = [0_u8; PIECE];
    if text.is_ascii() {
        for piece in text.as_bytes().chunks(PIECE) {
            if let Some(lower) = buffer.get_mut(..piece.len()) {
                lower.copy_from_slice(piece);
                lower.make_ascii_lowercase();
                hash.write(lower);
            }
        }
    } else {
        let mut length = 0_usize;
        for letter in lowered(text) {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                if length == PIECE {
                    hash.write(&buffer);
                    length = 0;
                }
                if let Some(place) = buffer.get_mut(length) {
                    *place = byte;
                }
                length = length.saturating_add(1);
            }
        }
        hash.write(buffer.get(..length).unwrap_or_default());
    }
    hash.write_u8(0xff);
}

/// The letters of a text in lower case.
pub(super) fn lowered(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_do_not_flow_into_one_another() {
        let digests = Digests::default();
        let digest = |client, realm, home| digests.partition(client, "e", realm, home, None).base;
        let base = digest(Some("ab"), Some("c"), None);
        assert_ne!(base, digest(Some("a"), Some("bc"), None));
        assert_ne!(base, digest(Some("ab"), None, Some("c")));
        assert_eq!(base, digest(Some("ab"), Some("c"), Some("")));
        assert_ne!(digests.of_account("e", Some("a")), digests.of_account("ea", None));
    }

    #[test]
    fn scopes_in_any_order_and_case() {
        let digests = Digests::default();
        let partition = digests.partition(Some("c"), "Login.Example", None, None, None);
        let same = digests.partition(Some("c"), "login.example", None, None, None);
        let digest = |scopes: &[&str]| partition.scopes(scopes.iter().copied());
        assert_eq!(digest(&["User.Read", "b"]), same.scopes(["B", "user.read"].into_iter()));
        assert_ne!(digest(&["a", "b"]), digest(&["a"]));
        assert_ne!(digest(&["a"]), digest(&["a", "a"]));
        assert_ne!(digest(&["a"]), partition.scope("a"));
    }

    #[test]
    fn lower_case_of_any_length_and_spelling() {
        let digests = Digests::default();
        let partition = digests.partition(None, "e", None, None, None);
        for length in [0, 1, 127, 128, 129, 255, 256, 257] {
            // The Kelvin sign is a `k` in lower case; three bytes become one.
            let (plain, upper, odd) = ("k".repeat(length), "K".repeat(length), "\u{212a}".repeat(length));
            assert_eq!(partition.scope(&plain), partition.scope(&upper), "{length}");
            assert_eq!(partition.scope(&plain), partition.scope(&odd), "{length}");
            assert_ne!(partition.scope(&plain), partition.scope(&"k".repeat(length + 1)));
        }
    }
}
