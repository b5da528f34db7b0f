//! Keys and certificates: what is read is within its bounds and means the same when it is written again.

use core::str;

use crate::cert::{Certificate, PrivateKey, extract_certs as extract, pem as reader};
use crate::error::CertError;
use crate::limits::{MAX_PEM_BLOCKS, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::secret::Secret;

/// Blocks are bounded, and a block that decodes came from the text.
pub fn pem(data: &[u8]) {
    let Ok(blocks) = reader::blocks(data) else { return };
    assert!(blocks.len() <= MAX_PEM_BLOCKS);
    for block in &blocks {
        if let Ok(der) = block.der() {
            assert!(der.expose().len() <= data.len());
        }
    }
}

/// A certificate is its DER: read again, it is the same one.
pub fn x509(data: &[u8]) {
    let Ok(certificate) = Certificate::from_der(data) else { return };
    assert_eq!(certificate.der(), data);
    let again = Certificate::from_pem(&certificate.x5c());
    assert_eq!(again.map(|c| c.sha256()), Ok(certificate.sha256()));
    assert!(!certificate.subject().contains('\n'), "a name is one line");
}

/// A private key is an RSA key of an allowed size, and its PKCS#8 form is read again as the same key.
pub fn pkcs8(data: &[u8]) {
    let passphrase = Secret::from("oracle-pass");
    for key in [PrivateKey::parse(data, None), PrivateKey::parse(data, Some(&passphrase))].into_iter().flatten() {
        assert!((MIN_RSA_BITS..=MAX_RSA_BITS).contains(&key.rsa_bits()));
        let Ok(again) = PrivateKey::parse(key.pkcs8_der(), None) else { panic!("a key that we wrote is not read") };
        assert_eq!(again.pkcs1_der(), key.pkcs1_der());
    }
}

/// A key under OpenSSL's legacy encryption opens as an RSA key of an allowed size, or not at all; without a passphrase, or
/// with an empty one, never.
pub fn legacy_pem(data: &[u8]) {
    let opened = PrivateKey::parse(data, Some(&Secret::from("oracle-pass")));
    let legacy = reader::blocks(data).is_ok_and(|blocks| {
        blocks.iter().find(|block| block.is_private_key()).is_some_and(|b| b.is_legacy_encrypted())
    });
    if !legacy {
        return;
    }
    for none in [None, Some(Secret::default())] {
        assert_eq!(PrivateKey::parse(data, none.as_ref()).err(), Some(CertError::PassphraseMissing));
    }
    assert!(!matches!(opened, Err(CertError::NotEncrypted | CertError::PassphraseMissing)));
    let Ok(key) = opened else { return };
    assert!((MIN_RSA_BITS..=MAX_RSA_BITS).contains(&key.rsa_bits()));
    let again = PrivateKey::parse(key.pkcs8_der(), None);
    assert!(again.is_ok_and(|again| again.pkcs1_der() == key.pkcs1_der()), "a key that we wrote is not read");
}

/// Texts come from the input, trimmed; there is always at least one.
pub fn extract_certs(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(certs) = extract(text) else { return };
    assert!(!certs.is_empty());
    for cert in &certs {
        assert!(text.contains(cert.as_str()) && cert.trim() == cert);
    }
}
