//! The body of the fuzz target `pkcs12`; `fuzz/` calls it, an ordinary test replays the corpus through it.

#![expect(clippy::panic, reason = "a property that does not hold is what a fuzzer looks for")]

use sansal::Secret;
use sansal::cert::{Certificate, PrivateKey};
use sansal::error::CertError;
use sansal::limits::{MAX_RSA_BITS, MIN_RSA_BITS};

use super::Pfx;
use super::made::{Scheme, encrypted};

/// Files that cost more than this are for the bounds, not for a fuzzer's time. OpenSSL writes 2048 rounds, up to three times.
const ROUNDS: u64 = 8192;

/// A file opens or does not, in bounded time. What opens is a PFX with certificates and at most one key, each of which is
/// read again as the same. The input is taken as a file, and as contents of encrypted parts: no luck finds those.
pub fn pkcs12(data: &[u8]) {
    let passphrase = Secret::from("oracle-pass");
    one(data, &passphrase);
    for scheme in Scheme::ALL {
        if let Some(file) = encrypted(data, scheme, passphrase.expose()) {
            assert!(Pfx::is_pfx(&file), "what we made is a PFX");
            one(&file, &passphrase);
            let wrong = Pfx::parse_within(&file, None, ROUNDS);
            assert!(wrong.is_err() || data.len() < 64, "it opens without its passphrase");
        }
    }
}

fn one(file: &[u8], passphrase: &Secret) {
    let opened = match Pfx::parse_within(file, Some(passphrase), ROUNDS) {
        Ok(opened) => opened,
        Err(why) => return assert!(why != CertError::PassphraseMissing, "a passphrase was given"),
    };
    assert!(Pfx::is_pfx(file));
    for certificate in opened.certificates() {
        assert_eq!(Certificate::from_der(certificate.der()).as_ref(), Ok(certificate));
    }
    let Ok(key) = opened.private_key() else { return };
    assert!((MIN_RSA_BITS..=MAX_RSA_BITS).contains(&key.rsa_bits()));
    let Ok(again) = PrivateKey::parse(key.pkcs8_der(), None) else { panic!("a key that we wrote is not read") };
    assert_eq!(again.pkcs1_der(), key.pkcs1_der());
    match opened.identity() {
        Ok((key, leaf)) => assert!(key.matches(leaf)),
        Err(why) => assert!(matches!(why, CertError::NoCertificateInPfx | CertError::KeyMismatch)),
    }
}
