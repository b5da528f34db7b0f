//! RSA keys in PKCS#1 (RFC 8017 A.1), read only as far as sizes and the public half are needed.

use der::asn1::UintRef;
use der::{Decode, Reader, SliceReader};
use pkcs8::ObjectIdentifier;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use crate::jose::Jwk;

/// rsaEncryption, RFC 8017 A.1.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// id-ecPublicKey and prime256v1, RFC 5480 s2.1.1.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// The P-256 key of a `SubjectPublicKeyInfo` (RFC 5480 s2); `None` if it is none.
pub(super) fn p256_of_spki(der: &[u8]) -> Option<Jwk> {
    let spki = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    if spki.algorithm.oid != EC_PUBLIC_KEY || spki.algorithm.parameters_oid().ok()? != PRIME256V1 {
        return None;
    }
    // SEC 1 s2.3.3: 04, then x, then y.
    let (&[4], rest) = spki.subject_public_key.as_bytes()?.split_first_chunk::<1>()? else { return None };
    let (x, y) = rest.split_first_chunk::<32>()?;
    Some(Jwk::p256(*x, y.try_into().ok()?))
}

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

    /// As a JWK; `None` if it is too short, too long, or its exponent is none that is in use.
    pub(super) fn jwk(&self) -> Option<Jwk> {
        Jwk::rsa(self.n, self.e).ok()
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
