//! Signed HTTP requests (SHR): what is signed with a PoP token, as Entra's libraries make it and as the IETF draft says.
//!
//! The draft is `draft-ietf-oauth-signed-http-request-03`. The token is asked for with [`req_cnf`]; each request to the
//! resource then carries `Authorization: PoP` and a fresh SHR, for which nobody has to be asked.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

use super::PopKey;
use super::address::Address;
use super::key::Signed;
use crate::base64::url_encode;
use crate::entropy::{Entropy, uuid_v4};
use crate::error::{Config, Error};
use crate::jose::Jwk;
use crate::jose::assertion;
use crate::json::{Members, Value, object, texts};
use crate::key::Algorithm;
use crate::secret::Secret;
use crate::time::UnixTime;

/// A request to a resource that is to be signed.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method; it is signed in upper case.
    pub method: &'a str,
    /// The whole address, as the request goes to it.
    pub url: &'a str,
    /// The nonce that the resource gave.
    pub nonce: Option<&'a str>,
    /// In whose words.
    pub profile: Profile<'a>,
}

/// The two ways to write an SHR down.
#[derive(Clone, Copy)]
pub enum Profile<'a> {
    /// As Entra's libraries: address in lower case with a slash behind the path, the query as it is, the public key inside.
    Entra {
        /// A text that the resource wants signed along.
        client_claims: Option<&'a str>,
    },
    /// As the IETF draft: names and SHA-256 of query parameters and headers, SHA-256 of the body.
    Ietf {
        /// Headers to be signed, in this order; the draft wants each name at most once.
        headers: &'a [(&'a str, &'a str)],
        /// The body, where it is to be signed.
        body: Option<&'a [u8]>,
    },
}

/// The `req_cnf` of a token request: `{"kid": thumbprint}` in base64url, Entra's form of RFC 7800 s3.4.
pub fn req_cnf(key: &Jwk) -> String {
    url_encode(format!(r#"{{"kid":"{}"}}"#, key.thumbprint()).as_bytes())
}

/// What is to be signed (RFC 7515 s5.1) for this request and this token, which is part of it: it is as secret as the token.
///
/// # Errors
/// [`Config::HttpMethod`] when the method is none (RFC 9110 s9.1), [`Config::ResourceAddress`].
pub fn signing_input(
    request: &SignedRequest<'_>,
    access_token: &str,
    alg: Algorithm,
    key: &Jwk,
    now: UnixTime,
) -> Result<Secret, Config> {
    if !is_method(request.method) {
        return Err(Config::HttpMethod);
    }
    let canonical;
    let url = match request.profile {
        Profile::Entra { .. } => {
            canonical = canonical_url(request.url);
            &canonical
        }
        Profile::Ietf { .. } => request.url,
    };
    let address = Address::parse(url)?;
    let mut header = Members::new();
    header.set("alg", alg.as_str());
    header.set("typ", "pop");
    let mut claims = Members::new();
    claims.set("at", access_token);
    claims.set("ts", now.0);
    claims.set("m", request.method.to_ascii_uppercase());
    claims.set("u", address.authority);
    claims.set("p", address.path);
    if let Some(nonce) = request.nonce {
        claims.set("nonce", nonce);
    }
    match request.profile {
        Profile::Entra { client_claims } => {
            header.set("kid", req_cnf(key));
            // The slash that was set behind the address is not the query's.
            let query = address.query.map(|query| query.strip_suffix('/').unwrap_or(query));
            if let Some(query) = query.filter(|query| !query.is_empty()) {
                claims.set("q", Vec::from([texts([""; 0]), Value::from(query)]));
            }
            if let Some(text) = client_claims.filter(|text| !text.is_empty()) {
                claims.set("client_claims", text);
            }
            claims.set("cnf", object([("jwk", key.to_value())]));
        }
        Profile::Ietf { headers, body } => {
            header.set("kid", key.thumbprint());
            if let Some(query) = address.query.filter(|query| !query.is_empty()) {
                claims.set("q", hashed_query(query));
            }
            if !headers.is_empty() {
                claims.set("h", hashed_headers(headers));
            }
            if let Some(body) = body {
                claims.set("b", url_encode(&Sha256::digest(body)));
            }
        }
    }
    Ok(encoded(&header, &claims))
}

/// The SHR: the signing input and its JOSE signature.
pub fn complete(signing_input: &Secret, signature: &[u8]) -> Secret {
    assertion::complete(signing_input.expose(), signature)
}

/// The SHR for this request and this token, with a key in memory. Entra's profile takes a random nonce where the resource gave
/// none. For a key that may be elsewhere there is [`Prove`](crate::prove::Prove).
///
/// # Errors
/// As [`signing_input`]; [`Error::NoEntropy`]; [`Config::ProofKey`] when the host holds the key.
pub fn sign(
    request: &SignedRequest<'_>,
    access_token: &Secret,
    key: &PopKey,
    now: UnixTime,
    entropy: &mut dyn Entropy,
) -> Result<Secret, Error> {
    let input = prepare(request, access_token, key, now, entropy)?;
    match key.sign(input.expose().as_bytes(), entropy)? {
        Signed::Here(signature) => Ok(complete(&input, &signature)),
        Signed::Elsewhere(_) => Err(Config::ProofKey.into()),
    }
}

/// The [`signing_input`] with a nonce in any case.
pub(crate) fn prepare(
    request: &SignedRequest<'_>,
    access_token: &Secret,
    key: &PopKey,
    now: UnixTime,
    entropy: &mut dyn Entropy,
) -> Result<Secret, Error> {
    let drawn;
    let mut request = *request;
    if let (Profile::Entra { .. }, None) = (request.profile, request.nonce) {
        drawn = uuid_v4(entropy)?;
        request.nonce = Some(&drawn);
    }
    Ok(signing_input(&request, access_token.expose(), key.alg(), key.jwk(), now)?)
}

/// Header and claims, encoded and joined.
pub(super) fn encoded(header: &Members, claims: &Members) -> Secret {
    let claims = zeroize::Zeroizing::new(url_encode(&claims.to_json()));
    Secret::new(format!("{}.{}", url_encode(&header.to_json()), *claims))
}

/// A method of whatever name: a token of RFC 9110 s5.6.2.
pub(crate) fn is_method(method: &str) -> bool {
    !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The address as `@azure/msal-common` takes it apart; one with a fragment is taken as it is.
fn canonical_url(url: &str) -> String {
    if url.contains('#') {
        return url.into();
    }
    let lower = url.to_ascii_lowercase();
    let bare = lower.strip_suffix('?').or(lower.strip_suffix("?/")).unwrap_or(&lower);
    let slash = if bare.ends_with('/') { "" } else { "/" };
    format!("{bare}{slash}")
}

/// Section 3.1 of the draft: names and values as they are encoded in the address.
fn hashed_query(query: &str) -> Value {
    let names: Vec<&str> = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name)).collect();
    Value::Array(Vec::from([texts(names), url_encode(&Sha256::digest(query.as_bytes())).into()]))
}

/// Section 3.2 of the draft, whose own example was hashed with `\r\n` where its text says newline: the text counts, as it does for
/// Microsoft's verifier.
fn hashed_headers(headers: &[(&str, &str)]) -> Value {
    let names: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let lines: Vec<String> = names.iter().zip(headers).map(|(name, (_, value))| format!("{name}: {value}")).collect();
    Value::Array(Vec::from([texts(names), url_encode(&Sha256::digest(lines.join("\n").as_bytes())).into()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::Compact;
    use serde_json::json;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    fn key() -> Jwk {
        Jwk::p256([1; 32], [2; 32])
    }

    fn signed(request: &SignedRequest<'_>) -> Result<(Value, Value), Config> {
        let input = signing_input(request, "token", Algorithm::Es256, &key(), NOW)?;
        let shr = complete(&input, b"sig");
        let compact = Compact::parse(shr.expose()).unwrap();
        assert_eq!((compact.signing_input(), compact.signature), (input.expose(), "c2ln"));
        let object = |members: Members| Value::Object(members.as_map().clone());
        Ok((object(compact.decode_header().unwrap()), object(compact.decode_payload().unwrap())))
    }

    fn of_entra<'a>(method: &'a str, url: &'a str, client_claims: Option<&'a str>) -> SignedRequest<'a> {
        SignedRequest { method, url, nonce: Some("n"), profile: Profile::Entra { client_claims } }
    }

    #[test]
    fn header_and_key() {
        let (header, claims) = signed(&of_entra("get", "https://r/", None)).unwrap();
        let cnf = req_cnf(&key());
        assert_eq!(
            crate::base64::url_decode(&cnf).unwrap(),
            format!(r#"{{"kid":"{}"}}"#, key().thumbprint()).as_bytes()
        );
        assert_eq!(header, json!({"alg": "ES256", "typ": "pop", "kid": cnf}));
        let jwk: Value = serde_json::from_str(&key().to_json()).unwrap();
        let expected =
            json!({"at": "token", "ts": NOW.0, "m": "GET", "u": "r", "p": "/", "nonce": "n", "cnf": {"jwk": jwk}});
        assert_eq!(claims, expected);
    }

    #[test]
    fn addresses_of_entra() {
        let cases = [
            ("https://Graph.Example:443/V1/Me", "graph.example:443", "/v1/me/", None),
            ("https://r/a/", "r", "/a/", None),
            ("https://r", "r", "/", None),
            ("https://r/a?", "r", "/a/", None),
            ("https://r/a?/", "r", "/a/", None),
            ("https://r/a?B=C&d", "r", "/a", Some("b=c&d")),
            ("https://r/a?b=c/", "r", "/a", Some("b=c")),
            ("https://R/A?B=C/#f", "R", "/A", Some("B=C")),
        ];
        for (url, u, p, q) in cases {
            let (_, claims) = signed(&of_entra("GET", url, Some("c"))).unwrap();
            let q = q.map_or(Value::Null, |q| json!([[], q]));
            assert_eq!([&claims["u"], &claims["p"]], [u, p], "{url}");
            assert_eq!((&claims["q"], &claims["client_claims"]), (&q, &json!("c")), "{url}");
        }
    }

    #[test]
    fn hashes_of_the_draft() {
        // Sections 3.1 and 3.2; the second is the corrected one.
        let headers = [("Content-Type", "application/json"), ("ETag", "742-3u8f34-3r2nvv3")];
        let request = SignedRequest {
            method: "POST",
            url: "https://www.Example.com/Path?b=bar&a=foo&c=duck",
            nonce: None,
            profile: Profile::Ietf { headers: &headers, body: Some(b"") },
        };
        let (header, claims) = signed(&request).unwrap();
        assert_eq!(header, json!({"alg": "ES256", "typ": "pop", "kid": key().thumbprint()}));
        let expected = json!({
            "at": "token", "ts": NOW.0, "m": "POST", "u": "www.Example.com", "p": "/Path",
            "q": [["b", "a", "c"], "u4LgkGUWhP9MsKrEjA4dizIllDXluDku6ZqCeyuR-JY"],
            "h": [["content-type", "etag"], "P6z5XN4tTzHkfwe3XO1YvVUIurSuhvh_UG10N_j-aGs"],
            "b": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn what_cannot_be_signed() {
        let cases = [
            ("", "https://r/", Config::HttpMethod),
            ("GE T", "https://r/", Config::HttpMethod),
            ("GET", "r/", Config::ResourceAddress),
            ("GET", "https://u@r/", Config::ResourceAddress),
        ];
        for (method, url, expected) in cases {
            assert_eq!(signed(&of_entra(method, url, None)).err(), Some(expected), "{method} {url}");
        }
    }
}
