//! The keys that sign tokens: JWTs (RFC 7519, RS256), the JWK set that verifies them (RFC 7517), rotation.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Map, Value, json};

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
        let keys: Vec<Value> = self.turns().map(|turn| jwk(self.at(turn), &kid(turn))).collect();
        json!({ "keys": keys })
    }

    /// The claims of a JWT that a published key signed with RS256; nothing for any other text.
    pub(crate) fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let (input, signature) = token.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let read = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).ok()?).ok()
        };
        let header = read(header)?;
        let named = header.get("kid").and_then(Value::as_str)?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return None;
        }
        let turn = self.turns().find(|turn| kid(*turn) == named)?;
        let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.at(turn).public().as_ref());
        public.verify(input.as_bytes(), &signature).ok()?;
        read(claims)
    }

    /// Whether the key that signs, or the one before it, made this signature.
    pub(crate) fn made(&self, message: &[u8], signature: &[u8]) -> bool {
        self.turns().any(|turn| {
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.at(turn).public().as_ref());
            public.verify(message, signature).is_ok()
        })
    }

    /// A signature by RS256.
    pub(crate) fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let pair = self.at(self.turn);
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }

    fn turns(&self) -> impl Iterator<Item = u64> {
        [Some(self.turn), self.turn.checked_sub(1)].into_iter().flatten()
    }

    /// A JWT with these claims. The signature needs no chance; `ring` blinds it with the system's.
    pub(crate) fn sign(&self, claims: &Value) -> Option<String> {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid() });
        let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = self.signature(input.as_bytes())?;
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
