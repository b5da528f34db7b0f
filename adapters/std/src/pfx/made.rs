//! PFX files (RFC 7292) made from their contents, well-formed outside and whatever one likes inside. For tests only.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherEncrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier, OctetString};
use der::{Encode, Tag};
use des::TdesEde3;
use pkcs5::pbes2;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use rc2::Rc2;
use sha1::Sha1;

use super::part::{PBES2, RC2_40, TRIPLE_DES};

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const SALT: &[u8] = b"saltsalt";

/// How the contents are encrypted, with one round.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    Pbes2,
    TripleDes,
    Rc2,
}

impl Scheme {
    pub(super) const ALL: [Self; 3] = [Self::Pbes2, Self::TripleDes, Self::Rc2];
}

/// A file without MAC whose one part has these `SafeContents`, under this passphrase.
pub(super) fn encrypted(contents: &[u8], scheme: Scheme, passphrase: &str) -> Option<Vec<u8>> {
    let (oid, parameters, content) = match scheme {
        Scheme::Pbes2 => {
            let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1, SALT, [0; 16]).ok()?;
            let content = parameters.encrypt(passphrase.as_bytes(), contents).ok()?;
            (PBES2, parameters.to_der().ok()?, content)
        }
        Scheme::TripleDes => (TRIPLE_DES, pbes1_parameters()?, pbes1::<TdesEde3>(contents, passphrase, 24)?),
        Scheme::Rc2 => (RC2_40, pbes1_parameters()?, pbes1::<Rc2>(contents, passphrase, 5)?),
    };
    let algorithm = element(0x30, &[&oid.to_der().ok()?, &parameters])?;
    let info = element(0x30, &[&DATA.to_der().ok()?, &algorithm, &element(0x80, &[&content])?])?;
    let data = element(0x30, &[&0_u8.to_der().ok()?, &info])?;
    file(&element(0x30, &[&part(ENCRYPTED_DATA, &data)?])?, None)
}

/// A file with this `AuthenticatedSafe` (RFC 7292 s4.1) and this `MacData`.
pub(super) fn file(safe: &[u8], mac: Option<&[u8]>) -> Option<Vec<u8>> {
    let content = part(DATA, &octets(safe)?)?;
    element(0x30, &[&3_u8.to_der().ok()?, &content, mac.unwrap_or_default()])
}

/// `ContentInfo` (RFC 5652 s3).
fn part(content_type: ObjectIdentifier, content: &[u8]) -> Option<Vec<u8>> {
    element(0x30, &[&content_type.to_der().ok()?, &element(0xA0, &[content])?])
}

fn pbes1_parameters() -> Option<Vec<u8>> {
    element(0x30, &[&octets(SALT)?, &1_u8.to_der().ok()?])
}

fn pbes1<C: KeyInit + BlockCipherEncrypt>(contents: &[u8], passphrase: &str, length: usize) -> Option<Vec<u8>> {
    let derive = |what, length| derive_key_utf8::<Sha1>(passphrase, SALT, what, 1, length).ok();
    let (key, iv) = (derive(Pkcs12KeyType::EncryptionKey, length)?, derive(Pkcs12KeyType::Iv, 8)?);
    let cipher = cbc::Encryptor::<C>::new_from_slices(&key, &iv).ok()?;
    let mut buffer = contents.to_vec();
    buffer.resize(contents.len().checked_add(8)?, 0);
    Some(cipher.encrypt_padded::<Pkcs7>(&mut buffer, contents.len()).ok()?.to_vec())
}

/// One ASN.1 element.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
    let value = parts.concat();
    let mut out = AnyRef::new(Tag::OctetString, &value).ok()?.to_der().ok()?;
    *out.first_mut()? = tag;
    Some(out)
}

pub(super) fn octets(bytes: &[u8]) -> Option<Vec<u8>> {
    OctetString::new(bytes).ok()?.to_der().ok()
}
