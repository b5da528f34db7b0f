//! Opens encrypted PKCS#8 keys (RFC 5958 s3, PBES2 of RFC 8018 s6.2), after their cost has been checked.

use der::Decode;
use pkcs5::pbes2::{Kdf, Pbkdf2Params, ScryptParams};
use pkcs5::{EncryptionScheme, Error};
use pkcs8::EncryptedPrivateKeyInfoRef;

use crate::error::{CertError, KdfLimit};
use crate::limits::{MAX_PBKDF2_ROUNDS, MAX_SCRYPT_MEMORY, MAX_SCRYPT_P};
use crate::secret::{Secret, SecretBytes};

/// Decrypts an `EncryptedPrivateKeyInfo`.
///
/// # Errors
/// [`CertError::TooExpensive`] before any derivation runs, [`CertError::UnsupportedEncryption`], and
/// [`CertError::WrongPassphrase`] as far as the padding shows it.
pub(super) fn decrypt(der: &[u8], passphrase: &Secret) -> Result<SecretBytes, CertError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| CertError::UnsupportedEncryption)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(CertError::UnsupportedEncryption);
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(pbkdf2) => check_pbkdf2(pbkdf2)?,
        Kdf::Scrypt(scrypt) => check_scrypt(scrypt)?,
        _ => return Err(CertError::UnsupportedEncryption),
    }
    parameters.decrypt(passphrase.expose(), info.encrypted_data.as_bytes()).map(SecretBytes::new).map_err(|why| {
        match why {
            Error::DecryptFailed => CertError::WrongPassphrase,
            _ => CertError::UnsupportedEncryption,
        }
    })
}

fn check_pbkdf2(parameters: &Pbkdf2Params) -> Result<(), CertError> {
    match parameters.iteration_count {
        0 => Err(CertError::UnsupportedEncryption),
        1..=MAX_PBKDF2_ROUNDS => Ok(()),
        _ => Err(CertError::TooExpensive(KdfLimit::Pbkdf2Rounds)),
    }
}

/// RFC 7914 s2. Zero and what is not a power of two are refused here, because the library would panic on them.
fn check_scrypt(parameters: &ScryptParams) -> Result<(), CertError> {
    let (n, r, p) =
        (parameters.cost_parameter, u64::from(parameters.block_size), u64::from(parameters.parallelization));
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(CertError::UnsupportedEncryption);
    }
    if p > MAX_SCRYPT_P {
        return Err(CertError::TooExpensive(KdfLimit::ScryptParallelization));
    }
    // 128·N·r for the table, 128·r·p for the blocks it is made of.
    let memory = r.saturating_mul(128).saturating_mul(n.saturating_add(p));
    if memory > MAX_SCRYPT_MEMORY {
        return Err(CertError::TooExpensive(KdfLimit::ScryptMemory));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::PrivateKey;
    use alloc::vec::Vec;
    use der::Encode;
    use der::asn1::OctetStringRef;
    use pkcs5::pbes2::{EncryptionScheme as Cipher, Parameters, Pbkdf2Prf};
    use pkcs8::EncryptedPrivateKeyInfo;

    #[test]
    fn every_kind_of_the_oracle() {
        let rsa2048 = &include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.der")[..];
        let rsa4096 = &include_bytes!("../../../tests/certs/rsa4096.key.pkcs8.der")[..];
        let cases: &[(&str, &[u8], &str, &[u8])] = &[
            ("3des", include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-3des.pem"), "oracle-pass", rsa2048),
            (
                "aes128-sha1",
                include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes128-sha1.pem"),
                "oracle-pass",
                rsa2048,
            ),
            (
                "aes256-sha256",
                include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem"),
                "oracle-pass",
                rsa2048,
            ),
            (
                "aes256-sha512",
                include_bytes!("../../../tests/certs/rsa4096.key.enc-pbes2-aes256-sha512.pem"),
                "oracle-pass",
                rsa4096,
            ),
            (
                "scrypt",
                include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes256-scrypt.pem"),
                "oracle-pass",
                rsa2048,
            ),
            (
                "unicode",
                include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-unicode-pass.pem"),
                "pässwörd ✓",
                rsa2048,
            ),
        ];
        for (name, pem, passphrase, expected) in cases {
            let key = PrivateKey::parse(pem, Some(&Secret::from(*passphrase))).expect(name);
            assert_eq!(key.pkcs8_der(), *expected, "{name}");
            let wrong = PrivateKey::parse(pem, Some(&Secret::from("wrong")));
            assert_eq!(wrong.unwrap_err(), CertError::WrongPassphrase, "{name}");
            assert_eq!(PrivateKey::parse(pem, None).unwrap_err(), CertError::PassphraseMissing, "{name}");
        }
    }

    fn sealed(kdf: Kdf) -> Vec<u8> {
        let parameters = Parameters { kdf, encryption: Cipher::Aes256Cbc { iv: [0; 16] } };
        let encrypted_data = OctetStringRef::new(&[0; 64]).unwrap();
        EncryptedPrivateKeyInfo { encryption_algorithm: parameters.into(), encrypted_data }.to_der().unwrap()
    }

    fn pbkdf2(iteration_count: u32) -> Kdf {
        let salt = b"saltsalt"[..].try_into().unwrap();
        Pbkdf2Params { salt, iteration_count, key_length: None, prf: Pbkdf2Prf::HmacWithSha256 }.into()
    }

    fn scrypt(cost_parameter: u64, block_size: u16, parallelization: u16) -> Kdf {
        let salt = b"saltsalt"[..].try_into().unwrap();
        ScryptParams { salt, cost_parameter, block_size, parallelization, key_length: None }.into()
    }

    #[test]
    fn cost_is_bounded_before_any_work() {
        use CertError::{TooExpensive, UnsupportedEncryption, WrongPassphrase};
        use KdfLimit::{Pbkdf2Rounds, ScryptMemory, ScryptParallelization};
        let cases = [
            (pbkdf2(1), WrongPassphrase),
            (pbkdf2(0), UnsupportedEncryption),
            (pbkdf2(MAX_PBKDF2_ROUNDS + 1), TooExpensive(Pbkdf2Rounds)),
            (pbkdf2(u32::MAX), TooExpensive(Pbkdf2Rounds)),
            (scrypt(2, 1, 1), WrongPassphrase),
            (scrypt(0, 8, 1), UnsupportedEncryption),
            (scrypt(1, 8, 1), UnsupportedEncryption),
            (scrypt(3, 8, 1), UnsupportedEncryption),
            (scrypt(2, 0, 1), UnsupportedEncryption),
            (scrypt(2, 1, 0), UnsupportedEncryption),
            (scrypt(2, 1, 17), TooExpensive(ScryptParallelization)),
            (scrypt(1 << 16, 8, 1), TooExpensive(ScryptMemory)), // 64 MiB for N, and 1 KiB for p
            (scrypt(1 << 63, 8, 1), TooExpensive(ScryptMemory)),
            (scrypt(1 << 63, u16::MAX, 16), TooExpensive(ScryptMemory)),
            (scrypt(2, u16::MAX, 16), TooExpensive(ScryptMemory)),
        ];
        for (kdf, expected) in cases {
            let got = PrivateKey::parse(&sealed(kdf.clone()), Some(&Secret::from("x"))).unwrap_err();
            assert_eq!(got, expected, "{kdf:?}");
        }
    }
}
