//! A token store outside this process, as the driver sees it.

use sansal::cache::TokenChange;
use sansal::error::CommitError;
use sansal::flow::Partition;

/// Keeps tokens elsewhere: in a file, a database, another process.
///
/// A driver calls it from one thread at a time, and meanwhile serves tokens from memory to the others: what is read and
/// written arrives in memory in the order in which it happened elsewhere.
pub trait Persistence: Send + Sync {
    /// What has to change in memory so that this partition is what is stored elsewhere. Default: nothing.
    fn load(&self, partition: &Partition) -> Vec<TokenChange> {
        let _ = partition;
        Vec::new()
    }

    /// Writes changes, before anybody gets the token.
    ///
    /// # Errors
    /// [`CommitError`]; the token is not lost, [`Token::stored`](sansal::Token::stored) tells about it.
    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError>;
}
