//! Who answers what is not asked of a server: signatures, assertions, browsers, displays and files.

use std::fmt;

use sansal::Secret;
use sansal::error::AskError;
use sansal::jose::Jwk;
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal::secret::SecretBytes;

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

    /// The public half of a key that is held here, and how the private half is protected.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn public_key(&self, key: &KeyName) -> Result<(Jwk, KeyProtection), AskError> {
        let _ = key;
        Err(AskError::NotSupported)
    }

    /// Makes a key pair and holds it; its name.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn generate_key(&self, alg: Algorithm) -> Result<KeyName, AskError> {
        let _ = alg;
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

    /// Opens an authorization request (RFC 6749 s4.1.1) in the user's browser and waits for it to come back to
    /// `redirect_uri`; the parameters it came back with, form-encoded.
    ///
    /// # Errors
    /// [`AskError`] says why not: [`AskError::TimedOut`] when the user did not finish in time.
    fn open_browser(&self, url: &str, redirect_uri: &str) -> Result<Secret, AskError> {
        let _ = (url, redirect_uri);
        Err(AskError::NotSupported)
    }

    /// Shows a code to the user (RFC 8628 s3.3) and comes back at once.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn show_code(&self, prompt: &DeviceCodePrompt) -> Result<(), AskError> {
        let _ = prompt;
        Err(AskError::NotSupported)
    }

    /// Reads the file `name`, which has no folder in it, in the folder `dir`.
    ///
    /// # Errors
    /// [`AskError`] says why not: [`AskError::TooLarge`] when it has more than `max_len` bytes.
    fn read_file(&self, dir: &str, name: &str, max_len: usize) -> Result<SecretBytes, AskError> {
        let _ = (dir, name, max_len);
        Err(AskError::NotSupported)
    }
}

/// What the maker of a client assertion is told.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionContext {
    /// `iss` and `sub` of the assertion.
    pub client_id: String,
    /// Its `aud`.
    pub token_endpoint: String,
    /// Microsoft's federated managed identity path, when the request has one.
    pub fmi_path: Option<String>,
}

/// What a user must be shown in a device code flow (RFC 8628 s3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCodePrompt {
    /// What to type.
    pub user_code: String,
    /// Where to type it.
    pub verification_uri: String,
    /// The address with the code in it, for a QR code.
    pub verification_uri_complete: Option<String>,
    /// The server's own sentence.
    pub message: Option<String>,
    /// Seconds until the code is worthless.
    pub expires_in: u64,
}

/// Whoever has the code can take part in the sign-in: not shown.
impl fmt::Debug for DeviceCodePrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCodePrompt")
            .field("verification_uri", &self.verification_uri)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Answers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAsks;

impl Asks for NoAsks {}
