//! Encrypted parts of a PFX file (RFC 7292 s4.1, `EncryptedData`), decrypted as `p12-keystore` does it.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Tag, TagNumber, Tagged};
use des::TdesEde3;
use pkcs5::pbes2;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use rc2::Rc2;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::outline::elements;

/// RFC 8018 A.4.
pub(super) const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
/// pbeWithSHAAnd3-KeyTripleDES-CBC, RFC 7292 appendix C.
pub(super) const TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
/// pbeWithSHAAnd40BitRC2-CBC, RFC 7292 appendix C.
pub(super) const RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// What is encrypted, and how.
pub(super) struct Part<'a> {
    oid: ObjectIdentifier,
    parameters: AnyRef<'a>,
    content: &'a [u8],
}

impl<'a> Part<'a> {
    /// An `EncryptedContentInfo` (RFC 5652 s8) by its members: content type, algorithm, `[0]` content.
    pub(super) fn of(members: &[AnyRef<'a>]) -> Option<Self> {
        let [name, algorithm, content] = members else { return None };
        name.decode_as::<ObjectIdentifier>().ok()?;
        let is_content = content.tag().is_context_specific() && content.tag().number() == TagNumber(0);
        if !is_content || algorithm.tag() != Tag::Sequence {
            return None;
        }
        let algorithm = elements(algorithm.value())?;
        let [oid, parameters] = algorithm.as_slice() else { return None };
        Some(Self { oid: oid.decode_as().ok()?, parameters: *parameters, content: content.value() })
    }

    /// What was encrypted; `None` if this passphrase does not open it. The cost must have been checked.
    pub(super) fn decrypt(&self, passphrase: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self.oid {
            PBES2 => {
                let parameters = pbes2::Parameters::try_from(self.parameters).ok()?;
                parameters.decrypt(passphrase.as_bytes(), self.content).ok().map(Zeroizing::new)
            }
            TRIPLE_DES => self.pbes1::<TdesEde3>(passphrase, 24),
            RC2_40 => self.pbes1::<Rc2>(passphrase, 5),
            _ => None,
        }
    }

    fn pbes1<C: KeyInit + BlockCipherDecrypt>(&self, passphrase: &str, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let parameters = elements(self.parameters.value())?;
        let [salt, rounds] = parameters.as_slice() else { return None };
        let (salt, rounds) = (salt.decode_as::<&OctetStringRef>().ok()?, rounds.decode_as().ok()?);
        let derive = |what, length| {
            let derived = derive_key_utf8::<Sha1>(passphrase, salt.as_bytes(), what, rounds, length);
            derived.ok().map(Zeroizing::new)
        };
        let (key, iv) = (derive(Pkcs12KeyType::EncryptionKey, length)?, derive(Pkcs12KeyType::Iv, 8)?);
        let cipher = cbc::Decryptor::<C>::new_from_slices(&key, &iv).ok()?;
        let mut buffer = Zeroizing::new(self.content.to_vec());
        let length = cipher.decrypt_padded::<Pkcs7>(&mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}
