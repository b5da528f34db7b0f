//! Short digests under which entries are found: of keys, of accounts, of scopes. A digest only narrows the search;
//! whoever follows it compares the members themselves.

use core::hash::{BuildHasher, Hasher};

use hashbrown::DefaultHashBuilder;

use super::lookup::{Lookup, Scheme};
use super::mix::{Letters, exact, fold};

/// Sixty-four bits. They mean nothing outside the section that made them.
pub(super) type Posting = u64;

/// Makes digests, with seeds of its own.
///
/// Not SHA-256: four blocks of it cost more than all the rest of a look-up. Whoever chooses names (scopes, user names,
/// claims of a token) could make many entries share one digest only by knowing the seeds, which are drawn when a section
/// is made and never leave it; nothing that is given out depends on them. They come from the hasher of `hashbrown`, whose
/// own comes from addresses, so they differ between processes where the system randomizes those. Where it does not (bare
/// metal) and names are hostile, entries that share a digest cost time, never a wrong answer.
#[derive(Clone)]
pub(super) struct Digests {
    /// One for each thing that is hashed, so that the same text is something else in another place.
    seeds: [u64; 16],
}

impl Default for Digests {
    fn default() -> Self {
        let random = DefaultHashBuilder::default();
        let mut number = 0_u64;
        let seeds = [0; 16].map(|_: u64| {
            number = number.wrapping_add(1);
            random.hash_one(number)
        });
        Self { seeds }
    }
}

/// The access tokens that differ in scopes only: same client, tenant, account, extended key and scheme.
#[derive(Clone, Copy)]
pub(super) struct Partition<'a> {
    digests: &'a Digests,
    base: Posting,
}

/// What sets partitions apart. Missing and empty are the same here. Not the host: an application has few, it chooses them
/// itself, and they are compared anyway.
pub(super) struct Members<'a> {
    pub(super) client_id: &'a str,
    pub(super) realm: &'a str,
    pub(super) ext_cache_key: &'a str,
    /// `None`: not bound to any.
    pub(super) key_id: Option<&'a str>,
}

impl<'a> Members<'a> {
    pub(super) fn wanted<S>(lookup: &Lookup<'a, S>) -> Self {
        Self {
            client_id: lookup.client_id.unwrap_or_default(),
            realm: lookup.realm,
            ext_cache_key: lookup.ext_cache_key.unwrap_or_default(),
            key_id: match lookup.scheme {
                Scheme::Bearer => None,
                Scheme::Bound { key_id, .. } => Some(key_id),
            },
        }
    }
}

impl Digests {
    /// The place named by a key.
    pub(super) fn of_key(&self, key: &str) -> Posting {
        let [seed, other, ..] = self.seeds;
        exact(seed, other, key)
    }

    /// All entries of an account in an environment; no account and an empty one are the same.
    pub(super) fn of_account(&self, environment: &str, home_account_id: Option<&str>) -> Posting {
        let [_, other, home, host, end, ..] = self.seeds;
        let sum = exact(home, other, home_account_id.unwrap_or_default());
        fold(sum.wrapping_add(Letters(environment).digest(host, other)), end)
    }

    /// A sum of digests under different seeds: the texts can be read side by side, and none can flow into its neighbour.
    pub(super) fn partition(&self, members: &Members<'_>, home_account_id: Option<&str>) -> Partition<'_> {
        let [_, other, _, _, _, client, tenant, home, ext, key, ..] = self.seeds;
        let mut base = exact(client, other, members.client_id)
            .wrapping_add(exact(tenant, other, members.realm))
            .wrapping_add(exact(home, other, home_account_id.unwrap_or_default()));
        if !members.ext_cache_key.is_empty() {
            base = base.wrapping_add(exact(ext, other, members.ext_cache_key));
        }
        if let Some(key_id) = members.key_id {
            base = base.wrapping_add(exact(key, other, key_id));
        }
        Partition { digests: self, base }
    }

    /// As [`partition`](Self::partition), whatever the account.
    pub(super) fn any_account(&self, members: &Members<'_>) -> Partition<'_> {
        let [.., any] = self.seeds;
        let Partition { digests, base } = self.partition(members, None);
        Partition { digests, base: fold(base, any) }
    }
}

impl Partition<'_> {
    /// All its tokens.
    pub(super) fn all(self) -> Posting {
        let [.., all, _] = self.digests.seeds;
        fold(self.base, all)
    }

    /// The tokens of the partition that have this scope, in any case of its letters.
    pub(super) fn scope(self, scope: &str) -> Posting {
        let [.., one, _, _] = self.digests.seeds;
        fold(self.base.wrapping_add(self.digest(scope)), one)
    }

    /// The tokens of the partition that have exactly these scopes, in any order.
    pub(super) fn scopes<'a>(self, scopes: impl Iterator<Item = &'a str>) -> Posting {
        let [.., exactly, _, _, _] = self.digests.seeds;
        // A sum does not depend on the order, so nothing has to be sorted, and nothing allocated.
        let sum = scopes.fold(self.base, |sum, scope| sum.wrapping_add(self.digest(scope)));
        fold(sum, exactly)
    }

    fn digest(self, scope: &str) -> u64 {
        let [_, other, .., seed, _, _, _, _] = self.digests.seeds;
        Letters(scope).digest(seed, other)
    }
}

/// What is hashed already needs no hash; the table takes digests as they are.
#[derive(Clone, Copy, Default)]
pub(super) struct AsItIs(u64);

impl BuildHasher for AsItIs {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members<'a>(client_id: &'a str, realm: &'a str) -> Members<'a> {
        Members { client_id, realm, ext_cache_key: "", key_id: None }
    }

    #[test]
    fn members_do_not_flow_into_one_another() {
        let digests = Digests::default();
        let digest = |client, realm, home| digests.partition(&members(client, realm), home).base;
        let base = digest("ab", "c", None);
        assert_ne!(base, digest("a", "bc", None));
        assert_ne!(base, digest("c", "ab", None));
        assert_ne!(base, digest("ab", "", Some("c")));
        assert_ne!(base, digest("AB", "c", None));
        assert_eq!(base, digest("ab", "c", Some("")));
        let bound = |key_id| digests.partition(&Members { key_id, ..members("ab", "c") }, None).base;
        assert!(base == bound(None) && base != bound(Some("")) && bound(Some("")) != bound(Some("k")));
        let ext = Members { ext_cache_key: "x", ..members("ab", "c") };
        assert_ne!(digests.any_account(&ext).base, digests.partition(&ext, None).base);
        assert_ne!(digests.of_account("e", Some("a")), digests.of_account("ea", None));
        assert_eq!(digests.of_account("Login.Example", None), digests.of_account("login.example", None));
    }

    #[test]
    fn scopes_in_any_order_and_case() {
        let digests = Digests::default();
        let partition = digests.partition(&members("c", ""), None);
        let digest = |scopes: &[&str]| partition.scopes(scopes.iter().copied());
        assert_eq!(digest(&["User.Read", "b"]), partition.scopes(["B", "user.read"].into_iter()));
        assert_ne!(digest(&["a", "b"]), digest(&["a"]));
        assert_ne!(digest(&["a"]), digest(&["a", "a"]));
        assert_ne!(digest(&["a"]), partition.scope("a"));
        assert_ne!(digest(&[]), partition.all());
    }
}
