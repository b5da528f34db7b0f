//! JWTs, JWKs, token responses and the token cache: what they are read as is what they are.

use core::str;

use crate::base64::url_encode;
use crate::cache::{Found, Kind, Lookup, Matching, Scheme, TokenCache, TokenEvent};
use crate::error::TokenError;
use crate::jose::id_token::{Expected, decode_id_token};
use crate::jose::{self, Compact, Jwk, KeySet, SetKey, Verify};
use crate::key::Algorithm;
use crate::limits::MAX_JWKS_KEYS;
use crate::time::UnixTime;
use crate::token::TokenResponse;
use crate::validate::{Issuers, Tenants, TokenValidation};

const NOW: UnixTime = UnixTime(1_700_000_000);

/// A compact JWS is its three parts and two dots, and base64url has one spelling.
pub fn jwt(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let _ = (jose::decode_part(text), jose::decode_part_text(text));
    let Ok(jwt) = Compact::parse(text) else { return };
    assert_eq!(alloc::format!("{}.{}", jwt.signing_input(), jwt.signature), text);
    if let Ok(signature) = jwt.decode_signature() {
        assert_eq!(url_encode(&signature), jwt.signature);
    }
    let _ = (jwt.decode_header(), jwt.decode_payload());
}

/// What the validator lets through has the claims that it was asked about.
pub fn id_token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let claims = jose::id_token::claims(text);
    let unchecked = decode_id_token(text, &Expected::default(), NOW);
    assert!(claims.is_ok() || unchecked.is_err());
    let expected = Expected { client_id: Some("c"), issuer: Some("i"), nonce: Some("n") };
    if let Ok(checked) = decode_id_token(text, &expected, NOW) {
        assert_eq!((checked.claims.text("iss"), checked.claims.text("nonce")), (Some("i"), Some("n")));
    }
}

/// A key that is read is written and read again as the same key, with the same thumbprint (RFC 7638).
pub fn jwk(data: &[u8]) {
    let Ok(jwk) = Jwk::parse(data) else { return };
    let written = jwk.to_json();
    let Ok(again) = Jwk::parse(written.as_bytes()) else { panic!("a JWK that we wrote is not read") };
    assert_eq!(again.thumbprint(), jwk.thumbprint());
    assert_eq!(jwk.thumbprint().len(), 43);
}

/// A set of keys, and behind a zero byte a token: keys that are read are written and read again as themselves, nobody but the
/// holder of a private key can sign, and what is refused is refused without a panic.
pub fn key_set(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (set, token) = data.split_at(at);
    let Ok(set) = KeySet::parse(set) else { return };
    assert!(set.keys().len() <= MAX_JWKS_KEYS);
    for key in set.keys() {
        let Ok(again) = Jwk::parse(key.jwk().to_json().as_bytes()) else { panic!("a key that we wrote is not read") };
        assert_eq!(again.key(), key.jwk().key());
        for alg in ALGORITHMS {
            assert!(set.verify(key.jwk().kid(), alg, b"message", b"").is_err());
        }
    }
    let Some(Ok(token)) = token.get(1..).map(str::from_utf8) else { return };
    for issuers in
        [Issuers::One("i".into()), Issuers::Entra { host: "login.microsoftonline.com".into(), tenants: Tenants::Any }]
    {
        let rules = TokenValidation { algorithms: ALGORITHMS.into(), ..TokenValidation::new("a", issuers) };
        if let Ok(valid) = rules.check_by(&Anything, token, &set, NOW) {
            let of = |name| valid.claims.get(name).map(alloc::string::ToString::to_string).unwrap_or_default();
            assert!(
                of("aud").contains("\"a\"") && valid.claims.text("iss").is_some() && valid.claims.text("sub").is_some()
            );
            assert_eq!(valid.header().text("alg"), Some(valid.alg.as_str()));
            let Ok(compact) = Compact::parse(token) else { panic!("a token that is not one") };
            // No member stood twice: written again, the claims are as long as they would be read by anybody.
            assert_eq!(compact.decode_payload().as_ref(), Ok(&valid.claims));
        }
    }
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256];

/// Takes any signature, so that claims are judged which a fuzzer cannot sign.
#[derive(Debug)]
struct Anything;

impl Verify for Anything {
    fn verify(&self, _: &SetKey, _: Algorithm, _: &[u8], _: &[u8]) -> Result<(), TokenError> {
        Ok(())
    }
}

/// What a response is recorded as, a look-up finds; and nothing that is bound is found as a bearer token.
pub fn token_response(data: &[u8]) {
    let Ok(response) = TokenResponse::parse(data) else { return };
    let mut cache = TokenCache::default();
    let event = TokenEvent {
        client_id: Some("client"),
        scopes: &["a", "b"],
        token_endpoint: Some("https://login.example/tenant/token"),
        grant_type: "client_credentials",
        ..TokenEvent::new(&response)
    };
    let Ok(changes) = cache.record(&event, NOW) else { return };
    cache.apply(changes);
    let Ok(info) = response.client_info() else { return };
    let account = info.map(|info| alloc::format!("{}.{}", info.uid, info.utid));
    let lookup = Lookup {
        client_id: Some("client"),
        environment: "login.example",
        realm: "tenant",
        home_account_id: account.as_deref(),
        scopes: &["b"],
        ext_cache_key: None,
        scheme: Scheme::Bearer,
        matching: Matching::Tolerant,
    };
    if let Found::Fresh(entry) | Found::Aging(entry) = cache.find(&lookup, NOW) {
        assert!(!entry.is_bound());
        assert_eq!(Some(entry.secret()), response.access_token());
    }
}

/// A cache is written as it was read, unknown things included; looking through it harms nothing.
pub fn cache_json(data: &[u8]) {
    let Ok(mut cache) = TokenCache::from_json(data) else { return };
    let written = cache.to_json();
    if let (Ok(before), Ok(after)) =
        (serde_json::from_slice::<serde_json::Value>(data), serde_json::from_slice::<serde_json::Value>(&written))
    {
        assert_eq!(before, after);
    }
    for kind in Kind::ALL {
        let _ = cache.search(kind, &[], &[], NOW).count();
    }
    let expired = cache.expired(NOW);
    let removed = expired.len();
    cache.apply(expired);
    assert!(cache.expired(NOW).is_empty(), "{removed} were removed, and some are still there");
    let _ = cache.remove_app_tokens("client", &["login.microsoftonline.com"]);
}
