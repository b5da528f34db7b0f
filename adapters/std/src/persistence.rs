//! A token store outside this process, as the driver sees it.

use sansal::cache::TokenChange;
use sansal::error::CommitError;
use sansal::flow::Partition;
use sansal::keys::{AcquireKey, ProcessKey};

use crate::lease::Lease;

/// Keeps tokens elsewhere: in a file, a database, another process.
///
/// A driver calls it from one thread at a time, and meanwhile serves tokens from memory to the others: what is read and
/// written arrives in memory in the order in which it happened elsewhere. Leases are asked for at any time.
pub trait Persistence: Send + Sync {
    /// What has to change in memory so that this partition is what is stored elsewhere. Default: nothing.
    fn load(&self, partition: &Partition) -> Vec<TokenChange> {
        let _ = partition;
        Vec::new()
    }

    /// Whether nothing has changed there since the last [`load`](Self::load), so that memory says the same. Asked before a token is
    /// taken from memory without a `load`, by many threads at a time, which must not wait: `false` is always an answer. Default: that.
    fn is_current(&self) -> bool {
        false
    }

    /// Writes changes, before anybody gets the token.
    ///
    /// # Errors
    /// [`CommitError`]; the token is not lost, [`Token::stored`](sansal::Token::stored) tells about it.
    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError>;

    /// Whether it has leases. Default: it has none.
    fn has_leases(&self) -> bool {
        false
    }

    /// The key that all processes of this store compute names of leases with; nothing when the store is away. Default: nothing.
    fn lease_key(&self) -> Option<ProcessKey> {
        None
    }

    /// Asks for the right to ask a server for a token. `key` stands for that token, computed under the
    /// [`lease_key`](Self::lease_key). Default: everybody may.
    fn lease(&self, key: &AcquireKey) -> Lease {
        let _ = key;
        Lease::Free
    }
}
