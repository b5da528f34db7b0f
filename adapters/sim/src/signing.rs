//! The keys that sign tokens: JWTs (RFC 7519, RS256), the JWK set that verifies them (RFC 7517), rotation.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::material::{InvalidKey, SIGNING_KEYS, private_key};

/// Two keys that take turns; each turn has its own `kid`, so that a rotation is always a new key to a client.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    pairs: [RsaKeyPair; 2],
    turn: u64,
}

impl SigningKeys {
    pub(crate) fn new() -> Result<Self, InvalidKey> {
        let [a, b] = SIGNING_KEYS;
        Ok(Self { pairs: [pair(a)?, pair(b)?], turn: 0 })
    }

    /// The other key signs from now on; the one that signed so far is still published, those before it are not.
    pub(crate) fn rotate(&mut self) {
        self.turn = self.turn.saturating_add(1);
    }

    fn at(&self, turn: u64) -> &RsaKeyPair {
        let [even, odd] = &self.pairs;
        if turn.is_multiple_of(2) { even } else { odd }
    }

    pub(crate) fn kid(&self) -> String {
        kid(self.turn)
    }

    /// The JWK set (RFC 7517 s5): the key that signs and the one before it.
    pub(crate) fn published(&self) -> Value {
        let turns = [Some(self.turn), self.turn.checked_sub(1)];
        let keys: Vec<Value> = turns.into_iter().flatten().map(|turn| jwk(self.at(turn), &kid(turn))).collect();
        json!({ "keys": keys })
    }

    /// A JWT with these claims. The signature needs no chance; `ring` blinds it with the system's.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid() });
        let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let pair = self.at(self.turn);
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).ok()?;
        Some(format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature)))
    }
}

fn pair(pem: &str) -> Result<RsaKeyPair, InvalidKey> {
    RsaKeyPair::from_pkcs8(private_key(pem)?.secret_pkcs8_der()).map_err(|_| InvalidKey("ring refuses the signing key"))
}

fn kid(turn: u64) -> String {
    let hash = digest(&SHA256, &turn.to_be_bytes());
    Base64UrlUnpadded::encode_string(hash.as_ref().get(..16).unwrap_or_default())
}

fn jwk(pair: &RsaKeyPair, kid: &str) -> Value {
    let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
    json!({
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": kid,
        "n": Base64UrlUnpadded::encode_string(&public.n),
        "e": Base64UrlUnpadded::encode_string(&public.e),
    })
}
