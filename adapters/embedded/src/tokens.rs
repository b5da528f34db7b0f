//! Where tokens outlive a reset.

use sansal::cache::TokenCache;
use sansal::error::CommitError;
use sansal::time::UnixTime;

/// What outlives a reset.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The tokens, in MSAL's schema.
    pub tokens: TokenCache,
    /// The latest date that was known; a device without a clock goes on from there ([`Dates`](crate::Dates)).
    pub latest: UnixTime,
}

/// Keeps tokens over a reset.
pub trait TokenStore {
    /// What was saved last and is whole; `None` when there is nothing that can be used.
    fn load(&mut self) -> Option<Remembered>;

    /// Saves all tokens, with the latest date that is known. When the power fails meanwhile, the next [`load`](Self::load) finds
    /// the old ones or these.
    ///
    /// # Errors
    /// [`CommitError`]; the tokens serve until the next reset then.
    fn save(&mut self, tokens: &TokenCache, latest: UnixTime) -> Result<(), CommitError>;
}

impl<S: TokenStore + ?Sized> TokenStore for &mut S {
    fn load(&mut self) -> Option<Remembered> {
        (**self).load()
    }

    fn save(&mut self, tokens: &TokenCache, latest: UnixTime) -> Result<(), CommitError> {
        (**self).save(tokens, latest)
    }
}

/// Forgets everything at a reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTokenStore;

impl TokenStore for NoTokenStore {
    fn load(&mut self) -> Option<Remembered> {
        None
    }

    fn save(&mut self, _: &TokenCache, _: UnixTime) -> Result<(), CommitError> {
        Ok(())
    }
}
