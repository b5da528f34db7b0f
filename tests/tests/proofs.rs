//! Proofs of possession checked by another implementation than ours: `ring` verifies them, and what is signed is held against the
//! vectors of npm `@azure/msal-common` in `conformance/pop`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use sansal::cert::PrivateKey;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::jose::{Compact, Jwk, PublicKey};
use sansal::key::Algorithm;
use sansal::pop::shr::{Profile, SignedRequest};
use sansal::pop::{PopKey, dpop, shr};
use sansal::secret::Secret;
use sansal::time::UnixTime;
use serde_json::Value;

struct Os;
impl Entropy for Os {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), out).map_err(|_| NoEntropy)
    }
}

/// Whether `ring` takes the signature of this JWS.
fn verifies(jws: &str, key: &Jwk, alg: Algorithm) -> bool {
    let compact = Compact::parse(jws).unwrap();
    let (message, signature) = (compact.signing_input().as_bytes(), compact.decode_signature().unwrap());
    match (key.key(), alg) {
        (PublicKey::P256 { x, y }, Algorithm::Es256) => {
            let point = [&[4], x.as_slice(), y].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature).is_ok()
        }
        (PublicKey::Rsa { n, e }, Algorithm::Rs256) => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature).is_ok()
        }
        (PublicKey::Rsa { n, e }, Algorithm::Ps256) => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, &signature).is_ok()
        }
        _ => panic!("no such key"),
    }
}

fn parts(jws: &str) -> (Value, Value) {
    let compact = Compact::parse(jws).unwrap();
    let part = |text| serde_json::from_slice(&Base64UrlUnpadded::decode_vec(text).unwrap()).unwrap();
    (part(compact.header), part(compact.payload))
}

#[test]
fn signed_requests_are_those_of_msal_common() {
    let file: Value = serde_json::from_str(include_str!("../conformance/pop/shr.json")).unwrap();
    let d = Base64UrlUnpadded::decode_vec(file["d"].as_str().unwrap()).unwrap();
    let key = PopKey::es256(&d.try_into().unwrap()).unwrap();
    assert_eq!(key.thumbprint(), file["kid"]);
    let token = Secret::from(file["access_token"].as_str().unwrap());
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 9);
    for vector in vectors {
        let text = |name: &str| vector.get(name).and_then(Value::as_str);
        let request = SignedRequest {
            method: text("method").unwrap(),
            url: text("url").unwrap(),
            nonce: text("nonce"),
            profile: Profile::Entra { client_claims: text("client_claims") },
        };
        let now = UnixTime(file["ts"].as_u64().unwrap());
        let ours = shr::sign(&request, &token, &key, now, &mut Os).unwrap();
        let theirs = text("shr").unwrap();
        assert_eq!(parts(ours.expose()), parts(theirs), "{vector}");
        for jws in [ours.expose(), theirs] {
            assert!(verifies(jws, key.jwk(), Algorithm::Es256), "{vector}");
        }
    }
}

/// What `conformance/pop/verify.py` has verified with PyPI's `oic` is what we make.
#[test]
fn signed_requests_are_those_that_pyoidc_took() {
    let file: Value = serde_json::from_str(include_str!("../conformance/pop/ours.json")).unwrap();
    let theirs: Value = serde_json::from_str(include_str!("../conformance/pop/shr.json")).unwrap();
    let d = Base64UrlUnpadded::decode_vec(theirs["d"].as_str().unwrap()).unwrap();
    let key = PopKey::es256(&d.try_into().unwrap()).unwrap();
    let (token, now) = (Secret::from(file["access_token"].as_str().unwrap()), UnixTime(file["ts"].as_u64().unwrap()));
    let requests = file["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 18);
    for one in requests {
        let text = |name: &str| one.get(name).and_then(Value::as_str);
        let profile = match text("profile").unwrap() {
            "ietf" => Profile::Ietf { headers: &[], body: None },
            _ => Profile::Entra { client_claims: None },
        };
        let (method, url) = (text("method").unwrap(), text("url").unwrap());
        let request = SignedRequest { method, url, nonce: text("nonce"), profile };
        let ours = shr::sign(&request, &token, &key, now, &mut Os).unwrap();
        assert_eq!(parts(ours.expose()), parts(text("shr").unwrap()), "{one}");
        assert!(verifies(text("shr").unwrap(), key.jwk(), Algorithm::Es256), "{one}");
    }
}

#[test]
fn proofs_of_every_kind_of_key() {
    let pem = include_bytes!("../certs/rsa2048.key.pkcs1.pem");
    let rsa = |alg| PopKey::rsa(&PrivateKey::parse(pem, None).unwrap(), alg).unwrap();
    let keys = [
        PopKey::generate(&mut Os).unwrap(),
        PopKey::generate(&mut Os).unwrap(),
        rsa(Algorithm::Rs256),
        rsa(Algorithm::Ps256),
    ];
    assert_ne!(keys[0].thumbprint(), keys[1].thumbprint());
    let proof = dpop::Proof { method: "GET", url: "https://r.example/a?b", access_token: Some("t"), nonce: None };
    for (at, key) in keys.iter().enumerate() {
        let jws = dpop::sign(&proof, key, UnixTime(1_700_000_000), &mut Os).unwrap();
        let (header, claims) = parts(jws.expose());
        assert_eq!(header["alg"], key.alg().as_str());
        assert_eq!(claims["htu"], "https://r.example/a");
        // By the key that the proof itself names, as a server does it (RFC 9449 s4.3).
        let named = Jwk::parse(header["jwk"].to_string().as_bytes()).unwrap();
        assert!(verifies(jws.expose(), &named, key.alg()), "{at}");
        let (input, signature) = jws.expose().rsplit_once('.').unwrap();
        let (header, claims) = input.split_once('.').unwrap();
        assert!(!verifies(&format!("{header}.{claims}A.{signature}"), &named, key.alg()), "{at}");
        let other = dpop::sign(&proof, key, UnixTime(1_700_000_000), &mut Os).unwrap();
        assert_ne!(jws.expose(), other.expose(), "a proof is used once");
    }
    let other = dpop::sign(&proof, &keys[0], UnixTime(0), &mut Os).unwrap();
    assert!(!verifies(other.expose(), keys[1].jwk(), Algorithm::Es256));
}
