//! Opens keys in OpenSSL's legacy encrypted PEM (RFC 1421 s4.6.1.3 with the key derivation of `EVP_BytesToKey`).
//!
//! Its derivation is one round of MD5: whoever has the file can try passphrases at full speed. It is read because people
//! have such files; nothing here writes them.

use aes::{Aes128Dec, Aes192Dec, Aes256Dec};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::pem::Block;
use crate::base64::hex_decode;
use crate::error::CertError;
use crate::limits::MAX_PRIVATE_KEY;
use crate::secret::{Secret, SecretBytes};

/// Decrypts the body of a block whose headers say how it is encrypted.
///
/// # Errors
/// [`CertError::UnsupportedEncryption`] for a cipher that is not read, [`CertError::TooLong`], what [`Block::der`] says,
/// and [`CertError::WrongPassphrase`] as far as the padding shows it.
pub(super) fn decrypt(block: &Block<'_>, passphrase: &Secret) -> Result<SecretBytes, CertError> {
    let (cipher, iv) = block.header("DEK-Info").and_then(|info| info.split_once(',')).ok_or(UNSUPPORTED)?;
    let cipher = Cipher::named(cipher.trim()).ok_or(UNSUPPORTED)?;
    let mut iv_bytes = [0; 16];
    let iv = cipher.read_iv(iv.trim(), &mut iv_bytes).ok_or(UNSUPPORTED)?;
    let body = block.der()?;
    if body.expose().len() > MAX_PRIVATE_KEY {
        return Err(CertError::TooLong);
    }
    // The salt is what the shorter of the two kinds of IV has room for.
    let salt = iv.get(..SALT_LEN).ok_or(UNSUPPORTED)?;
    let key = derive(passphrase.expose().as_bytes(), salt);
    let mut buffer = Zeroizing::new(body.expose().to_vec());
    match cipher {
        Cipher::Aes128 => open::<Aes128Dec, 16>(&key, iv, &mut buffer),
        Cipher::Aes192 => open::<Aes192Dec, 24>(&key, iv, &mut buffer),
        Cipher::Aes256 => open::<Aes256Dec, 32>(&key, iv, &mut buffer),
        Cipher::TripleDes => open::<TdesEde3, 24>(&key, iv, &mut buffer),
    }
}

const UNSUPPORTED: CertError = CertError::UnsupportedEncryption;
const SALT_LEN: usize = 8;
/// MD5 gives 16 bytes at a time; the longest key has 32.
const LONGEST_KEY: usize = 32;

/// The ciphers that OpenSSL offers for it today, all in CBC mode.
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

impl Cipher {
    fn named(name: &str) -> Option<Self> {
        let known = [
            ("AES-128-CBC", Self::Aes128),
            ("AES-192-CBC", Self::Aes192),
            ("AES-256-CBC", Self::Aes256),
            ("DES-EDE3-CBC", Self::TripleDes),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, cipher)| cipher)
    }

    /// Reads as many hexadecimal digits as a block of the cipher has, and no others.
    fn read_iv<'a>(self, hex: &str, out: &'a mut [u8; 16]) -> Option<&'a [u8]> {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => {
                *out = hex_decode(hex)?;
                Some(out)
            }
            Self::TripleDes => {
                let place = out.first_chunk_mut::<8>()?;
                *place = hex_decode(hex)?;
                Some(place)
            }
        }
    }
}

/// `EVP_BytesToKey` with MD5 and one round: each part is the digest of the part before, the passphrase and the salt.
fn derive(passphrase: &[u8], salt: &[u8]) -> Zeroizing<[u8; LONGEST_KEY]> {
    let mut key = Zeroizing::new([0; LONGEST_KEY]);
    let mut before = Zeroizing::new([0; 16]);
    for (n, place) in key.chunks_exact_mut(16).enumerate() {
        let mut md5 = Md5::new();
        if n > 0 {
            md5.update(*before);
        }
        md5.update(passphrase);
        md5.update(salt);
        *before = md5.finalize().into();
        place.copy_from_slice(&*before);
    }
    key
}

fn open<C: BlockCipherDecrypt + KeyInit, const KEY_LEN: usize>(
    key: &[u8; LONGEST_KEY],
    iv: &[u8],
    buffer: &mut [u8],
) -> Result<SecretBytes, CertError> {
    let key = key.first_chunk::<KEY_LEN>().ok_or(UNSUPPORTED)?;
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| UNSUPPORTED)?;
    cipher.decrypt_padded::<Pkcs7>(buffer).map(SecretBytes::from).map_err(|_| CertError::WrongPassphrase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cert::PrivateKey;
    use alloc::string::String;

    const PKCS8: &[u8] = include_bytes!("../../../tests/certs/rsa2048.key.pkcs8.der");
    const AES128: &str = include_str!("../../../tests/certs/rsa2048.key.enc-legacy-aes128.pem");
    const AES256: &str = include_str!("../../../tests/certs/rsa2048.key.enc-legacy-aes256.pem");
    const DES3: &str = include_str!("../../../tests/certs/rsa2048.key.enc-legacy-des3.pem");

    fn parse(pem: &str, passphrase: &str) -> Result<PrivateKey, CertError> {
        PrivateKey::parse(pem.as_bytes(), Some(&Secret::from(passphrase)))
    }

    #[test]
    fn every_file_of_the_oracle() {
        for (name, pem) in [("aes128", AES128), ("aes256", AES256), ("des3", DES3)] {
            for text in [String::from(pem), pem.replace('\n', "\r\n"), pem.replace("DEK-Info: AES", "dek-info:aes")] {
                assert_eq!(parse(&text, "oracle-pass").expect(name).pkcs8_der(), PKCS8, "{name}");
                assert_eq!(parse(&text, "wrong").unwrap_err(), CertError::WrongPassphrase, "{name}");
                for none in [None, Some(Secret::default())] {
                    let got = PrivateKey::parse(text.as_bytes(), none.as_ref());
                    assert_eq!(got.unwrap_err(), CertError::PassphraseMissing, "{name}");
                }
            }
        }
    }

    #[test]
    fn no_passphrase_opens_it_by_chance() {
        // One in 256 leaves padding that looks right.
        for n in 0..2000 {
            let passphrase = alloc::format!("{n}");
            assert_eq!(parse(DES3, &passphrase).unwrap_err(), CertError::WrongPassphrase, "{n}");
        }
    }

    #[test]
    fn derivation() {
        // `openssl enc -aes-256-cbc -md md5 -pass pass:oracle-pass -S 703D7A3C76D4A516 -P`
        let key = derive(b"oracle-pass", &[0x70, 0x3D, 0x7A, 0x3C, 0x76, 0xD4, 0xA5, 0x16]);
        assert_eq!(
            crate::base64::hex_encode(&*key),
            "e05a16f5f3034dc08d608b8628ce3e2b052acd4c5e27b1b34958505caa33f9df"
        );
    }

    #[test]
    fn headers() {
        use CertError::{BadBase64, UnsupportedEncryption as Unsupported, WrongPassphrase};
        let info = "AES-128-CBC,25F630B2796A15B4E3D1D29D6636628D";
        let cases = [
            ("AES-192-CBC,25F630B2796A15B4E3D1D29D6636628D", WrongPassphrase),
            ("AES-256-CBC,25F630B2796A15B4E3D1D29D6636628D", WrongPassphrase),
            ("DES-EDE3-CBC,25F630B2796A15B4", WrongPassphrase),
            ("DES-EDE3-CBC,25F630B2796A15B4E3D1D29D6636628D", Unsupported),
            ("AES-128-CBC,25F630B2796A15B4", Unsupported),
            ("AES-128-CBC,25F630B2796A15B4E3D1D29D6636628G", Unsupported),
            ("AES-128-CBC", Unsupported),
            ("AES-128-CBC,", Unsupported),
            ("DES-CBC,25F630B2796A15B4", Unsupported),
            ("CAMELLIA-128-CBC,25F630B2796A15B4E3D1D29D6636628D", Unsupported),
            (",", Unsupported),
        ];
        for (given, expected) in cases {
            assert_eq!(parse(&AES128.replace(info, given), "oracle-pass").unwrap_err(), expected, "{given}");
        }
        let only_type = AES128.replace(&alloc::format!("DEK-Info: {info}\n"), "");
        assert_eq!(parse(&only_type, "oracle-pass").unwrap_err(), Unsupported);
        assert_eq!(parse(&AES128.replace("HRdpF1", "HRdp!1"), "oracle-pass").unwrap_err(), BadBase64);
        // A body that is no whole number of blocks, and one without any.
        let head = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: ";
        let tail = "-----END RSA PRIVATE KEY-----";
        for body in ["AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let text = alloc::format!("{head}{info}\n\n{body}\n{tail}");
            assert_eq!(parse(&text, "oracle-pass").unwrap_err(), WrongPassphrase, "{body}");
        }
        let long = "AAAA".repeat(MAX_PRIVATE_KEY / 3 + 1);
        assert_eq!(parse(&alloc::format!("{head}{info}\n\n{long}\n{tail}"), "x").unwrap_err(), CertError::TooLong);
    }

    #[test]
    fn another_kind_of_key() {
        // `openssl ec -aes128`
        let ec = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
            DEK-Info: AES-128-CBC,24BD2D1461FFC32389B40D871CFD53B5\n\n\
            aeuf5xoch5lhqDGAaF4WwQ9a4dF85U/YEOqVydp0Wx9yhVxgDr4YcvxY6pSyRSJk\n\
            HT4eqm/dX5hfM+9uDtwWWRZmim/fjSOY2V2IOBcSITCpuhjCci4lhJ2hs4Mc4Lff\n\
            Wjp/Oj0Kt9dTVPmchtcg7CgA67h/iLooBrZ3m47lg8g=\n-----END EC PRIVATE KEY-----\n";
        assert_eq!(parse(ec, "oracle-pass").unwrap_err(), CertError::NotRsa);
        assert_eq!(parse(ec, "wrong").unwrap_err(), CertError::WrongPassphrase);
    }
}
