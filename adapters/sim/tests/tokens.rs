//! The tokens are real: `jsonwebtoken` verifies them against the published keys, before and after rotations.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, CONTOSO_TENANT, Platform, Request};
use serde_json::{Value, json};

const HOST: &str = "login.microsoftonline.com";
const NOW: u64 = 1_800_000_000;

fn answer(platform: &mut Platform, client_info: &str) -> Value {
    asked(platform, client_info, &[])
}

fn asked(platform: &mut Platform, client_info: &str, more: &[(&str, &str)]) -> Value {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", CONTOSO_CLIENT),
        ("client_secret", CONTOSO_SECRET),
        ("client_info", client_info),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let fields = [&fields, more].concat();
    let target = "/contoso.onmicrosoft.com/oauth2/v2.0/token";
    serde_json::from_slice(&platform.answer(&Request::form(HOST, target, &fields, NOW)).body).unwrap()
}

fn token(platform: &mut Platform) -> String {
    answer(platform, "")["access_token"].as_str().unwrap().to_owned()
}

fn keys(platform: &mut Platform) -> JwkSet {
    let target = format!("/{CONTOSO_TENANT}/discovery/v2.0/keys");
    serde_json::from_slice(&platform.answer(&Request::get(HOST, &target, NOW)).body).unwrap()
}

fn verify(token: &str, keys: &JwkSet) -> Option<Value> {
    let key = keys.find(&decode_header(token).unwrap().kid.unwrap())?;
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&["https://graph.microsoft.com"]);
    rules.set_issuer(&[format!("https://{HOST}/{CONTOSO_TENANT}/v2.0")]);
    // It knows no time but the system's.
    rules.validate_exp = false;
    Some(decode(token, &DecodingKey::from_jwk(key).unwrap(), &rules).ok()?.claims)
}

#[test]
fn another_library_verifies_them() {
    let mut platform = Platform::contoso(1).unwrap().lifetime(100);
    let (token, keys) = (token(&mut platform), keys(&mut platform));
    let mut claims = verify(&token, &keys).unwrap();
    let id = claims.as_object_mut().unwrap().remove("uti").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 36);
    let expected = json!({
        "aud": "https://graph.microsoft.com",
        "iss": format!("https://{HOST}/{CONTOSO_TENANT}/v2.0"),
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 100,
        "appid": CONTOSO_CLIENT,
        "azp": CONTOSO_CLIENT,
        "azpacr": "1",
        "sub": CONTOSO_CLIENT,
        "roles": ["Directory.Read.All"],
        "tid": CONTOSO_TENANT,
        "ver": "2.0",
    });
    assert_eq!(claims, expected);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert!(verify(&format!("{signed}A.{signature}"), &keys).is_none(), "jsonwebtoken verifies nothing");
}

#[test]
fn keys_rotate() {
    let mut platform = Platform::contoso(1).unwrap();
    let first = token(&mut platform);
    let before = keys(&mut platform);
    platform.rotate_keys();
    let second = token(&mut platform);
    let between = keys(&mut platform);
    platform.rotate_keys();
    let after = keys(&mut platform);
    let counts = |token: &str| [&before, &between, &after].map(|keys| verify(token, keys).is_some());
    assert_eq!(counts(&first), [true, true, false]);
    assert_eq!(counts(&second), [false, true, true]);
}

#[test]
fn members_that_are_switched_on() {
    let mut plain = Platform::contoso(1).unwrap();
    let names = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&answer(&mut plain, "1")), "access_token expires_in ext_expires_in token_type");
    let mut more = Platform::contoso(1).unwrap().refresh_in(10).client_info();
    assert_eq!(answer(&mut more, "")["refresh_in"], 10);
    assert!(answer(&mut more, "").get("client_info").is_none());
    assert!(answer(&mut more, "1")["client_info"].is_string());
}

/// An application that asks for a bound token must not get a bearer token instead.
#[test]
fn tokens_of_applications_are_bound_to_the_key_that_is_named() {
    let mut platform = Platform::contoso(1).unwrap();
    // {"kid":"abc"}
    let answer = asked(&mut platform, "", &[("token_type", "pop"), ("req_cnf", "eyJraWQiOiJhYmMifQ")]);
    assert_eq!(answer["token_type"], "pop");
    let claims = verify(answer["access_token"].as_str().unwrap(), &keys(&mut platform)).unwrap();
    assert_eq!(claims["cnf"], json!({"kid": "abc"}));
    let nameless = asked(&mut platform, "", &[("token_type", "pop")]);
    assert_eq!(nameless["error"], "invalid_request");
}
