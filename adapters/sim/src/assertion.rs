//! Checks a client assertion (RFC 7523 s3) by `ring` and `webpki` against the certificates of an application.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use serde_json::{Map, Value};
use webpki::EndEntityCert;
use webpki::ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY};

use crate::directory::Application;
use crate::refusal::Refusal;

/// Seconds by which clocks may differ.
const SKEW: f64 = 300.0;
/// Bytes of an assertion at the most.
const MAX_LENGTH: usize = 32 * 1024;
/// Certificates that are read from `x5c`.
const MAX_CHAIN: usize = 8;

/// What is left of an assertion that passed.
#[derive(Debug)]
pub(crate) struct Verified {
    /// `jti`, where there is one.
    pub(crate) id: Option<String>,
    /// Seconds since 1970 after which it would be refused anyway.
    pub(crate) end: u64,
}

/// Signature first, then `iss`, `sub`, `aud` and the times.
pub(crate) fn verify(text: &str, app: &Application, audiences: &[String], now: u64) -> Result<Verified, Refusal> {
    let malformed = Refusal::malformed_assertion;
    if text.len() > MAX_LENGTH {
        return Err(malformed("it is too long"));
    }
    let (input, signature) = text.rsplit_once('.').ok_or(malformed("it has no parts"))?;
    let (header, claims) = input.split_once('.').ok_or(malformed("it has not three parts"))?;
    let header = object(header).ok_or(malformed("its header is not a JSON object"))?;
    let claims = object(claims).ok_or(malformed("its payload is not a JSON object"))?;
    let signature =
        Base64UrlUnpadded::decode_vec(signature).map_err(|_| malformed("its signature is not base64url"))?;
    check_signature(&header, input.as_bytes(), &signature, app, now)?;
    check_claims(&claims, &app.client_id, audiences, now)
}

fn check_signature(
    header: &Map<String, Value>,
    message: &[u8],
    signature: &[u8],
    app: &Application,
    now: u64,
) -> Result<(), Refusal> {
    let algorithm: &dyn SignatureVerificationAlgorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        _ => return Err(Refusal::malformed_assertion("its algorithm is neither RS256 nor PS256")),
    };
    if header.contains_key("crit") {
        return Err(Refusal::malformed_assertion("it has critical headers (RFC 7515 s4.1.11)"));
    }
    let chain = chain(header);
    let brought = chain.first().filter(|leaf| is_named(header, leaf) && app.knows_subject_of(&chain, now));
    let registered = app.certificates.iter().find(|own| is_named(header, own));
    let certificate = registered.or(brought).ok_or(Refusal::wrong_key("is not registered"))?;
    EndEntityCert::try_from(certificate)
        .and_then(|own| own.verify_signature(algorithm, message, signature))
        .map_err(|_| Refusal::wrong_key("did not make this signature"))
}

/// Whether the header names this certificate: `x5t`, `x5t#S256` or both, and `x5c`, where given, begins with it (RFC 7515
/// s4.1.6 to s4.1.8).
fn is_named(header: &Map<String, Value>, certificate: &CertificateDer<'_>) -> bool {
    let thumbprint = |name: &str, algorithm| {
        let text = header.get(name)?;
        // MSAL keeps the padding, which RFC 7515 s2 forbids.
        let given = text.as_str().and_then(|text| Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).ok());
        Some(given.as_deref() == Some(digest(algorithm, certificate).as_ref()))
    };
    let chain = header.contains_key("x5c").then(|| chain(header).first() == Some(certificate));
    match (thumbprint("x5t", &SHA1_FOR_LEGACY_USE_ONLY), thumbprint("x5t#S256", &SHA256)) {
        (None, None) => false,
        (x5t, x5t_s256) => [x5t, x5t_s256, chain].into_iter().all(|is_it| is_it.unwrap_or(true)),
    }
}

/// The certificates in `x5c`, the one of the key first; none if one of them is not base64.
fn chain(header: &Map<String, Value>) -> Vec<CertificateDer<'static>> {
    let texts = header.get("x5c").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let der = |text: &Value| Some(CertificateDer::from(Base64::decode_vec(text.as_str()?).ok()?));
    texts.iter().take(MAX_CHAIN).map(der).collect::<Option<_>>().unwrap_or_default()
}

fn check_claims(
    claims: &Map<String, Value>,
    client_id: &str,
    audiences: &[String],
    now: u64,
) -> Result<Verified, Refusal> {
    for name in ["iss", "sub"] {
        if claims.get(name).and_then(Value::as_str) != Some(client_id) {
            return Err(Refusal::assertion_client(name));
        }
    }
    let meant = |audience: &Value| audience.as_str().is_some_and(|a| audiences.iter().any(|own| own == a));
    let for_us = match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(meant),
        Some(one) => meant(one),
        None => false,
    };
    if !for_us {
        return Err(Refusal::assertion_audience());
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let now = now as f64;
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        // A NumericDate may have a fraction (RFC 7519 s2), and MSAL's have.
        Some(value) => value.as_f64().map(Some).ok_or(Refusal::malformed_assertion("a date is not a number")),
    };
    let (exp, nbf, iat) = (time("exp")?, time("nbf")?, time("iat")?);
    let exp = exp.ok_or(Refusal::malformed_assertion("it has no 'exp'"))?;
    let too_early = [nbf, iat].into_iter().flatten().any(|begin| begin > now + SKEW);
    if exp + SKEW <= now || too_early {
        return Err(Refusal::assertion_time());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts of floats saturate")]
    let end = (exp + SKEW).ceil() as u64;
    Ok(Verified { id: claims.get("jti").and_then(Value::as_str).map(str::to_owned), end })
}

fn object(part: &str) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).ok()?).ok()? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}
