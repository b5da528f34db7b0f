//! Signed assertions, verified by another implementation than the one that made them (RFC 7515, RFC 7518 s3.3 and s3.5).

use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Header and claims of a JWT that the certificate in this file has signed.
///
/// # Errors
/// What is wrong with token, signature or certificate.
pub fn verify(token: &str, certificate: &Path) -> Result<(Value, Value), String> {
    let (signed, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("not a JWT")?;
    let (header, claims) = (part(header)?, part(claims)?);
    let key = public_key(certificate)?;
    let signature = Base64UrlUnpadded::decode_vec(signature).map_err(|_| "the signature is not base64url")?;
    let verified = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature),
        Some("PS256") => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature),
        _ => return Err(format!("its algorithm is {:?}", header.get("alg"))),
    };
    verified.map_err(|_| format!("its signature is not by {}", certificate.display()))?;
    Ok((header, claims))
}

/// The claims of a JWT, not verified.
///
/// # Errors
/// What is wrong with the token.
pub fn claims(token: &str) -> Result<Value, String> {
    part(token.split('.').nth(1).ok_or("not a JWT")?)
}

fn part(text: &str) -> Result<Value, String> {
    let bytes = Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).map_err(|_| "a part is not base64url")?;
    serde_json::from_slice(&bytes).map_err(|why| format!("a part is not JSON: {why}"))
}

/// The `RSAPublicKey` (RFC 8017 A.1.1) of the first certificate in a file.
fn public_key(path: &Path) -> Result<Vec<u8>, String> {
    let der = CertificateDer::from_pem_file(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let certificate = Certificate::from_der(&der).map_err(|why| format!("{}: {why}", path.display()))?;
    let key = &certificate.tbs_certificate().subject_public_key_info().subject_public_key;
    Ok(key.raw_bytes().to_vec())
}
