//! Public JSON Web Keys: RSA and P-256 (RFC 7517, RFC 7518 s6), and their thumbprints (RFC 7638).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use sha2::{Digest, Sha256};

use crate::base64::{url_decode, url_encode};
use crate::error::JwtError;
use crate::json::{Members, Value, object};
use crate::limits::{MAX_RSA_BITS, MIN_RSA_BITS};

/// Members that only a private or symmetric key has (RFC 7518 s6.2.2, s6.3.2, s6.4).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key. Equal keys are equal here however their JSON was spelt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    key: PublicKey,
    kid: Option<String>,
}

/// The numbers of a public key.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA (RFC 7518 s6.3.1): big-endian, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A point of P-256 (RFC 7518 s6.2.1). Whether it lies on the curve is not checked here.
    P256 {
        /// The x coordinate.
        x: [u8; 32],
        /// The y coordinate.
        y: [u8; 32],
    },
}

impl Jwk {
    /// Reads a public JWK. Unknown members are ignored.
    ///
    /// # Errors
    /// [`JwtError::PrivateKey`] if there is more than a public key inside; [`JwtError::BadKey`] for other kinds of key
    /// and numbers out of bounds; [`JwtError`] also says what is wrong with the JSON.
    pub fn parse(json: &[u8]) -> Result<Self, JwtError> {
        Self::from_members(&super::part::members(json)?)
    }

    /// As [`Self::parse`], from an object already read: a JWKS entry, or the `jwk` of a header.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_members(members: &Members) -> Result<Self, JwtError> {
        if PRIVATE.iter().any(|name| members.contains(name)) {
            return Err(JwtError::PrivateKey);
        }
        let number = |name: &str| members.text(name).and_then(url_decode).ok_or(JwtError::BadKey);
        let coordinate = |name: &str| <[u8; 32]>::try_from(number(name)?).map_err(|_| JwtError::BadKey);
        let key = match (members.text("kty"), members.text("crv")) {
            (Some("RSA"), _) => return Self::rsa(&number("n")?, &number("e")?).map(|key| key.named(members)),
            (Some("EC"), Some("P-256")) => PublicKey::P256 { x: coordinate("x")?, y: coordinate("y")? },
            _ => return Err(JwtError::BadKey),
        };
        Ok(Self { key, kid: None }.named(members))
    }

    /// An RSA key from big-endian numbers.
    ///
    /// # Errors
    /// [`JwtError::BadKey`] if the modulus has fewer than [`MIN_RSA_BITS`] or more than [`MAX_RSA_BITS`] bits, or if
    /// the exponent is even, 1, or longer than four bytes.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, JwtError> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        let unused = n.first().map_or(0, |byte| byte.leading_zeros());
        let bits = n.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(0));
        let odd = e.last().is_some_and(|last| last % 2 == 1) && e != [1] && e.len() <= 4;
        match odd && (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            true => Ok(Self { key: PublicKey::Rsa { n: n.to_vec(), e: e.to_vec() }, kid: None }),
            false => Err(JwtError::BadKey),
        }
    }

    /// A P-256 key from its coordinates.
    pub fn p256(x: [u8; 32], y: [u8; 32]) -> Self {
        Self { key: PublicKey::P256 { x, y }, kid: None }
    }

    fn named(mut self, members: &Members) -> Self {
        self.kid = members.text("kid").map(String::from);
        self
    }

    /// The key's numbers.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The name that the key's owner gave it (RFC 7517 s4.5).
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key as JSON: the required members alone, in the order that RFC 7638 s3.2 hashes.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = match &self.key {
            PublicKey::Rsa { n, e } => {
                write!(out, r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, url_encode(e), url_encode(n))
            }
            PublicKey::P256 { x, y } => {
                write!(out, r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, url_encode(x), url_encode(y))
            }
        };
        out
    }

    /// [`to_json`](Self::to_json) as a value, for the claims and headers that hold a key.
    pub fn to_value(&self) -> Value {
        match &self.key {
            PublicKey::Rsa { n, e } => {
                object([("e", url_encode(e).into()), ("kty", "RSA".into()), ("n", url_encode(n).into())])
            }
            PublicKey::P256 { x, y } => object([
                ("crv", "P-256".into()),
                ("kty", "EC".into()),
                ("x", url_encode(x).into()),
                ("y", url_encode(y).into()),
            ]),
        }
    }

    /// The JWK thumbprint with SHA-256, in base64url (RFC 7638 s3): `jkt` of DPoP, `kid` of a PoP token.
    pub fn thumbprint(&self) -> String {
        url_encode(&Sha256::digest(self.to_json().as_bytes()))
    }
}

/// The canonical JSON.
impl fmt::Display for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// RFC 7518 s2 wants no leading zeros, s6.3.1.1 knows that some write them.
fn without_zeros(mut number: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = number {
        number = rest;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_JWT;
    use alloc::format;

    /// RFC 7638 s3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
                     FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d\
                     0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF\
                     Cur-kEgU8awapJzKnqDKgw";

    #[test]
    fn rfc_7638_example() {
        let json = format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#);
        let jwk = Jwk::parse(json.as_bytes()).unwrap();
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(jwk.to_json(), format!(r#"{{"e":"AQAB","kty":"RSA","n":"{N}"}}"#));
        assert_eq!(jwk.kid(), Some("2011-04-29"));
        // RFC 7518 s6.3.1.1: a zero in front is the same number.
        let mut padded = url_decode(N).unwrap();
        padded.insert(0, 0);
        assert_eq!(Jwk::rsa(&padded, &[0, 1, 0, 1]).unwrap().thumbprint(), jwk.thumbprint());
    }

    #[test]
    fn p256_example() {
        // RFC 9449 s4.1 (the key) and s6.1 (its `jkt`).
        let json = r#"{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                       "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}"#;
        let jwk = Jwk::parse(json.as_bytes()).unwrap();
        assert_eq!(jwk.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        let PublicKey::P256 { x, y } = *jwk.key() else { panic!() };
        assert_eq!(Jwk::p256(x, y), jwk);
        assert_eq!(Jwk::parse(jwk.to_json().as_bytes()).unwrap(), jwk);
    }

    #[test]
    fn refused() {
        let rsa = |n: &str, e: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#);
        let zeros = |len: usize| "A".repeat(len);
        let ec = |crv: &str, x: &str, y: &str| format!(r#"{{"kty":"EC","crv":"{crv}","x":"{x}","y":"{y}"}}"#);
        let cases = [
            (String::from("[]"), JwtError::NotAnObject),
            (String::from("{}"), JwtError::BadKey),
            (String::from(r#"{"kty":"RSA"}"#), JwtError::BadKey),
            (String::from(r#"{"kty":"oct","k":"AAAA"}"#), JwtError::PrivateKey),
            (String::from(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#), JwtError::BadKey),
            (rsa(N, "AQAB").replace('}', r#","d":"AQAB"}"#), JwtError::PrivateKey),
            (rsa(N, "AQAB").replace('}', r#","dp":null}"#), JwtError::PrivateKey),
            (rsa(N, "AQ"), JwtError::BadKey),
            (rsa(N, "Ag"), JwtError::BadKey),
            (rsa(N, ""), JwtError::BadKey),
            (rsa(N, "AQAAAAE"), JwtError::BadKey),
            (rsa(&N[..340], "AQAB"), JwtError::BadKey),
            (rsa(&format!("{N}=="), "AQAB"), JwtError::BadKey),
            (rsa(&format!("f{}", "_".repeat(1366)), "AQAB"), JwtError::BadKey),
            (rsa(&zeros(400), "AQAB"), JwtError::BadKey),
            (ec("P-256", &zeros(43), &zeros(42)), JwtError::BadKey),
            (ec("P-256", &zeros(44), &zeros(43)), JwtError::BadKey),
            (ec("P-384", &zeros(64), &zeros(64)), JwtError::BadKey),
            (format!(r#"{{"kty":"RSA","x":"{}"}}"#, zeros(MAX_JWT)), JwtError::TooLong),
        ];
        for (json, expected) in cases {
            assert_eq!(Jwk::parse(json.as_bytes()), Err(expected), "{json}");
        }
    }
}
