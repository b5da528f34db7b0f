//! Every check refuses what it must, and lets the rest pass.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sansal_sim::{
    Application, CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_SECRET, CONTOSO_TENANT, Fault, On, Platform,
    Request, Resource, Response, Tenant, What,
};
use serde_json::{Value, json};

const HOST: &str = "login.microsoftonline.com";
const TOKEN: &str = "/contoso.onmicrosoft.com/oauth2/v2.0/token";
const SCOPE: &str = "https://graph.microsoft.com/.default";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const NOW: u64 = 1_800_000_000;

fn document(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

/// The AADSTS number, and 0 for a token.
fn code(response: &Response) -> u64 {
    let document = document(response);
    match response.status {
        200 => {
            assert!(document["access_token"].is_string(), "{document}");
            0
        }
        _ => document["error_codes"][0].as_u64().unwrap(),
    }
}

fn sign(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let key = PrivatePkcs8KeyDer::from_pem_slice(CLIENT_KEY.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    if header["alg"] == "PS256" {
        pair.sign(&RSA_PSS_SHA256, &random, input.as_bytes(), &mut signature).unwrap();
    } else {
        pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature).unwrap();
    }
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature))
}

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(CLIENT_CERTIFICATE.as_bytes()).unwrap()
}

fn header() -> Value {
    json!({ "alg": "PS256", "x5t#S256": Base64UrlUnpadded::encode_string(digest(&SHA256, &certificate()).as_ref()) })
}

fn claims() -> Value {
    json!({
        "iss": CONTOSO_CLIENT,
        "sub": CONTOSO_CLIENT,
        "aud": format!("https://{HOST}/{CONTOSO_TENANT}/oauth2/v2.0/token"),
        "exp": NOW + 600,
        "iat": NOW,
        "jti": "one",
    })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

fn ask(platform: &mut Platform, assertion: &str) -> Response {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", CONTOSO_CLIENT),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("scope", SCOPE),
    ];
    platform.answer(&Request::form(HOST, TOKEN, &fields, NOW))
}

#[test]
fn assertions() {
    let x5t = Base64UrlUnpadded::encode_string(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate()).as_ref());
    let x5c = Base64::encode_string(&certificate());
    let rs256 = json!({ "alg": "RS256", "x5t": x5t });
    let padded = with(rs256.clone(), "x5t", json!(format!("{x5t}=")));
    let good = sign(&header(), &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let other = sign(&header(), &with(claims(), "jti", json!("two")));
    let other: Vec<&str> = other.split('.').collect();
    let cases = [
        ("PS256 by x5t#S256", good.clone(), 0),
        ("RS256 by x5t", sign(&rs256, &claims()), 0),
        ("padded as by MSAL", sign(&padded, &claims()), 0),
        ("with its x5c", sign(&with(header(), "x5c", json!([x5c])), &claims()), 0),
        ("dates with fractions", sign(&header(), &with(claims(), "exp", json!(1_800_000_600.25))), 0),
        ("several audiences", sign(&header(), &with(claims(), "aud", json!(["x", claims()["aud"]]))), 0),
        (
            "another name of the cloud",
            {
                let aud = format!("https://login.windows.net/{CONTOSO_TENANT}/oauth2/v2.0/token");
                (sign(&header(), &with(claims(), "aud", json!(aud)))).clone()
            },
            0,
        ),
        (
            "the issuer as audience",
            {
                let aud = format!("https://{HOST}/{CONTOSO_TENANT}/v2.0");
                sign(&header(), &with(claims(), "aud", json!(aud)))
            },
            0,
        ),
        ("expired within the skew", sign(&header(), &with(claims(), "exp", json!(NOW - 299))), 0),
        // Form.
        ("no JWT", "x".to_owned(), 50_027),
        ("two parts", "e30.e30".to_owned(), 50_027),
        ("header no object", format!("W10.{}.{}", parts[1], parts[2]), 50_027),
        ("payload no JSON", format!("{}.e3.{}", parts[0], parts[2]), 50_027),
        ("signature no base64url", format!("{}.{}.+", parts[0], parts[1]), 50_027),
        ("alg none", sign(&with(header(), "alg", json!("none")), &claims()), 50_027),
        ("alg HS256", sign(&with(header(), "alg", json!("HS256")), &claims()), 50_027),
        ("crit", sign(&with(header(), "crit", json!(["b64"])), &claims()), 50_027),
        ("too long", sign(&with(header(), "x", json!("x".repeat(40_000))), &claims()), 50_027),
        // Certificate and signature.
        ("no thumbprint", sign(&without(header(), "x5t#S256"), &claims()), 700_027),
        ("another thumbprint", sign(&with(header(), "x5t#S256", json!("AAAA")), &claims()), 700_027),
        ("one of two thumbprints wrong", sign(&with(header(), "x5t", json!("AAAA")), &claims()), 700_027),
        ("another x5c", sign(&with(header(), "x5c", json!(["AAAA"])), &claims()), 700_027),
        ("empty x5c", sign(&with(header(), "x5c", json!([])), &claims()), 700_027),
        ("another's signature", format!("{}.{}.{}", parts[0], parts[1], other[2]), 700_027),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), 700_027),
        (
            "PS256 signature said to be RS256",
            {
                let header =
                    Base64UrlUnpadded::encode_string(with(header(), "alg", json!("RS256")).to_string().as_bytes());
                format!("{header}.{}.{}", parts[1], parts[2])
            },
            700_027,
        ),
        // Claims.
        ("no iss", sign(&header(), &without(claims(), "iss")), 700_021),
        ("another's iss", sign(&header(), &with(claims(), "iss", json!("x"))), 700_021),
        ("another's sub", sign(&header(), &with(claims(), "sub", json!("x"))), 700_021),
        ("no aud", sign(&header(), &without(claims(), "aud")), 700_023),
        ("another's aud", sign(&header(), &with(claims(), "aud", json!("https://evil.example/token"))), 700_023),
        (
            "another tenant's aud",
            { sign(&header(), &with(claims(), "aud", json!(format!("https://{HOST}/common/oauth2/v2.0/token")))) },
            700_023,
        ),
        ("no exp", sign(&header(), &without(claims(), "exp")), 50_027),
        ("exp a text", sign(&header(), &with(claims(), "exp", json!("1800000600"))), 50_027),
        ("expired", sign(&header(), &with(claims(), "exp", json!(NOW - 300))), 700_024),
        ("nbf to come", sign(&header(), &with(claims(), "nbf", json!(NOW + 301))), 700_024),
        ("iat to come", sign(&header(), &with(claims(), "iat", json!(NOW + 301))), 700_024),
    ];
    let mut platform = Platform::contoso(1).unwrap();
    for (name, assertion, expected) in cases {
        assert_eq!(code(&ask(&mut platform, &assertion)), expected, "{name}");
    }
}

#[test]
fn a_replay_is_refused_where_that_is_switched_on() {
    let assertion = sign(&header(), &claims());
    let mut lenient = Platform::contoso(1).unwrap();
    let mut strict = Platform::contoso(1).unwrap().refuse_replays();
    let answers = |platform: &mut Platform| [(); 2].map(|()| code(&ask(platform, &assertion)));
    assert_eq!(answers(&mut lenient), [0, 0]);
    assert_eq!(answers(&mut strict), [0, 50_027]);
    assert_eq!(code(&ask(&mut strict, &sign(&header(), &with(claims(), "jti", json!("two"))))), 0);
    assert_eq!(code(&ask(&mut strict, &sign(&header(), &without(claims(), "jti")))), 50_027);
}

#[test]
fn token_requests() {
    let platform = || {
        let app = Application::new("old").secret_until("s", NOW).tenant("elsewhere");
        let elsewhere = Tenant::new("elsewhere");
        Platform::contoso(1).unwrap().application(app).tenant(elsewhere).resource(Resource::new("api://orders"))
    };
    let secret = [
        ("grant_type", "client_credentials"),
        ("client_id", CONTOSO_CLIENT),
        ("client_secret", CONTOSO_SECRET),
        ("scope", SCOPE),
    ];
    let but = |name: &'static str, value: &'static str| {
        let mut fields: Vec<_> = secret.iter().copied().filter(|(own, _)| *own != name).collect();
        if value != "-" {
            fields.push((name, value));
        }
        fields
    };
    let old =
        vec![("grant_type", "client_credentials"), ("client_id", "old"), ("client_secret", "s"), ("scope", SCOPE)];
    let cases = [
        (TOKEN, secret.to_vec(), 0),
        (&format!("/{CONTOSO_TENANT}/oauth2/v2.0/token?x=1"), secret.to_vec(), 0),
        (TOKEN, but("scope", "api://orders/.default"), 0),
        (TOKEN, but("claims", "{}"), 0),
        ("/nobody/oauth2/v2.0/token", secret.to_vec(), 90_002),
        ("/common/oauth2/v2.0/token", secret.to_vec(), 90_002),
        ("/contoso.onmicrosoft.com/oauth2/v2.0/tokens", secret.to_vec(), 900_561),
        (TOKEN, but("grant_type", "-"), 900_144),
        (TOKEN, but("grant_type", "implicit"), 70_003),
        (TOKEN, but("client_id", ""), 900_144),
        (TOKEN, but("client_id", "nobody"), 700_016),
        (TOKEN, old.clone(), 700_016),
        ("/elsewhere/oauth2/v2.0/token", old, 7_000_222),
        (TOKEN, but("client_secret", "-"), 7_000_218),
        (TOKEN, but("client_secret", "wrong"), 7_000_215),
        (TOKEN, but("client_assertion", "x"), 90_023),
        (TOKEN, [secret.as_slice(), &secret[3..]].concat(), 90_023),
        (TOKEN, but("scope", "-"), 900_144),
        (TOKEN, but("scope", "https://graph.microsoft.com/User.Read"), 70_011),
        (TOKEN, but("scope", "https://graph.microsoft.com/.default api://orders/.default"), 70_011),
        (TOKEN, but("scope", "https://nothing.example/.default"), 500_011),
    ];
    for (target, fields, expected) in cases {
        let answer = platform().answer(&Request::form(HOST, target, &fields, NOW));
        assert_eq!(code(&answer), expected, "{target} {fields:?}");
    }
    let bare = Request { headers: Vec::new(), ..Request::form(HOST, TOKEN, &secret, NOW) };
    assert_eq!(code(&platform().answer(&bare)), 90_023);
    let with_assertion = [&secret[..2], &[("client_assertion", "x"), ("scope", SCOPE)]].concat();
    assert_eq!(code(&platform().answer(&Request::form(HOST, TOKEN, &with_assertion, NOW))), 900_144);

    let mut demanding = platform();
    demanding.challenge_claims(Some(r#"{"access_token":{}}"#));
    let answer = demanding.answer(&Request::form(HOST, TOKEN, &secret, NOW));
    assert_eq!((code(&answer), &document(&answer)["claims"]), (53_003, &json!(r#"{"access_token":{}}"#)));
    assert_eq!(code(&demanding.answer(&Request::form(HOST, TOKEN, &but("claims", "{}"), NOW))), 0);
}

#[test]
fn refusals_have_entras_members() {
    let mut request = Request::form(HOST, TOKEN, &[("grant_type", "x")], 951_782_400);
    request.headers.push(("client-request-id".to_owned(), "mine".to_owned()));
    let refused = document(&Platform::contoso(1).unwrap().answer(&request));
    assert_eq!(refused, document(&Platform::contoso(1).unwrap().answer(&request)), "the seed decides");
    assert_eq!(refused["error"], "unsupported_grant_type");
    assert_eq!(refused["timestamp"], "2000-02-29 00:00:00Z");
    assert_eq!(refused["correlation_id"], "mine");
    assert_eq!(refused["error_uri"], "https://login.microsoftonline.com/error?code=70003");
    let trace = refused["trace_id"].as_str().unwrap();
    let text = refused["error_description"].as_str().unwrap();
    assert!(text.starts_with("AADSTS70003: ") && text.contains(trace), "{text}");

    // AD FS and others: RFC 6749 s5.2 and no more.
    request.target = "/adfs/oauth2/token".to_owned();
    let plain = document(&Platform::contoso(1).unwrap().answer(&request));
    assert_eq!(plain.as_object().unwrap().keys().collect::<Vec<_>>(), ["error", "error_description"]);
}

#[test]
fn discovery() {
    let mut platform = Platform::contoso(1).unwrap().issuer("/realms/acme/").known_host("login.private.example");
    let mut get = |host: &str, target: &str| {
        let answer = platform.answer(&Request::get(host, target, NOW));
        (answer.status, document(&answer))
    };
    let t = CONTOSO_TENANT;
    let metadata = [
        (
            format!("/{t}/v2.0/.well-known/openid-configuration"),
            format!("/{t}/v2.0"),
            format!("/{t}/oauth2/v2.0/token"),
        ),
        (
            "/contoso.onmicrosoft.com//v2.0/.well-known/openid-configuration".into(),
            format!("/{t}/v2.0"),
            format!("/{t}/oauth2/v2.0/token"),
        ),
        (
            "/common/v2.0/.well-known/openid-configuration".into(),
            "/{tenantid}/v2.0".into(),
            "/common/oauth2/v2.0/token".into(),
        ),
        ("/adfs/.well-known/openid-configuration".into(), "/adfs".into(), "/adfs/oauth2/token".into()),
        ("/realms/acme/.well-known/openid-configuration".into(), "/realms/acme".into(), "/realms/acme/token".into()),
    ];
    for (target, issuer, token) in metadata {
        let (status, answer) = get("h.example:8443", &target);
        assert_eq!((status, &answer["issuer"]), (200, &json!(format!("https://h.example:8443{issuer}"))));
        assert_eq!(answer["token_endpoint"], format!("https://h.example:8443{token}"));
        let keys = answer["jwks_uri"].as_str().unwrap().strip_prefix("https://h.example:8443").unwrap().to_owned();
        assert_eq!(get("h", &keys).1["keys"].as_array().unwrap().len(), 1, "{keys}");
    }
    let (status, refused) = get("h", "/nobody/v2.0/.well-known/openid-configuration");
    assert_eq!((status, &refused["error_codes"]), (400, &json!([90_002])));

    let instance = [
        (
            "1.0",
            "https://login.microsoftonline.us/t/oauth2/v2.0/authorize",
            Some("https://login.microsoftonline.us/t/"),
        ),
        (
            "1.1",
            "https://eastus.login.microsoft.com/t/oauth2/v2.0/authorize",
            Some("https://eastus.login.microsoft.com/t/"),
        ),
        ("1.0", "https://login.private.example/t/oauth2/v2.0/authorize", Some("https://login.private.example/t/")),
        // The port, which clients leave out, comes back.
        ("1.0", "https://localhost/t/oauth2/v2.0/authorize", Some("https://localhost:8443/t/")),
        ("1.0", "https://evil.example/t/oauth2/v2.0/authorize", None),
        ("1.0", "http://login.microsoftonline.com/t", None),
        ("2.0", "https://login.microsoftonline.com/t/oauth2/v2.0/authorize", None),
    ];
    for (version, asked, expected) in instance {
        let target = format!("/common/discovery/instance?api-version={version}&authorization_endpoint={asked}");
        let (status, answer) = get("localhost:8443", &target);
        let found = expected.map(|begin| json!(format!("{begin}v2.0/.well-known/openid-configuration")));
        assert_eq!(
            (status == 200, answer.get("tenant_discovery_endpoint")),
            (found.is_some(), found.as_ref()),
            "{asked}"
        );
        let aliases = &answer["metadata"][0]["aliases"];
        assert_eq!(aliases.is_array(), version == "1.1", "{answer}");
    }
}

#[test]
fn faults_strike_as_often_as_they_should() {
    let mut platform = Platform::contoso(1).unwrap();
    platform.fault(Fault::new(On::Token, What::Status { code: 429, retry_after: Some(7) }).times(2));
    platform.fault(Fault::new(On::Path("/adfs/".to_owned()), What::Html).always());
    let token = Request::form(HOST, TOKEN, &[], NOW);
    let keys = Request::get(HOST, "/adfs/discovery/keys", NOW);
    let statuses = [(); 3].map(|()| platform.answer(&token).status);
    assert_eq!(statuses, [429, 429, 400]);
    let html = [(); 3].map(|()| platform.answer(&keys).headers[0].1.starts_with("text/html"));
    assert_eq!(html, [true; 3]);
    assert_eq!((platform.asked(&On::Token), platform.asked(&On::Keys), platform.asked(&On::Any)), (3, 3, 6));
    platform.clear_faults();
    assert_eq!(platform.answer(&keys).headers[0].1, "application/json; charset=utf-8");
}

/// Certificates that are not registered, but their subject and issuer are.
#[test]
fn subject_and_issuer() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    let ca = |name: &str| {
        let mut ca = CertificateParams::new(vec![name.to_owned()]).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (ca.self_signed(&key).unwrap().pem(), Issuer::new(ca, key))
    };
    let ((trusted_pem, trusted), (_, foreign)) = (ca("ca.example"), ca("other-ca.example"));
    let key = KeyPair::from_pem(CLIENT_KEY).unwrap();
    let leaf = |name: &str, issuer, end| {
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (leaf.not_before, leaf.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(end, 1, 1));
        leaf.signed_by(&key, issuer).unwrap().der().clone()
    };
    let app = Application::new(CONTOSO_CLIENT).subject_and_issuer("app.example", &trusted_pem).unwrap();
    let mut platform = Platform::new(1)
        .unwrap()
        .tenant(Tenant::new(CONTOSO_TENANT).domain("contoso.onmicrosoft.com"))
        .application(app)
        .resource(Resource::new("https://graph.microsoft.com"));
    let good = leaf("app.example", &trusted, 2030);
    // NOW is in January 2027.
    let ended = leaf("app.example", &trusted, 2027);
    let bring = |leaf: &CertificateDer<'_>, x5c: Value| {
        let x5t = Base64UrlUnpadded::encode_string(digest(&SHA256, leaf).as_ref());
        sign(&json!({ "alg": "PS256", "x5t#S256": x5t, "x5c": x5c }), &claims())
    };
    let alone = |leaf: &CertificateDer<'_>| json!([Base64::encode_string(leaf)]);
    let cases = [
        ("known", bring(&good, alone(&good)), 0),
        ("its successor", bring(&leaf("app.example", &trusted, 2031), alone(&good)), 700_027),
        ("ended", bring(&ended, alone(&ended)), 700_027),
        ("not brought along", bring(&good, json!([])), 700_027),
        ("another issuer", bring(&leaf("app.example", &foreign, 2030), json!(null)), 700_027),
        ("another is brought along", bring(&certificate(), alone(&good)), 700_027),
    ];
    for (name, assertion, expected) in cases {
        assert_eq!(code(&ask(&mut platform, &assertion)), expected, "{name}");
    }
    for (name, issuer, expected) in
        [("app.example", &trusted, 0), ("b.example", &trusted, 700_027), ("app.example", &foreign, 700_027)]
    {
        let leaf = leaf(name, issuer, 2031);
        assert_eq!(code(&ask(&mut platform, &bring(&leaf, alone(&leaf)))), expected, "{name}");
    }
    assert!(Application::new("a").subject_and_issuer("not a name", &trusted_pem).is_err());
    assert!(Application::new("a").subject_and_issuer("app.example", "no certificate").is_err());
}
