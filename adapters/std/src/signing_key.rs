//! Private keys by name, wherever they are: who answers when a machine asks for a signature.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use sansal::cert::PrivateKey;
use sansal::error::{AskError, Config, Error};
use sansal::jose::Jwk;
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal::pop::PopKey;

use crate::asks::Asks;
use crate::software_key::SoftwareKey;

/// A private key that signs where it is held: in memory ([`SoftwareKey`]), in a PKCS#11 token, in a key store of the operating
/// system, or behind a key service on the network.
///
/// A service that is asked over the network keeps time itself: give its requests a time-out, and answer
/// [`AskError::TimedOut`], [`AskError::Denied`] or [`AskError::Failed`]. The caller of the client gets it as
/// [`Error::Unanswered`]. An assertion is signed once in nine minutes, a proof of possession for each request.
///
/// ```
/// use sansal_std::sansal::error::AskError;
/// use sansal_std::sansal::key::{Algorithm, KeyProtection};
/// use sansal_std::{CertificateCredential, SigningKey};
///
/// /// A key of a cloud's key service.
/// struct CloudKey;
///
/// impl CloudKey {
///     fn post(&self, _alg: &str, _message: &[u8]) -> std::io::Result<Vec<u8>> {
///         Ok(vec![0; 256]) // here the service is asked
///     }
/// }
///
/// impl SigningKey for CloudKey {
///     fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
///         self.post(alg.as_str(), message).map_err(|why| match why.kind() {
///             std::io::ErrorKind::TimedOut => AskError::TimedOut,
///             std::io::ErrorKind::PermissionDenied => AskError::Denied,
///             _ => AskError::Failed,
///         })
///     }
///
///     fn protection(&self) -> KeyProtection {
///         KeyProtection::Hardware
///     }
/// }
///
/// let credential = CertificateCredential::held(CloudKey).thumbprint("2e9e65103f3507b7d386d6ffff2a88b494b427d6");
/// ```
pub trait SigningKey: Send + Sync {
    /// The JOSE signature over `message`, which is hashed here (RFC 7518 s3): for ES256 r and s, not DER.
    ///
    /// # Errors
    /// [`AskError`] says why not: [`AskError::NotSupported`] for an algorithm that is not the key's.
    fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError>;

    /// The public half. Proofs of possession need it; an assertion with a certificate does not.
    ///
    /// # Errors
    /// [`AskError`] says why not; unless it is written, [`AskError::NotSupported`].
    fn public_key(&self) -> Result<Jwk, AskError> {
        Err(AskError::NotSupported)
    }

    /// What keeps the key from being copied. It travels with the tokens that are bound to the key.
    fn protection(&self) -> KeyProtection;
}

impl<K: SigningKey + ?Sized> SigningKey for Arc<K> {
    fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        (**self).sign(alg, message)
    }

    fn public_key(&self) -> Result<Jwk, AskError> {
        (**self).public_key()
    }

    fn protection(&self) -> KeyProtection {
        (**self).protection()
    }
}

/// Keys by name. Those that it makes itself are in memory and nowhere else: they end with the process. `Debug` shows the names.
#[derive(Default)]
pub struct Keys(RwLock<BTreeMap<KeyName, Arc<dyn SigningKey>>>);

impl Keys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a key in memory in under this name; one that had the name before goes.
    ///
    /// # Errors
    /// [`Config::Credential`] when this build cannot sign with it.
    pub fn add(&self, name: KeyName, key: &PrivateKey) -> Result<(), Config> {
        self.hold(name, SoftwareKey::new(key)?);
        Ok(())
    }

    /// Takes any key in under this name; one that had the name before goes.
    pub fn hold(&self, name: KeyName, key: impl SigningKey + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(key));
    }

    /// The key of this name, for proofs of possession: it signs where it is held.
    ///
    /// # Errors
    /// [`Error::Unanswered`] when there is none, or its public half cannot be had; [`Error::Config`] when it is not for the
    /// algorithm.
    pub fn pop_key(&self, name: &KeyName, alg: Algorithm) -> Result<PopKey, Error> {
        let unanswered = |why| Error::Unanswered { ask: "public key", why };
        let key = self.get(name).map_err(unanswered)?;
        let public = key.public_key().map_err(unanswered)?;
        Ok(PopKey::external(name.clone(), alg, &public)?.protected_by(key.protection()))
    }

    /// Not kept while it signs, which may take a while.
    fn get(&self, name: &KeyName) -> Result<Arc<dyn SigningKey>, AskError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned().ok_or(AskError::NotFound)
    }
}

impl Asks for Keys {
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        self.get(key)?.sign(alg, message)
    }

    fn public_key(&self, key: &KeyName) -> Result<(Jwk, KeyProtection), AskError> {
        let key = self.get(key)?;
        Ok((key.public_key()?, key.protection()))
    }

    /// The name is the thumbprint of the public half (RFC 7638).
    fn generate_key(&self, alg: Algorithm) -> Result<KeyName, AskError> {
        let key = SoftwareKey::generate(alg)?;
        let name = KeyName(key.public_key()?.thumbprint());
        self.hold(name.clone(), key);
        Ok(name)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.read().unwrap_or_else(PoisonError::into_inner).keys()).finish()
    }
}
