//! A key for proofs that was kept in a file: P-256 in PKCS#8 (RFC 5958) or SEC 1 (RFC 5915), in PEM and not encrypted.

use der::asn1::{ContextSpecific, ObjectIdentifier, OctetStringRef};
use der::{AnyRef, Decode, Reader, SliceReader, TagNumber};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use sansal::error::CertError;
use sansal::pop::PopKey;
use zeroize::Zeroizing;

/// RFC 5480 s2.1.1.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Reads the first private key in a PEM text, such as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes: for
/// `proof_key` of the builders, so that tokens outlive the process.
///
/// # Errors
/// [`CertError::NoPem`] when there is none, [`CertError::WrongAlgorithm`] for one of another kind or curve, [`CertError::BadKey`].
pub fn read_proof_key(pem: &[u8]) -> Result<PopKey, CertError> {
    let scalar = match PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertError::NoPem)? {
        PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => sec1(der.secret_sec1_der(), false),
        _ => return Err(CertError::WrongAlgorithm),
    };
    match scalar {
        Ok(Some(scalar)) => PopKey::es256(&scalar),
        Ok(None) => Err(CertError::WrongAlgorithm),
        Err(_) => Err(CertError::BadKey),
    }
}

type Scalar = Option<Zeroizing<[u8; 32]>>;

fn pkcs8(der: &[u8]) -> der::Result<Scalar> {
    let key = SliceReader::new(der)?.sequence(|reader| {
        u8::decode(reader)?;
        let is_p256 = reader.sequence(|reader: &mut SliceReader<'_>| {
            let kind = ObjectIdentifier::decode(reader)?;
            let parameters = Option::<AnyRef<'_>>::decode(reader)?;
            Ok::<_, der::Error>(kind == EC && parameters.is_some_and(|one| one.decode_as() == Ok(P256)))
        })?;
        let key = <&OctetStringRef>::decode(reader)?;
        // Attributes, and the public half once more.
        reader.read_slice(reader.remaining_len())?;
        Ok::<_, der::Error>(is_p256.then_some(key.as_bytes()))
    })?;
    key.map_or(Ok(None), |key| sec1(key, true))
}

/// `named`: whether the curve was named outside.
fn sec1(der: &[u8], named: bool) -> der::Result<Scalar> {
    SliceReader::new(der)?.sequence(|reader| {
        u8::decode(reader)?;
        let scalar = <&OctetStringRef>::decode(reader)?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber(0))?;
        reader.read_slice(reader.remaining_len())?;
        let is_p256 = curve.map_or(named, |curve| curve.value == P256);
        let number = <[u8; 32]>::try_from(scalar.as_bytes()).ok().map(Zeroizing::new);
        Ok(number.filter(|_| is_p256))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::base64::std_encode;

    /// RFC 6979 A.2.5
    const D: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    const CURVE: &str = "a00a06082a8648ce3d030107";

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    fn pem(label: &str, der: &str) -> Vec<u8> {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", std_encode(&hex(der))).into_bytes()
    }

    fn read(label: &str, der: &str) -> Result<String, CertError> {
        read_proof_key(&pem(label, der)).map(|key| key.thumbprint())
    }

    #[test]
    fn keys() {
        let scalar = <[u8; 32]>::try_from(hex(D)).unwrap();
        let expected = Ok(PopKey::es256(&scalar).unwrap().thumbprint());
        let inner = format!("30250201010420{D}");
        let algorithm = "301306072a8648ce3d020106082a8648ce3d030107";
        let other_curve = "301006072a8648ce3d020106052b8104000a";
        let cases = [
            ("EC PRIVATE KEY", format!("30310201010420{D}{CURVE}"), expected.clone()),
            ("PRIVATE KEY", format!("3041020100{algorithm}0427{inner}"), expected),
            // secp256k1 has numbers of the same length.
            ("EC PRIVATE KEY", format!("302e0201010420{D}a00706052b8104000a"), Err(CertError::WrongAlgorithm)),
            ("EC PRIVATE KEY", inner.clone(), Err(CertError::WrongAlgorithm)),
            ("PRIVATE KEY", format!("303e020100{other_curve}0427{inner}"), Err(CertError::WrongAlgorithm)),
            ("PRIVATE KEY", format!("3041020100{algorithm}0427{}", &inner[..70]), Err(CertError::BadKey)),
            ("EC PRIVATE KEY", format!("30310201010420{}{CURVE}", "00".repeat(32)), Err(CertError::BadKey)),
            ("EC PRIVATE KEY", "3000".to_owned(), Err(CertError::BadKey)),
            ("RSA PRIVATE KEY", "3000".to_owned(), Err(CertError::WrongAlgorithm)),
            ("CERTIFICATE", "3000".to_owned(), Err(CertError::NoPem)),
        ];
        for (label, der, expected) in cases {
            assert_eq!(read(label, &der), expected, "{label} {der}");
        }
    }
}
