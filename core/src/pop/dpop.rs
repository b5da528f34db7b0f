//! DPoP proofs (RFC 9449 s4): a JWT that shows, for one request, that its sender has the key.

use alloc::string::String;
use sha2::{Digest, Sha256};

use super::PopKey;
use super::address::Address;
use super::key::Signed;
use super::shr::{encoded, is_method};
use crate::base64::url_encode;
use crate::entropy::{Entropy, uuid_v4};
use crate::error::{Config, Error};
use crate::jose::Jwk;
use crate::jose::assertion;
use crate::json::Members;
use crate::key::Algorithm;
use crate::secret::Secret;
use crate::time::UnixTime;

/// The `token_type` of tokens bound by DPoP (RFC 9449 s5), and the scheme under which a resource takes them (s7.1).
pub const TOKEN_TYPE: &str = "DPoP";

/// The request that a proof is for.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    /// The method, as it is sent.
    pub method: &'a str,
    /// The address, as the request goes to it.
    pub url: &'a str,
    /// The token that the request carries; none for requests to a token endpoint.
    pub access_token: Option<&'a str>,
    /// The nonce that this server gave last (RFC 9449 s8, s9).
    pub nonce: Option<&'a str>,
}

/// `htu`: the address without query and fragment, normalized (RFC 9449 s4.2).
///
/// # Errors
/// [`Config::ResourceAddress`] when it is not an absolute http or https address.
pub fn htu(url: &str) -> Result<String, Config> {
    Ok(Address::parse(url)?.normalized())
}

/// What is to be signed (RFC 7515 s5.1). `jti` is unique to this proof.
///
/// # Errors
/// [`Config::HttpMethod`] when the method is none, [`Config::ResourceAddress`].
pub fn signing_input(proof: &Proof<'_>, alg: Algorithm, key: &Jwk, now: UnixTime, jti: &str) -> Result<Secret, Config> {
    if !is_method(proof.method) {
        return Err(Config::HttpMethod);
    }
    let mut header = Members::new();
    header.set("alg", alg.as_str());
    header.set("typ", "dpop+jwt");
    header.set("jwk", key.to_value());
    let mut claims = Members::new();
    claims.set("htm", proof.method);
    claims.set("htu", htu(proof.url)?);
    claims.set("iat", now.0);
    claims.set("jti", jti);
    if let Some(token) = proof.access_token {
        claims.set("ath", url_encode(&Sha256::digest(token.as_bytes())));
    }
    if let Some(nonce) = proof.nonce {
        claims.set("nonce", nonce);
    }
    Ok(encoded(&header, &claims))
}

/// The proof: the signing input and its JOSE signature.
pub fn complete(signing_input: &Secret, signature: &[u8]) -> Secret {
    assertion::complete(signing_input.expose(), signature)
}

/// The proof for this request, with a key in memory: the value of its `DPoP` header. For a key that may be elsewhere there is
/// [`Prove`](crate::prove::Prove).
///
/// # Errors
/// As [`signing_input`]; [`Error::NoEntropy`]; [`Config::ProofKey`] when the host holds the key.
pub fn sign(proof: &Proof<'_>, key: &PopKey, now: UnixTime, entropy: &mut dyn Entropy) -> Result<Secret, Error> {
    let input = prepare(proof, key, now, entropy)?;
    match key.sign(input.expose().as_bytes(), entropy)? {
        Signed::Here(signature) => Ok(complete(&input, &signature)),
        Signed::Elsewhere(_) => Err(Config::ProofKey.into()),
    }
}

/// The [`signing_input`] with a `jti` of its own.
pub(crate) fn prepare(
    proof: &Proof<'_>,
    key: &PopKey,
    now: UnixTime,
    entropy: &mut dyn Entropy,
) -> Result<Secret, Error> {
    let jti = uuid_v4(entropy)?;
    Ok(signing_input(proof, key.alg(), key.jwk(), now, &jti)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Compact;
    use serde_json::{Value, json};

    /// RFC 9449 s4.1 (figure 2).
    const EXAMPLE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZ\
        OXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19\
        .eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYy\
        MjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    fn object(members: &Members) -> Value {
        Value::Object(members.as_map().clone())
    }

    fn decoded(proof: &Proof<'_>, key: &Jwk, now: u64, jti: &str) -> (Value, Value) {
        let input = signing_input(proof, Algorithm::Es256, key, UnixTime(now), jti).unwrap();
        let text = complete(&input, b"sig");
        let compact = Compact::parse(text.expose()).unwrap();
        (object(&compact.decode_header().unwrap()), object(&compact.decode_payload().unwrap()))
    }

    #[test]
    fn example_of_rfc_9449() {
        let example = Compact::parse(EXAMPLE).unwrap();
        let header = example.decode_header().unwrap();
        let Some(Value::Object(jwk)) = header.get("jwk") else { panic!() };
        let key = Jwk::parse(&serde_json::to_vec(jwk).unwrap()).unwrap();
        // RFC 9449 s6.1: the `jkt` of this key.
        assert_eq!(key.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        let url = "https://server.example.com/token?x#y";
        let proof = Proof { method: "POST", url, access_token: None, nonce: None };
        let ours = decoded(&proof, &key, 1_562_262_616, "-BwC3ESc6acc2lTc");
        assert_eq!(ours, (object(&header), object(&example.decode_payload().unwrap())));
    }

    #[test]
    fn token_and_nonce() {
        // RFC 9449 s7.1 (figure 13) and s9.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        let url = "https://resource.example.org/protectedresource";
        let proof = Proof { method: "GET", url, access_token: Some(token), nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v") };
        let (_, claims) = decoded(&proof, &Jwk::p256([1; 32], [2; 32]), 1_562_262_618, "e1j3V_bKic8-LAEB");
        let expected = json!({
            "jti": "e1j3V_bKic8-LAEB", "htm": "GET", "htu": url, "iat": 1_562_262_618,
            "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo", "nonce": "eyJ7S_zG.eyJH0-Z.HX4w-7v",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn what_cannot_be_proved() {
        let input = |method, url| {
            let proof = Proof { method, url, access_token: None, nonce: None };
            signing_input(&proof, Algorithm::Es256, &Jwk::p256([1; 32], [2; 32]), UnixTime(0), "j").err()
        };
        assert_eq!(input("G T", "https://r/"), Some(Config::HttpMethod));
        assert_eq!(input("GET", "//r/"), Some(Config::ResourceAddress));
        assert_eq!(input("GET", "https://r/"), None);
    }
}
