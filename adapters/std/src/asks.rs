//! Who answers what is not asked of a server: signatures and assertions.

use sansal::Secret;
use sansal::error::AskError;
use sansal::key::{Algorithm, KeyName};

/// Answers the questions of a machine that are not for a server. What an implementation does not have, it does not
/// write: the default is [`AskError::NotSupported`].
pub trait Asks {
    /// Signs a message with a key that is held here; the signature as JOSE wants it (RFC 7518 s3).
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        let _ = (key, alg, message);
        Err(AskError::NotSupported)
    }

    /// Makes a client assertion (RFC 7521 s4.2).
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn assertion(&self, context: &AssertionContext) -> Result<Secret, AskError> {
        let _ = context;
        Err(AskError::NotSupported)
    }
}

/// What the maker of a client assertion is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionContext {
    /// `iss` and `sub` of the assertion.
    pub client_id: String,
    /// Its `aud`.
    pub token_endpoint: String,
    /// Microsoft's federated managed identity path, when the request has one.
    pub fmi_path: Option<String>,
}

/// Answers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAsks;

impl Asks for NoAsks {}
