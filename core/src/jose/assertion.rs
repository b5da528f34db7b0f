//! JWT client assertions (RFC 7523 s2.2, s3) as Entra takes them: what is signed, and the assertion around a signature.

use alloc::string::String;
use alloc::vec::Vec;

use crate::base64::url_encode;
use crate::json::{Members, Value};
use crate::key::Algorithm;
use crate::secret::Secret;
use crate::time::UnixTime;

/// Seconds for which an assertion is good (section 1.6 of the reference).
pub const LIFETIME: u64 = 600;

/// The protected header of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionHeader {
    /// The algorithm of the signature.
    pub alg: Algorithm,
    /// SHA-1 of the certificate (RFC 7515 s4.1.7). Left out if `x5t_s256` is given: exactly one of both is sent.
    pub x5t: Option<[u8; 20]>,
    /// SHA-256 of the certificate (RFC 7515 s4.1.8).
    pub x5t_s256: Option<[u8; 32]>,
    /// The certificate and its chain, leaf first, each in base64 without line breaks (RFC 7515 s4.1.6).
    pub x5c: Vec<String>,
}

impl AssertionHeader {
    fn members(&self) -> Members {
        let mut header = Members::new();
        header.set("alg", self.alg.as_str());
        header.set("typ", "JWT");
        match (&self.x5t_s256, &self.x5t) {
            (Some(digest), _) => header.set("x5t#S256", url_encode(digest)),
            (None, Some(digest)) => header.set("x5t", url_encode(digest)),
            (None, None) => {}
        }
        if !self.x5c.is_empty() {
            header.set("x5c", self.x5c.iter().map(|c| Value::from(c.as_str())).collect::<Vec<_>>());
        }
        header
    }
}

/// What is to be signed (RFC 7515 s5.1): the encoded header and claims.
///
/// `audience` is the token endpoint, `jti` a fresh random UUID. `extra_claims` come last and replace any of ours.
pub fn signing_input(
    header: &AssertionHeader,
    client_id: &str,
    audience: &str,
    now: UnixTime,
    jti: &str,
    extra_claims: Option<&Members>,
) -> String {
    let mut claims = Members::new();
    claims.set("aud", audience);
    claims.set("iss", client_id);
    claims.set("sub", client_id);
    claims.set("exp", now.after(LIFETIME).0);
    claims.set("iat", now.0);
    claims.set("jti", jti);
    for (name, value) in extra_claims.iter().flat_map(|extra| extra.iter()) {
        claims.set(name, value.clone());
    }
    let mut input = url_encode(&header.members().to_json());
    input.push('.');
    input.push_str(&url_encode(&claims.to_json()));
    input
}

/// The assertion: the signing input and its JOSE signature (RFC 7515 s3.1).
pub fn complete(signing_input: &str, signature: &[u8]) -> Secret {
    let signature = url_encode(signature);
    // At once in its full length, so that no shorter copy stays behind.
    let length = signing_input.len().saturating_add(signature.len()).saturating_add(1);
    let mut assertion = String::with_capacity(length);
    assertion.push_str(signing_input);
    assertion.push('.');
    assertion.push_str(&signature);
    Secret::new(assertion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Compact;
    use crate::json::parse_object;
    use serde_json::json;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    fn header() -> AssertionHeader {
        AssertionHeader { alg: Algorithm::Ps256, x5t: None, x5t_s256: None, x5c: Vec::new() }
    }

    fn decoded(header: &AssertionHeader, extra: Option<&Members>) -> (Value, Value) {
        let input = signing_input(header, "client", "https://e/token", NOW, "an-id", extra);
        let assertion = complete(&input, b"sig");
        let compact = Compact::parse(assertion.expose()).unwrap();
        assert_eq!((compact.signing_input(), compact.signature), (&*input, "c2ln"));
        let object = |members: Members| Value::Object(members.as_map().clone());
        (object(compact.decode_header().unwrap()), object(compact.decode_payload().unwrap()))
    }

    #[test]
    fn claims() {
        // Section 1.6; integers, neither `nbf` nor `kid` (G-23).
        let (_, claims) = decoded(&header(), None);
        let expected = json!({
            "aud": "https://e/token", "iss": "client", "sub": "client", "jti": "an-id",
            "iat": 1_700_000_000_u64, "exp": 1_700_000_600_u64,
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn extra_claims_override() {
        // Transcript client_credentials__cert__client_claims_override.
        let extra = parse_object(br#"{"aud":"other","exp":1,"extra":{"deep":[1,true,null,"\u00e9"]}}"#, 100).unwrap();
        let (_, claims) = decoded(&header(), Some(&extra));
        let expected = json!({
            "aud": "other", "iss": "client", "sub": "client", "jti": "an-id",
            "iat": 1_700_000_000_u64, "exp": 1, "extra": {"deep": [1, true, null, "é"]},
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn headers() {
        // Thumbprints without padding (G-23); values of the transcripts client_credentials__cert__*.
        let sha1 = crate::base64::hex_decode("2e9e65103f3507b7d386d6ffff2a88b494b427d6");
        let sha256 = crate::base64::hex_decode("4467518a60ce7632576d26a9f53efeb31f3bec9c1e725c01a597036e3cc6520f");
        assert!(sha1.is_some() && sha256.is_some());
        let cases = [
            (header(), json!({"alg": "PS256", "typ": "JWT"})),
            (
                AssertionHeader { alg: Algorithm::Rs256, x5t: sha1, ..header() },
                json!({"alg": "RS256", "typ": "JWT", "x5t": "Lp5lED81B7fThtb__yqItJS0J9Y"}),
            ),
            (
                AssertionHeader {
                    x5t: sha1,
                    x5t_s256: sha256,
                    x5c: alloc::vec!["AAAA".into(), "BBBB".into()],
                    ..header()
                },
                json!({
                    "alg": "PS256", "typ": "JWT", "x5c": ["AAAA", "BBBB"],
                    "x5t#S256": "RGdRimDOdjJXbSap9T7-sx877JweclwBpZcDbjzGUg8",
                }),
            ),
        ];
        for (header, expected) in cases {
            assert_eq!(decoded(&header, None).0, expected);
        }
    }
}
