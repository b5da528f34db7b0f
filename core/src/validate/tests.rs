//! Tokens made here and judged here: what passes, and more than a thousand alterations that must not.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Value, json};

use super::*;
use crate::base64::{url_decode, url_encode};
use crate::cert::{PrivateKey, RsaKey};
use crate::entropy::{Entropy, NoEntropy};
use crate::jose::{KeySet, Software};
use crate::key::Algorithm;
use crate::time::UnixTime;

const NOW: UnixTime = UnixTime(1_700_000_000);
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            self.0 = self.0.wrapping_mul(17).wrapping_add(91);
            *byte = self.0;
        }
        Ok(())
    }
}

fn key() -> RsaKey {
    let pem = include_bytes!("../../../tests/certs/rsa2048.key.pkcs1.pem");
    RsaKey::new(&PrivateKey::parse(pem, None).unwrap()).unwrap()
}

fn signed(key: &RsaKey, alg: Algorithm, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", url_encode(header.as_bytes()), url_encode(claims.as_bytes()));
    let signature = key.sign(alg, input.as_bytes(), &mut Counting(7)).unwrap();
    format!("{input}.{}", url_encode(&signature))
}

fn header() -> Value {
    json!({"alg": "RS256", "kid": "k", "typ": "JWT"})
}

fn claims() -> Value {
    json!({
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "aud": "api://a", "sub": "s", "tid": TENANT,
        "ver": "2.0", "iat": NOW.0 - 10, "nbf": NOW.0 - 10, "exp": NOW.0 + 3600, "scp": "read write",
        "roles": ["Reader"], "nonce": "n",
    })
}

fn keys(key: &RsaKey, more: &str) -> KeySet {
    let n = url_encode(&key.modulus());
    KeySet::parse(format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","e":"AQAB","n":"{n}"{more}}}]}}"#).as_bytes()).unwrap()
}

fn rules() -> TokenValidation {
    let tenants = Tenants::Only([TENANT.to_string()].into());
    let issuers = Issuers::Entra { host: "login.microsoftonline.com".into(), tenants };
    TokenValidation {
        nonce: Some("n".into()),
        scopes: ["read".to_string()].into(),
        roles: ["Reader".to_string()].into(),
        ..TokenValidation::new("api://a", issuers)
    }
}

/// `name` set to `value`, or removed.
fn with(object: &Value, name: &str, value: Option<Value>) -> String {
    let mut object = object.as_object().unwrap().clone();
    match value {
        Some(value) => object.insert(name.into(), value),
        None => object.remove(name),
    };
    Value::Object(object).to_string()
}

#[test]
fn claims_and_headers_signed_rightly() {
    let (key, rules) = (key(), rules());
    let set = keys(&key, "");
    let judge = |header: &str, claims: &str| {
        rules.check(&signed(&key, Algorithm::Rs256, header, claims), &set, NOW).map(|_| ()).err()
    };
    assert_eq!(judge(&header().to_string(), &claims().to_string()), None);
    let missing = |name| Some(TokenError::Missing(name));
    let issuer = |got: &str| Some(TokenError::Issuer { got: got.into() });
    let v1 = format!("https://sts.windows.net/{TENANT}/");
    let cases = [
        ("iss", json!("https://evil.example/"), issuer("https://evil.example/")),
        ("iss", json!(v1), issuer(&v1)), // `ver` says 2.0
        ("iss", json!(7), missing("iss")),
        ("tid", json!("x"), missing("tid")),
        ("ver", json!(2), issuer(claims()["iss"].as_str().unwrap())),
        ("aud", json!("api://b"), Some(TokenError::Audience)),
        ("aud", json!(["api://b", "api://a"]), None),
        ("aud", json!(["api://a", 1]), missing("aud")),
        ("aud", json!([]), Some(TokenError::Audience)),
        ("exp", json!(NOW.0 - 299), None),
        ("exp", json!(NOW.0 - 300), Some(TokenError::Expired)),
        ("exp", json!((NOW.0 + 5) as f64 + 0.5), None),
        ("exp", json!(u64::MAX), missing("exp")),
        ("exp", json!(1e300), missing("exp")),
        ("exp", json!(-1), missing("exp")),
        ("exp", json!("1800000000"), missing("exp")),
        ("nbf", json!(NOW.0 + 300), None),
        ("nbf", json!(NOW.0 + 301), Some(TokenError::NotYetValid)),
        ("nbf", Value::Null, missing("nbf")),
        ("iat", json!(NOW.0 + 301), Some(TokenError::NotYetValid)),
        ("iat", json!([]), missing("iat")),
        ("sub", json!(""), missing("sub")),
        ("nonce", json!("m"), Some(TokenError::Nonce)),
        ("scp", json!("readwrite"), Some(TokenError::Scope)),
        ("roles", json!("Reader"), Some(TokenError::Role)),
        ("roles", json!([]), Some(TokenError::Role)),
    ];
    for (name, value, expected) in cases {
        let changed = with(&claims(), name, Some(value));
        assert_eq!(judge(&header().to_string(), &changed), expected, "{changed}");
    }
    for name in ["iss", "aud", "sub", "tid", "iat", "exp", "nonce", "scp", "roles"] {
        assert!(judge(&header().to_string(), &with(&claims(), name, None)).is_some(), "{name}");
    }
    let headers = [
        ("alg", Some(json!("none")), Some(TokenError::Algorithm)),
        ("alg", Some(json!("HS256")), Some(TokenError::Algorithm)),
        ("alg", Some(json!("PS256")), Some(TokenError::Algorithm)),
        ("alg", Some(json!("rs256")), Some(TokenError::Algorithm)),
        ("alg", None, Some(TokenError::Algorithm)),
        ("kid", Some(json!("other")), Some(TokenError::UnknownKey)),
        ("kid", Some(json!(1)), Some(TokenError::UnknownKey)),
        ("kid", None, None),
        ("crit", Some(json!(["b64"])), Some(TokenError::Critical)),
        ("crit", Some(json!([])), Some(TokenError::Critical)),
        ("typ", Some(json!("dpop+jwt")), Some(TokenError::Type)),
        ("typ", Some(json!("application/AT+JWT")), None),
        ("typ", Some(Value::Null), Some(TokenError::Type)),
        ("typ", None, None),
    ];
    for (name, value, expected) in headers {
        let changed = with(&header(), name, value);
        assert_eq!(judge(&changed, &claims().to_string()), expected, "{changed}");
    }
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let doubled = twice(&claims().to_string(), r#""sub":"s""#);
    assert_eq!(judge(&header().to_string(), &doubled), Some(TokenError::Duplicate));
    let doubled = twice(&header().to_string(), r#""alg":"none""#);
    assert_eq!(judge(&doubled, &claims().to_string()), Some(TokenError::Duplicate));
    let huge = claims().to_string().replace(&(NOW.0 + 3600).to_string(), &"9".repeat(400));
    assert!(judge(&header().to_string(), &huge).is_some());
}

#[test]
fn version_1_of_each_cloud() {
    let key = key();
    let set = keys(&key, "");
    for (host, sts, expected) in [
        ("login.microsoftonline.com", "sts.windows.net", true),
        ("login.microsoftonline.us", "sts.windows.net", true),
        ("login.partner.microsoftonline.cn", "sts.chinacloudapi.cn", true),
        ("login.chinacloudapi.cn", "sts.chinacloudapi.cn", true),
        ("login.chinacloudapi.cn", "sts.windows.net", false),
        ("login.microsoftonline.com", "sts.chinacloudapi.cn", false),
        ("login.example", "sts.windows.net", true), // a custom domain, Azure Stack's say
    ] {
        let rules = TokenValidation { issuers: Issuers::Entra { host: host.into(), tenants: Tenants::Any }, ..rules() };
        let claims = with(&claims(), "iss", Some(json!(format!("https://{sts}/{TENANT}/"))));
        let claims = claims.replace(r#""ver":"2.0""#, r#""ver":"1.0""#);
        let token = signed(&key, Algorithm::Rs256, &header().to_string(), &claims);
        assert_eq!(rules.check(&token, &set, NOW).is_ok(), expected, "{host} {sts}");
    }
}

#[test]
fn altered_in_each_byte() {
    let (key, rules) = (key(), rules());
    let set = keys(&key, "");
    let token = signed(&key, Algorithm::Rs256, &header().to_string(), &claims().to_string());
    let mut altered = 0;
    for at in 0..token.len() {
        for byte in [b'A', b'-', b'.', b'='] {
            let mut bytes = Vec::from(token.as_bytes());
            if bytes[at] != byte {
                bytes[at] = byte;
                let text = String::from_utf8(bytes).unwrap();
                assert!(rules.check(&text, &set, NOW).is_err(), "{at} {byte}");
                altered += 1;
            }
        }
    }
    assert!(altered > 1000, "{altered}");
    // Every bit of the signature.
    let (input, signature) = token.rsplit_once('.').unwrap();
    for at in 0..256 {
        let mut signature = url_decode(signature).unwrap();
        signature[at] ^= 1 << (at % 8);
        let text = format!("{input}.{}", url_encode(&signature));
        assert_eq!(rules.check(&text, &set, NOW).err(), Some(TokenError::Signature));
    }
}

#[test]
fn keys_say_what_they_are_for() {
    let key = key();
    let ps256 = TokenValidation { algorithms: [Algorithm::Ps256, Algorithm::Es256].into(), ..rules() };
    let cases = [
        ("", None),
        (r#","use":"sig","key_ops":["verify"],"alg":"PS256""#, None),
        (r#","use":"enc""#, Some(TokenError::Key)),
        (r#","key_ops":["encrypt"]"#, Some(TokenError::Key)),
        (r#","alg":"RS256""#, Some(TokenError::Key)),
        (r#","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0""#, None),
        (
            r#","issuer":"https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0""#,
            Some(TokenError::Key),
        ),
        (r#","d":"AQAB""#, Some(TokenError::UnknownKey)),
    ];
    let token = signed(&key, Algorithm::Ps256, &with(&header(), "alg", Some(json!("PS256"))), &claims().to_string());
    for (more, expected) in cases {
        assert_eq!(ps256.check(&token, &keys(&key, more), NOW).err(), expected, "{more}");
    }
    // The same where the issuer is named to the letter: not even the right claims help a key of personal accounts.
    let msa = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for (host, own, expected) in [
        ("login.microsoftonline.com", format!("https://login.microsoftonline.com/{msa}/v2.0"), Some(TokenError::Key)),
        ("login.microsoftonline.com", "https://other.example/".into(), Some(TokenError::Key)),
        ("login.microsoftonline.com", "https://login.microsoftonline.com/{tenantid}/v2.0".into(), None),
        ("login.microsoftonline.com", format!("https://login.microsoftonline.com/{TENANT}/v2.0"), None),
        ("sts.windows.net", format!("https://login.microsoftonline.com/{TENANT}/v2.0"), None),
        ("sts.windows.net", format!("https://login.microsoftonline.com/{msa}/v2.0"), Some(TokenError::Key)),
    ] {
        let issuer = format!("https://{host}/{TENANT}/");
        let one = TokenValidation { issuers: Issuers::One(issuer.clone()), ..ps256.clone() };
        let ps = with(&header(), "alg", Some(json!("PS256")));
        let token = signed(&key, Algorithm::Ps256, &ps, &with(&claims(), "iss", Some(json!(issuer))));
        let keys = keys(&key, &format!(r#","issuer":"{own}""#));
        assert_eq!(one.check(&token, &keys, NOW).err(), expected, "{issuer} {own}");
        let signature = check_signature(&Software, &token, &keys).err();
        assert_eq!(signature, expected, "{issuer} {own}");
    }
    let es256 = signed(&key, Algorithm::Ps256, &with(&header(), "alg", Some(json!("ES256"))), &claims().to_string());
    assert_eq!(ps256.check(&es256, &keys(&key, ""), NOW).err(), Some(TokenError::Key));
}

#[cfg(feature = "es256")]
#[test]
fn es256_of_rfc_7515() {
    // RFC 7515 A.3.
    let jwk = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                   "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    let input = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature =
        url_decode("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q").unwrap();
    let key = crate::jose::Jwk::parse(jwk).unwrap();
    let verify =
        |message: &[u8], signature: &[u8]| crate::jose::verify(key.key(), Algorithm::Es256, message, signature);
    assert_eq!(verify(input, &signature), Ok(()));
    assert_eq!(verify(b"other", &signature), Err(TokenError::Signature));
    assert_eq!(verify(input, &signature[1..]), Err(TokenError::Signature));
    assert_eq!(verify(input, &[0; 64]), Err(TokenError::Signature));
}

/// Runs a machine against an issuer with these keys (`None`: it answers 404); counts how often it is asked for them.
fn run(
    store: &mut crate::store::Store,
    seconds: u64,
    token: &str,
    served: Option<&str>,
    jwks_uri: &str,
) -> (Result<ValidatedToken, Error>, usize) {
    use crate::http::Response;
    use crate::time::Clock;

    let client = crate::Client::builder("c").oidc_authority("https://idp.example").build().unwrap();
    let metadata = format!(
        r#"{{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/a",
            "token_endpoint":"https://idp.example/t","jwks_uri":"{jwks_uri}"}}"#
    );
    let mut machine = ValidateToken::new(rules(), Secret::new(token.into()));
    let (mut asked, mut input, mut entropy) = (0, Input::Start, Counting(1));
    loop {
        let clock = Clock::new(Millis::from_secs(seconds), NOW);
        let step = machine.step(&mut Cx { client: &client, store, clock, entropy: &mut entropy }, input);
        input = match step {
            Ok(Step::Done(done)) => return (Ok(done), asked),
            Err(why) => return (Err(why), asked),
            Ok(Step::Commit(changes)) => {
                store.apply(changes);
                Input::Committed(Ok(()))
            }
            Ok(Step::Send(request)) if request.endpoint.to_string() == jwks_uri => {
                asked += 1;
                let status = if served.is_some() { 200 } else { 404 };
                Input::Response(Response { status, headers: &[], body: served.unwrap_or_default().as_bytes() })
            }
            Ok(Step::Send(_)) => Input::Response(Response { status: 200, headers: &[], body: metadata.as_bytes() }),
            Ok(other) => panic!("{other:?}"),
        };
    }
}

#[test]
fn keys_rotate_and_bad_tokens_ask_seldom() {
    let key = key();
    let jwks = |kid: &str| {
        format!(r#"{{"keys":[{{"kty":"RSA","kid":"{kid}","e":"AQAB","n":"{}"}}]}}"#, url_encode(&key.modulus()))
    };
    let token =
        |kid: &str| signed(&key, Algorithm::Rs256, &with(&header(), "kid", Some(json!(kid))), &claims().to_string());
    let (old, new, one, two) = (token("k"), token("l"), jwks("k"), jwks("l"));
    let day = 24 * 3600;
    // Seconds, token, what is served, whether it is valid, how often keys are asked for.
    let cases = [
        (0, "nonsense", Some(&one), false, 0),
        (0, &old, Some(&one), true, 1),
        (10, &old, None, true, 0),
        (10, &new, Some(&two), false, 0),  // the guard
        (299, &new, Some(&two), false, 0), // to its end
        (300, &new, Some(&one), false, 1), // not there yet
        (310, &new, Some(&two), false, 0), // the guard again
        (600, &new, Some(&two), true, 1),
        (600, &old, Some(&two), false, 0),
        (4199, &new, None, true, 0),
        (4200, &new, None, true, 1), // an hour old; the issuer is away, the old keys serve
        (4210, &new, None, true, 0),
        (4500, &new, Some(&two), true, 1),
        (4500 + day - 1, &new, None, true, 1),
        (4500 + day, &new, None, false, 1), // a day old
    ];
    let mut store = crate::store::Store::new(&mut Counting(3)).unwrap();
    for (seconds, token, served, valid, asked) in cases {
        let served = served.map(String::as_str);
        let (verdict, times) = run(&mut store, seconds, token, served, "https://idp.example/keys");
        assert_eq!((verdict.is_ok(), times), (valid, asked), "{seconds} {verdict:?}");
    }
}

/// Whoever sends us tokens does not make us send a request for each, nor wait for each, while the issuer is away.
#[test]
fn an_issuer_that_is_away_is_left_alone() {
    let key = key();
    let token = signed(&key, Algorithm::Rs256, &header().to_string(), &claims().to_string());
    let jwks = format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","e":"AQAB","n":"{}"}}]}}"#, url_encode(&key.modulus()));
    let mut store = crate::store::Store::new(&mut Counting(3)).unwrap();
    // Seconds, token, what is served, whether it is valid, how often keys are asked for.
    for (seconds, token, served, valid, asked) in [
        (0, &*token, None, false, 1),
        (0, &token, Some(&*jwks), false, 0),
        (9, "nonsense", Some(&jwks), false, 0),
        (9, &token, Some(&jwks), false, 0),
        (10, &token, None, false, 1),
        (19, &token, Some(&jwks), false, 0),
        (20, &token, Some(&jwks), true, 1),
        (21, &token, None, true, 0),
    ] {
        let (verdict, times) = run(&mut store, seconds, token, served, "https://idp.example/keys");
        assert_eq!((verdict.is_ok(), times), (valid, asked), "{seconds} {verdict:?}");
        let is_away = matches!(verdict, Err(Error::BadResponse { what: crate::error::What::KeySet, .. }));
        assert_eq!(is_away, !valid && token != "nonsense", "the failure is told each time: {verdict:?}");
    }

    // As long as the server wants, within bounds; and each answer says how long that still is.
    for (says, lasts) in [(None, 10), (Some("3"), 10), (Some("60"), 60), (Some("3600"), 300)] {
        let mut store = crate::store::Store::new(&mut Counting(3)).unwrap();
        let settings = crate::client::Settings { retries: crate::client::Retries::NONE, ..Default::default() };
        let builder = crate::Client::builder("c").oidc_authority("https://idp.example").settings(settings);
        let client = builder.build().unwrap();
        let step = |store: &crate::store::Store, machine: &mut ValidateToken, seconds, input: Input<'_>| {
            let clock = crate::time::Clock::new(Millis::from_secs(seconds), NOW);
            machine.step(&mut Cx { client: &client, store, clock, entropy: &mut Counting(1) }, input)
        };
        let new = || ValidateToken::new(rules(), Secret::from(token.as_str()));
        let mut machine = new();
        assert!(matches!(step(&store, &mut machine, 0, Input::Start), Ok(Step::Send(_))));
        let header = says.map(|value| crate::http::ResponseHeader { name: "Retry-After", value });
        let busy = crate::http::Response { status: 503, headers: header.as_slice(), body: b"" };
        let Ok(Step::Commit(changes)) = step(&store, &mut machine, 0, Input::Response(busy)) else {
            panic!("{says:?}")
        };
        store.apply(changes);
        let first = step(&store, &mut machine, 0, Input::Committed(Ok(()))).unwrap_err();
        assert!(matches!(first, Error::Throttled { status: 503, .. }), "{first:?}");
        let later = step(&store, &mut new(), lasts - 1, Input::Start).unwrap_err();
        assert!(matches!(later, Error::Throttled { status: 503, retry_after: Some(1), .. }), "{later:?}");
        assert!(matches!(step(&store, &mut new(), lasts, Input::Start), Ok(Step::Send(_))), "{says:?}");
    }
}

#[test]
fn keys_lie_on_allowed_hosts() {
    let mut store = crate::store::Store::new(&mut Counting(3)).unwrap();
    let token = signed(&key(), Algorithm::Rs256, &header().to_string(), &claims().to_string());
    let (verdict, times) = run(&mut store, 0, &token, Some("{}"), "https://evil.test/keys");
    assert!(matches!(verdict, Err(Error::Config(crate::error::Config::HostNotAllowed { .. }))), "{verdict:?}");
    assert_eq!(times, 0);
}
