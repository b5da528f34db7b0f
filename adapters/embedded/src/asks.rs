//! Who answers what is not asked of a server: displays, keys in a secure element, the application's own assertions.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sansal::Secret;
use sansal::error::AskError;
use sansal::flow::{Answer, Ask, Input};
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal::secret::SecretBytes;

/// Answers the questions of a machine that are not for a server. What a device does not have, it does not write: the default is
/// [`AskError::NotSupported`].
pub trait Asks {
    /// Shows a code to the user (RFC 8628 s3.3) and comes back at once.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn show_code(&mut self, code: &DeviceCodePrompt<'_>) -> Result<(), AskError> {
        let _ = code;
        Err(AskError::NotSupported)
    }

    /// Signs a message with a key that is held here; the signature as JOSE wants it (RFC 7518 s3): for ES256 r and s.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn sign(&mut self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        let _ = (key, alg, message);
        Err(AskError::NotSupported)
    }

    /// The public half of a key that is held here, as a JWK, and what keeps the private half: for a secure element
    /// [`KeyProtection::Hardware`].
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn public_key(&mut self, key: &KeyName) -> Result<(String, KeyProtection), AskError> {
        let _ = key;
        Err(AskError::NotSupported)
    }

    /// Makes a key pair whose private half stays here; its name.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn generate_key(&mut self, alg: Algorithm) -> Result<KeyName, AskError> {
        let _ = alg;
        Err(AskError::NotSupported)
    }

    /// Makes a client assertion (RFC 7521 s4.2) for this client, this audience and, where there is one, this path of a federated
    /// managed identity.
    ///
    /// # Errors
    /// [`AskError`] says why not.
    fn assertion(&mut self, client_id: &str, token_endpoint: &str, fmi_path: Option<&str>) -> Result<Secret, AskError> {
        let _ = (client_id, token_endpoint, fmi_path);
        Err(AskError::NotSupported)
    }
}

impl<A: Asks + ?Sized> Asks for &mut A {
    fn show_code(&mut self, code: &DeviceCodePrompt<'_>) -> Result<(), AskError> {
        (**self).show_code(code)
    }

    fn sign(&mut self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        (**self).sign(key, alg, message)
    }

    fn public_key(&mut self, key: &KeyName) -> Result<(String, KeyProtection), AskError> {
        (**self).public_key(key)
    }

    fn generate_key(&mut self, alg: Algorithm) -> Result<KeyName, AskError> {
        (**self).generate_key(alg)
    }

    fn assertion(&mut self, client_id: &str, token_endpoint: &str, fmi_path: Option<&str>) -> Result<Secret, AskError> {
        (**self).assertion(client_id, token_endpoint, fmi_path)
    }
}

/// What a user must be shown in a device code flow (RFC 8628 s3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceCodePrompt<'a> {
    /// What to type.
    pub user_code: &'a str,
    /// Where to type it.
    pub verification_uri: &'a str,
    /// The address with the code in it, for a QR code.
    pub verification_uri_complete: Option<&'a str>,
    /// The server's own sentence.
    pub message: Option<&'a str>,
    /// Seconds until the code is worthless.
    pub expires_in: u64,
}

/// Whoever has the code can take part in the sign-in: not shown.
impl fmt::Debug for DeviceCodePrompt<'_> {
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

/// Lends the answer to one question to `step`.
pub(crate) fn answer<R>(asks: &mut impl Asks, ask: &Ask, step: impl FnOnce(Input<'_>) -> R) -> R {
    let failed = |why| Input::Answer(Answer::Failed(why));
    match ask {
        Ask::ShowCode { user_code, verification_uri, verification_uri_complete, message, expires_in } => {
            let prompt = DeviceCodePrompt {
                user_code,
                verification_uri,
                verification_uri_complete: verification_uri_complete.as_deref(),
                message: message.as_deref(),
                expires_in: *expires_in,
            };
            step(asks.show_code(&prompt).map_or_else(failed, |()| Input::Answer(Answer::Shown)))
        }
        Ask::Sign { key, alg, message } => match asks.sign(key, *alg, message).map(SecretBytes::new) {
            Ok(signature) => step(Input::Answer(Answer::Signature(signature.expose()))),
            Err(why) => step(failed(why)),
        },
        Ask::PublicKey { key } => match asks.public_key(key) {
            Ok((jwk, protection)) => step(Input::Answer(Answer::PublicKey { jwk: &jwk, protection })),
            Err(why) => step(failed(why)),
        },
        Ask::GenerateKey { alg } => {
            step(asks.generate_key(*alg).map_or_else(failed, |name| Input::Answer(Answer::Generated(name))))
        }
        Ask::Assertion { client_id, token_endpoint, fmi_path } => {
            match asks.assertion(client_id, token_endpoint, fmi_path.as_deref()) {
                Ok(assertion) => step(Input::Answer(Answer::Assertion(assertion.expose()))),
                Err(why) => step(failed(why)),
            }
        }
        // A device has no browser to come back from, and its files are its own affair.
        _ => step(failed(AskError::NotSupported)),
    }
}
