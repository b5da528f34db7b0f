//! Keys in memory that sign by `ring`: RS256 and PS256 (RFC 7518 s3.3, s3.5). Each is parsed once.

use std::collections::BTreeMap;
use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use sansal::cert::PrivateKey;
use sansal::error::{AskError, Config};
use sansal::key::{Algorithm, KeyName};

use crate::asks::Asks;

/// RSA keys by name. `Debug` shows the names.
#[derive(Default)]
pub struct RingKeys(BTreeMap<KeyName, RsaKeyPair>);

impl RingKeys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a key in under this name; one that had the name before goes.
    ///
    /// # Errors
    /// [`Config::Credential`] when `ring` does not take it: it wants 2048 to 4096 bits and a consistent key.
    pub fn add(&mut self, name: KeyName, key: &PrivateKey) -> Result<(), Config> {
        if key.rsa_bits() > MAX_BITS {
            return Err(Config::Credential("the RSA key has more than 4096 bits, with which this build cannot sign"));
        }
        let pair = RsaKeyPair::from_der(key.pkcs1_der())
            .map_err(|_| Config::Credential("the RSA key's numbers do not fit together"))?;
        self.0.insert(name, pair);
        Ok(())
    }
}

/// `ring` signs with no longer key.
const MAX_BITS: usize = 4096;

impl Asks for RingKeys {
    fn sign(&self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        let pair = self.0.get(key).ok_or(AskError::NotFound)?;
        // ring's salt for PSS is as long as the digest, as RFC 7518 s3.5 wants it.
        let encoding: &'static dyn RsaEncoding = match alg {
            Algorithm::Rs256 => &RSA_PKCS1_SHA256,
            Algorithm::Ps256 => &RSA_PSS_SHA256,
            _ => return Err(AskError::NotSupported),
        };
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| AskError::Failed)?;
        Ok(signature)
    }
}

impl fmt::Debug for RingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
