//! Flows that lie somewhere between their legs, sealed: XChaCha20-Poly1305 (RFC 8439 s2.8, draft-irtf-cfrg-xchacha).
//!
//! A cookie, a file, a row: whoever can write there could change what is sent where, and whoever can read there could
//! finish the sign-in. So a saved flow is encrypted, and bound to its version, its kind, the client and the authority.
//! What opens was written by a holder of the key; it says nothing about whether it is the newest one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, Zeroizing};

use crate::base64::{url_decode, url_encode};
use crate::client::Client;
use crate::entropy::Entropy;
use crate::error::{Config, Error};
use crate::json::{Members, parse_object};
use crate::limits::MAX_SAVED_FLOW;

/// Stands before the sealed part, in the clear.
const VERSION: &str = "1.";
const NONCE: usize = 24;

/// What was saved: one kind never opens as another.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A device code flow whose user has not answered yet.
    DeviceFlow,
    /// An authorization code flow whose browser is not back yet.
    AuthCodeFlow,
}

impl Saved {
    const fn name(self) -> &'static str {
        match self {
            Self::DeviceFlow => "device_flow",
            Self::AuthCodeFlow => "auth_code_flow",
        }
    }
}

/// Seals and opens saved flows with one key, the same in every process that goes on with them.
#[derive(Clone)]
pub struct Sealer(Zeroizing<[u8; 32]>);

impl Sealer {
    /// Takes 32 random bytes that only this application has. Nonces are random and long: one key may serve for ever.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*key))
    }

    /// Seals what a flow must keep, for this client at its authority: a text for a cookie, a file, a form field.
    ///
    /// # Errors
    /// [`Error::NoEntropy`]; [`Config::SavedFlow`] when it is too large.
    pub fn seal(
        &self,
        what: Saved,
        client: &Client,
        members: &Members,
        entropy: &mut dyn Entropy,
    ) -> Result<String, Error> {
        let mut nonce = [0_u8; NONCE];
        entropy.fill(&mut nonce)?;
        let plain = members.to_json();
        // One allocation: what would be left behind by a growing buffer is not zeroed.
        let mut sealed = Zeroizing::new(Vec::with_capacity(plain.len().saturating_add(16)));
        sealed.extend_from_slice(&plain);
        let bound = bound(what, client);
        let done = self.cipher().encrypt_in_place(&XNonce::from(nonce), &bound, &mut *sealed);
        done.map_err(|_| Config::SavedFlow("it is too large"))?;
        let whole: Vec<u8> = nonce.iter().chain(sealed.iter()).copied().collect();
        let text = [VERSION, &url_encode(&whole)].concat();
        if text.len() > MAX_SAVED_FLOW { Err(Config::SavedFlow("it is too large").into()) } else { Ok(text) }
    }

    /// Opens what [`seal`](Self::seal) made for the same kind, client and authority, unaltered.
    ///
    /// # Errors
    /// [`Config::SavedFlow`]; which byte is wrong, or whether it is the key, is not said.
    pub fn open(&self, what: Saved, client: &Client, text: &str) -> Result<Members, Error> {
        if text.len() > MAX_SAVED_FLOW {
            return Err(Config::SavedFlow("it is too large").into());
        }
        let rest = text.strip_prefix(VERSION).ok_or(Config::SavedFlow("its version is not ours"))?;
        let whole = url_decode(rest).ok_or(Config::SavedFlow("it is not base64url"))?;
        let (nonce, sealed) = whole.split_first_chunk::<NONCE>().ok_or(Config::SavedFlow("it is too short"))?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let done = self.cipher().decrypt_in_place(&XNonce::from(*nonce), &bound(what, client), &mut *plain);
        done.map_err(|_| Config::SavedFlow("it was altered, or sealed elsewhere"))?;
        parse_object(&plain, MAX_SAVED_FLOW).map_err(|_| Config::SavedFlow("it is not a JSON object").into())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let mut key = Key::from(*self.0);
        let cipher = XChaCha20Poly1305::new(&key);
        key.zeroize();
        cipher
    }
}

/// What the seal is bound to; each part after its length, so that none runs into the next.
fn bound(what: Saved, client: &Client) -> Vec<u8> {
    let mut out = Vec::new();
    for part in ["sansal saved flow", VERSION, what.name(), client.client_id(), client.authority().as_str()] {
        // The same on machines of every word size.
        out.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::NoEntropy;
    use alloc::format;

    const AUTHORITY: &str = "https://login.microsoftonline.com/contoso";

    struct Counter(u8);
    impl Entropy for Counter {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill_with(|| {
                self.0 = self.0.wrapping_add(1);
                self.0
            });
            Ok(())
        }
    }

    fn client(id: &str, authority: &str) -> Client {
        Client::builder(id).authority(authority).build().unwrap()
    }

    fn members() -> Members {
        parse_object(br#"{"device_code":"planted","interval":5}"#, 100).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_same_and_nobody_else() {
        let (sealer, ours) = (Sealer::new(&[7; 32]), client("app", AUTHORITY));
        let mut entropy = Counter(0);
        let text = sealer.seal(Saved::DeviceFlow, &ours, &members(), &mut entropy).unwrap();
        let again = sealer.seal(Saved::DeviceFlow, &ours, &members(), &mut entropy).unwrap();
        assert!(text != again && !text.contains("planted"), "never the same twice");
        assert_eq!(sealer.open(Saved::DeviceFlow, &ours, &text).unwrap(), members());
        let cases = [
            (&sealer, Saved::AuthCodeFlow, client("app", AUTHORITY)),
            (&Sealer::new(&[8; 32]), Saved::DeviceFlow, client("app", AUTHORITY)),
            (&sealer, Saved::DeviceFlow, client("app2", AUTHORITY)),
            (&sealer, Saved::DeviceFlow, client("app", "https://login.microsoftonline.com/fabrikam")),
            (&sealer, Saved::DeviceFlow, client("app", "https://login.microsoftonline.us/contoso")),
        ];
        for (sealer, what, client) in cases {
            let opened = sealer.open(what, &client, &text);
            assert!(matches!(opened, Err(Error::Config(Config::SavedFlow(_)))), "{what:?}");
        }
    }

    #[test]
    fn every_bit_and_every_length_counts() {
        let (sealer, ours) = (Sealer::new(&[7; 32]), client("app", AUTHORITY));
        let text = sealer.seal(Saved::DeviceFlow, &ours, &members(), &mut Counter(0)).unwrap();
        let refused = |text: &str| {
            let opened = sealer.open(Saved::DeviceFlow, &ours, text);
            assert!(matches!(opened, Err(Error::Config(Config::SavedFlow(_)))), "{text}");
        };
        let mut count = 0;
        for at in 0..text.len() {
            refused(&text[..at]);
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                // What is no text at all does not even come in.
                let Ok(altered) = String::from_utf8(bytes) else { continue };
                refused(&altered);
                count += 1;
            }
        }
        assert_eq!(count, text.len() * 7);
        for more in ["A", "AA", "=", "\n", "."] {
            refused(&format!("{text}{more}"));
            refused(&format!("{more}{text}"));
        }
        for foreign in ["", "1", "1.", "0.", &text.replacen("1.", "0.", 1), &text.replacen("1.", "2.", 1)] {
            refused(foreign);
        }
        refused(&("1.".to_string() + &"A".repeat(MAX_SAVED_FLOW)));
    }

    #[test]
    fn without_chance_nothing_is_sealed() {
        struct Empty;
        impl Entropy for Empty {
            fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
                Err(NoEntropy)
            }
        }
        let ours = client("app", AUTHORITY);
        let sealed = Sealer::new(&[7; 32]).seal(Saved::DeviceFlow, &ours, &members(), &mut Empty);
        assert!(matches!(sealed, Err(Error::NoEntropy)));
        assert_eq!(format!("{:?}", Sealer::new(&[7; 32])), "Sealer(..)");
    }
    use alloc::string::ToString;
}
