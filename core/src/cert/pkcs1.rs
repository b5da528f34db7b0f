//! RSA keys in PKCS#1 (RFC 8017 A.1), read only as far as sizes and the public half are needed.

use der::asn1::UintRef;
use der::{Decode, Reader, SliceReader};
use pkcs8::ObjectIdentifier;
use pkcs8::spki::SubjectPublicKeyInfoRef;

/// rsaEncryption, RFC 8017 A.1.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The public half of an RSA key: modulus and exponent, big-endian, without leading zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PublicParts<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
}

impl<'a> PublicParts<'a> {
    /// From an `RSAPrivateKey` of two primes. Checks its shape, not its arithmetic.
    pub(super) fn of_private(der: &'a [u8]) -> Option<Self> {
        let mut reader = SliceReader::new(der).ok()?;
        let parts = reader
            .sequence(|key| {
                let version = u8::decode(key)?;
                let [n, e, ..] = read_integers::<8>(key)?;
                Ok::<_, der::Error>((version, Self { n, e }))
            })
            .ok()?;
        reader.finish().ok()?;
        match parts {
            (0, parts) => Some(parts),
            _ => None,
        }
    }

    /// From a `SubjectPublicKeyInfo` (RFC 5280 s4.1.2.7); `None` if it is not RSA.
    pub(super) fn of_spki(der: &'a [u8]) -> Option<Self> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        if spki.algorithm.oid != RSA_ENCRYPTION {
            return None;
        }
        let mut reader = SliceReader::new(spki.subject_public_key.as_bytes()?).ok()?;
        let [n, e] = reader.sequence(|key| read_integers::<2>(key)).ok()?;
        reader.finish().ok()?;
        Some(Self { n, e })
    }

    /// Length of the modulus in bits.
    pub(super) fn bits(&self) -> usize {
        let unused = self.n.first().map_or(0, |byte| byte.leading_zeros());
        self.n.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(0))
    }
}

fn read_integers<'a, const N: usize>(reader: &mut SliceReader<'a>) -> Result<[&'a [u8]; N], der::Error> {
    let mut out = [&[][..]; N];
    for place in &mut out {
        *place = UintRef::decode(reader)?.as_bytes();
    }
    Ok(out)
}
