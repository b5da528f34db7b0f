//! The device's front: the console, and the keys of the secure element, by which it answers what flows ask.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use board::println;
use sansal::base64::url_encode;
use sansal::error::AskError;
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal_embedded::{Asks, DeviceCodePrompt};
use sha2::{Digest, Sha256};

use crate::device::Console;
use crate::element::{SLOT, SecureElement};

/// Keys go by the names of their slots.
pub(crate) struct Panel<S> {
    pub(crate) element: S,
}

/// The name of the key of tokens.
const NAME: &str = "element/0";

fn slot(key: &KeyName) -> Result<u8, AskError> {
    if key.0 == NAME { Ok(SLOT) } else { Err(AskError::NotFound) }
}

impl<S: SecureElement> Asks for Panel<S> {
    fn show_code(&mut self, code: &DeviceCodePrompt<'_>) -> Result<(), AskError> {
        Console.show_code(code)
    }

    fn generate_key(&mut self, alg: Algorithm) -> Result<KeyName, AskError> {
        if alg != Algorithm::Es256 {
            return Err(AskError::NotSupported);
        }
        self.element.generate(SLOT).map_err(|_| AskError::Failed)?;
        Ok(KeyName(NAME.into()))
    }

    fn public_key(&mut self, key: &KeyName) -> Result<(String, KeyProtection), AskError> {
        let both = self.element.public_key(slot(key)?).map_err(|_| AskError::Failed)?;
        let (x, y) = both.split_at(32);
        let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, url_encode(x), url_encode(y));
        Ok((jwk, KeyProtection::Hardware))
    }

    fn sign(&mut self, key: &KeyName, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        if alg != Algorithm::Es256 {
            return Err(AskError::NotSupported);
        }
        let signature = self.element.sign(slot(key)?, &Sha256::digest(message).into()).map_err(|_| AskError::Failed)?;
        println!("signed by the element");
        Ok(signature.to_vec())
    }
}
