//! Keys and certificates: what is read is within its bounds and means the same when it is written again.

use core::str;

use crate::cert::{Certificate, PrivateKey, extract_certs as extract, pem as reader};
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

/// Texts come from the input, trimmed; there is always at least one.
pub fn extract_certs(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(certs) = extract(text) else { return };
    assert!(!certs.is_empty());
    for cert in &certs {
        assert!(text.contains(cert.as_str()) && cert.trim() == cert);
    }
}
