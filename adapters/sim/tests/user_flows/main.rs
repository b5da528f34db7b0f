//! The flows of users: every grant on its happy path, every check seen refusing, tokens verified by `jsonwebtoken`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod grants;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use ring::digest::{SHA256, digest};
use sansal_sim::{
    Application, CONTOSO_CLIENT as WEB, CONTOSO_PASSWORD, CONTOSO_PUBLIC as APP, CONTOSO_SECRET, CONTOSO_TENANT,
    CONTOSO_USER as ADELE, CONTOSO_USER_ID, Fault, On, Platform, Redirected, Request, Resource, Response, Revoke,
    SamlVersion, Tenant, User, What,
};
use serde_json::{Value, json};

const HOST: &str = "login.microsoftonline.com";
const NOW: u64 = 1_800_000_000;
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const BACK: &str = "http://localhost:1234";
const SCOPE: &str = "User.Read openid profile offline_access";
const FABRIKAM: &str = "fabrikam-tenant";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ON_BEHALF: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SAML1: &str = "urn:ietf:params:oauth:grant-type:saml1_1-bearer";
const SAML2: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

type Fields = Vec<(&'static str, String)>;

fn user(name: &str) -> User {
    User::new(CONTOSO_TENANT, &format!("oid-{name}"), name, "pw")
}

fn platform() -> Platform {
    Platform::contoso(1)
        .unwrap()
        .tenant(Tenant::new(FABRIKAM).domain("fabrikam.example"))
        .application(Application::new("word").public().family().redirect_uri("http://localhost"))
        .application(Application::new("excel").public().family().redirect_uri("http://localhost"))
        .resource(Resource::new("api://web").audience(WEB))
        .resource(Resource::new("api://AzureADTokenExchange"))
        .user(user("gone@x").disabled())
        .user(user("old@x").password_expired())
        .user(user("mfa@x").second_factor_required())
        .user(user("shy@x").consent_required())
        .user(user("guest@x").guest_in(FABRIKAM, "oid-abroad"))
}

fn document(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

fn post(platform: &mut Platform, tenant: &str, endpoint: &str, fields: &Fields, now: u64) -> Response {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    platform.answer(&Request::form(HOST, &format!("/{tenant}/oauth2/v2.0/{endpoint}"), &fields, now))
}

/// `error/number/suberror`, or `ok`.
fn token(platform: &mut Platform, fields: &Fields, now: u64) -> String {
    outcome(&post(platform, "organizations", "token", fields, now))
}

fn outcome(response: &Response) -> String {
    let document = document(response);
    if response.status == 200 {
        assert!(document["access_token"].is_string(), "{document}");
        return "ok".to_owned();
    }
    let end = document["suberror"].as_str().map(|name| format!("/{name}")).unwrap_or_default();
    format!("{}/{}{end}", document["error"].as_str().unwrap(), document["error_codes"][0])
}

fn fields(pairs: &[(&'static str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// With other values; `-` takes one away.
fn but(base: &Fields, changes: &[(&'static str, &str)]) -> Fields {
    let kept = base.iter().filter(|(name, _)| changes.iter().all(|(own, _)| own != name)).cloned();
    kept.chain(fields(changes).into_iter().filter(|(_, value)| value != "-")).collect()
}

fn challenge() -> String {
    Base64UrlUnpadded::encode_string(digest(&SHA256, VERIFIER.as_bytes()).as_ref())
}

fn authorize() -> Fields {
    let mut all = fields(&[
        ("client_id", APP),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", SCOPE),
        ("state", "s&1"),
        ("code_challenge_method", "S256"),
        ("nonce", "n1"),
        ("client_info", "1"),
    ]);
    all.push(("code_challenge", challenge()));
    all
}

fn url(tenant: &str, fields: &Fields) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // The encoding of forms is that of queries.
    let query = String::from_utf8(Request::form("h", "/", &pairs, 0).body).unwrap();
    format!("https://{HOST}/{tenant}/oauth2/v2.0/authorize?{query}")
}

fn code(platform: &mut Platform, changes: &[(&'static str, &str)], user: &str) -> Redirected {
    platform.sign_in(&url("organizations", &but(&authorize(), changes)), user, NOW).unwrap()
}

fn redeem(code: &str) -> Fields {
    fields(&[
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("scope", SCOPE),
        ("client_info", "1"),
    ])
}

/// The tokens of a user by code.
fn tokens(platform: &mut Platform, client: &str, scope: &str, user: &str) -> Value {
    let given = code(platform, &[("client_id", client), ("scope", scope)], user);
    let request = but(&redeem(given.get("code").unwrap()), &[("client_id", client), ("scope", scope)]);
    let answer = post(platform, "organizations", "token", &request, NOW);
    assert_eq!(answer.status, 200, "{}", document(&answer));
    document(&answer)
}

fn verify(platform: &mut Platform, token: &Value, audience: &str, tenant: &str) -> Value {
    let token = token.as_str().unwrap();
    let keys = platform.answer(&Request::get(HOST, "/common/discovery/v2.0/keys", NOW));
    let keys: JwkSet = serde_json::from_slice(&keys.body).unwrap();
    let key = keys.find(&decode_header(token).unwrap().kid.unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[format!("https://{HOST}/{tenant}/v2.0")]);
    // It knows no time but the system's.
    rules.validate_exp = false;
    decode(token, &DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims
}

fn refresh(token: &str) -> Fields {
    fields(&[("grant_type", "refresh_token"), ("client_id", APP), ("refresh_token", token), ("scope", SCOPE)])
}

#[test]
fn authorization_code() {
    let mut platform = platform();
    let back = code(&mut platform, &[("max_age", "100")], ADELE);
    assert_eq!((back.redirect_uri.as_str(), back.get("state")), (BACK, Some("s&1")));
    // RFC 9207: the tenant that answers, not `organizations`.
    assert_eq!(back.get("iss"), Some(format!("https://{HOST}/{CONTOSO_TENANT}/v2.0").as_str()));
    let answer = document(&post(&mut platform, "organizations", "token", &redeem(back.get("code").unwrap()), NOW + 9));
    assert_eq!((&answer["scope"], &answer["expires_in"]), (&json!("User.Read openid profile"), &json!(3599)));
    assert!(answer["refresh_token"].is_string() && answer.get("foci").is_none(), "{answer}");
    let info = Base64UrlUnpadded::decode_vec(answer["client_info"].as_str().unwrap()).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info, json!({ "uid": CONTOSO_USER_ID, "utid": CONTOSO_TENANT }));
    let id = verify(&mut platform, &answer["id_token"], APP, CONTOSO_TENANT);
    let expected = [
        ("oid", json!(CONTOSO_USER_ID)),
        ("tid", json!(CONTOSO_TENANT)),
        ("preferred_username", json!(ADELE)),
        ("name", json!("Adele Vance")),
        ("nonce", json!("n1")),
        ("auth_time", json!(NOW)),
        ("iat", json!(NOW + 9)),
        ("exp", json!(NOW + 9 + 3599)),
        ("ver", json!("2.0")),
    ];
    for (name, value) in expected {
        assert_eq!(id[name], value, "{name}");
    }
    let access = verify(&mut platform, &answer["access_token"], "https://graph.microsoft.com", CONTOSO_TENANT);
    assert_eq!((&access["scp"], &access["azp"], &access["azpacr"]), (&json!("User.Read"), &json!(APP), &json!("0")));

    // Another client: another `sub` (OpenID Connect Core s8.1). A family: `foci`. No max_age: no auth_time.
    let word = tokens(&mut platform, "word", SCOPE, ADELE);
    let other = verify(&mut platform, &word["id_token"], "word", CONTOSO_TENANT);
    assert!(other["sub"] != id["sub"] && other.get("auth_time").is_none() && word["foci"] == "1", "{other}");
    // Without openid and offline_access.
    let bare = tokens(&mut platform, APP, "User.Read", ADELE);
    assert!(bare.get("id_token").is_none() && bare.get("refresh_token").is_none(), "{bare}");
}

#[test]
fn guests() {
    let mut platform = platform();
    let at = |platform: &mut Platform, tenant: &str| {
        let back = platform.sign_in(&url(tenant, &authorize()), "guest@x", NOW).unwrap();
        let answer = post(platform, tenant, "token", &redeem(back.get("code").unwrap()), NOW);
        document(&answer)
    };
    let (home, abroad) = (at(&mut platform, "common"), at(&mut platform, "fabrikam.example"));
    let own = verify(&mut platform, &home["id_token"], APP, CONTOSO_TENANT);
    let other = verify(&mut platform, &abroad["id_token"], APP, FABRIKAM);
    assert_eq!(
        (&own["oid"], &other["oid"], &other["tid"]),
        (&json!("oid-guest@x"), &json!("oid-abroad"), &json!(FABRIKAM))
    );
    // The account is one and the same.
    assert_eq!(home["client_info"], abroad["client_info"]);
    for (tenant, name) in [(FABRIKAM, ADELE), ("consumers", ADELE), (CONTOSO_TENANT, "nobody@x"), ("common", "gone@x")]
    {
        assert!(platform.sign_in(&url(tenant, &authorize()), name, NOW).is_err(), "{tenant} {name}");
    }
}

#[test]
fn authorization_requests() {
    // What the browser shows or takes back.
    let long = "x".repeat(43);
    let cases: &[(&[(&'static str, &str)], &str)] = &[
        (&[], "code"),
        (&[("redirect_uri", "http://127.0.0.1:5")], "code"),
        (&[("prompt", "select_account login")], "code"),
        (&[("response_mode", "form_post")], "code"),
        (&[("client_id", "-")], "page 900144"),
        (&[("client_id", "nobody")], "page 700016"),
        (&[("redirect_uri", "-")], "page 900144"),
        (&[("redirect_uri", "https://evil.example/")], "page 50011"),
        (&[("redirect_uri", "http://localhost:1234/x")], "page 50011"),
        (&[("response_type", "-")], "invalid_request 900144"),
        (&[("response_type", "token")], "unsupported_response_type 700051"),
        (&[("response_mode", "fragment")], "invalid_request 90023"),
        (&[("code_challenge", "-")], "invalid_request 9002325"),
        (&[("code_challenge", "short")], "invalid_request 9002325"),
        (&[("code_challenge_method", "plain"), ("code_challenge", &long)], "invalid_request 9002325"),
        (&[("code_challenge_method", "-"), ("code_challenge", "-")], "invalid_request 9002325"),
        (&[("scope", "-")], "invalid_request 900144"),
        (&[("scope", "Unknown.Scope")], "invalid_scope 70011"),
        (&[("scope", "User.Read api://web/x")], "invalid_scope 28000"),
        (&[("scope", "api://nobody/x")], "invalid_resource 500011"),
        (&[("prompt", "dance")], "invalid_request 90023"),
        (&[("prompt", "none login")], "invalid_request 90023"),
        (&[("max_age", "soon")], "invalid_request 90023"),
        (&[("claims", "[]")], "invalid_request 90023"),
        (&[("claims", "{}")], "code"),
    ];
    for (changes, expected) in cases {
        let mut platform = platform();
        let result = platform.sign_in(&url("organizations", &but(&authorize(), changes)), ADELE, NOW);
        let found = match &result {
            Err(page) => {
                let text = String::from_utf8(page.body.clone()).unwrap();
                let number = text.split("AADSTS").nth(1).unwrap().split(':').next().unwrap().to_owned();
                assert_eq!(page.status, 400);
                format!("page {number}")
            }
            Ok(back) => {
                assert!(back.get("state") == Some("s&1") && back.get("iss").is_some(), "{back:?}");
                match (back.get("code"), back.get("error")) {
                    (Some(_), None) => "code".to_owned(),
                    (None, Some(error)) => {
                        let text = back.get("error_description").unwrap();
                        format!("{error} {}", text["AADSTS".len()..].split(':').next().unwrap())
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(found, *expected, "{changes:?}");
        // A script is for one request: the next one gets a page.
        let next =
            platform.answer(&Request::get(HOST, &url("common", &authorize())["https://".len() + HOST.len()..], NOW));
        assert!(next.status == 200 && Redirected::of(&next).is_none());
    }
    // A confidential client may go without PKCE.
    let mut platform = platform();
    let web = [("client_id", WEB), ("redirect_uri", "https://app.contoso.example/signin")];
    let bare = but(&but(&authorize(), &web), &[("code_challenge", "-"), ("code_challenge_method", "-")]);
    assert!(platform.sign_in(&url("common", &bare), ADELE, NOW).unwrap().get("code").is_some());
    // Scripted refusal; consent with prompt=none.
    platform.deny_next("access_denied");
    let target = url("common", &authorize())["https://".len() + HOST.len()..].to_owned();
    let back = Redirected::of(&platform.answer(&Request::get(HOST, &target, NOW))).unwrap();
    assert_eq!((back.get("error"), back.get("code"), back.get("state")), (Some("access_denied"), None, Some("s&1")));
    let shy = |platform: &mut Platform, prompt: &str| {
        code(platform, &[("prompt", prompt)], "shy@x").get("error").map(str::to_owned)
    };
    let asked = ["none", "consent", "none"].map(|prompt| shy(&mut platform, prompt));
    assert_eq!(asked, [Some("consent_required".to_owned()), None, None]);
}

#[test]
fn codes() {
    type Change<'a> = &'a [(&'static str, &'static str)];
    let cases: &[(Change<'_>, u64, &str)] = &[
        (&[], NOW, "ok"),
        (&[("scope", "-")], NOW, "ok"),
        (&[("scope", "User.Read")], NOW + 599, "ok"),
        (&[], NOW + 600, "invalid_grant/70008"),
        (&[("code", "-")], NOW, "invalid_request/900144"),
        (&[("code", "x")], NOW, "invalid_grant/70000"),
        (&[("client_id", "word")], NOW, "invalid_grant/70000"),
        (&[("client_id", WEB)], NOW, "invalid_client/7000218"),
        (&[("client_secret", "x")], NOW, "invalid_client/700025"),
        (&[("redirect_uri", "http://localhost:1235")], NOW, "invalid_grant/500112"),
        (&[("redirect_uri", "-")], NOW, "invalid_grant/500112"),
        (&[("code_verifier", "-")], NOW, "invalid_grant/501481"),
        (&[("code_verifier", "short")], NOW, "invalid_grant/501481"),
        (&[("code_verifier", "xBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")], NOW, "invalid_grant/501481"),
        (&[("scope", "Mail.Read")], NOW, "invalid_scope/70011"),
        (&[("claims", "x")], NOW, "invalid_request/90023"),
    ];
    for (changes, now, expected) in cases {
        let mut platform = platform();
        let back = code(&mut platform, &[], ADELE);
        let request = but(&redeem(back.get("code").unwrap()), changes);
        assert_eq!(token(&mut platform, &request, *now), *expected, "{changes:?} {now}");
    }
    // Once; and what came of it ends with the second use (RFC 6749 s4.1.2).
    let mut platform = platform();
    let back = code(&mut platform, &[], ADELE);
    let request = redeem(back.get("code").unwrap());
    let first = document(&post(&mut platform, "organizations", "token", &request, NOW));
    assert_eq!(token(&mut platform, &request, NOW), "invalid_grant/54005");
    let refresh = refresh(first["refresh_token"].as_str().unwrap());
    assert_eq!(token(&mut platform, &refresh, NOW), "invalid_grant/50173/bad_token");
    // Another tenant's endpoint.
    let back = code(&mut platform, &[], ADELE);
    let elsewhere = post(&mut platform, FABRIKAM, "token", &redeem(back.get("code").unwrap()), NOW);
    assert_eq!(outcome(&elsewhere), "invalid_grant/70000");
}

#[test]
fn claims_challenges() {
    let mut platform = platform();
    let plain = tokens(&mut platform, APP, SCOPE, ADELE);
    let access = plain["access_token"].as_str().unwrap().to_owned();
    let call = |platform: &mut Platform, token: &str, now: u64| {
        let mut request = Request::get(HOST, "/sansal-sim/resource", now);
        request.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        let answer = platform.answer(&request);
        let header = answer.headers.iter().find(|(name, _)| name == "WWW-Authenticate").map(|(_, v)| v.clone());
        (answer.status, header.unwrap_or_default())
    };
    assert_eq!(call(&mut platform, &access, NOW).0, 200);
    for (token, now) in [("x", NOW), (access.as_str(), NOW + 3599), (plain["id_token"].as_str().unwrap(), NOW)] {
        let (status, header) = call(&mut platform, token, now);
        assert!(status == 401 && header.ends_with("error=\"invalid_token\""), "{header}");
    }
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    platform.demand_claims(Some(claims));
    let (status, header) = call(&mut platform, &access, NOW);
    let given = header.split("error=\"insufficient_claims\", claims=\"").nth(1).unwrap().trim_end_matches('"');
    assert_eq!((status, Base64::decode_vec(given).unwrap()), (401, claims.as_bytes().to_vec()));
    let request = but(&refresh(plain["refresh_token"].as_str().unwrap()), &[("claims", claims)]);
    let better = document(&post(&mut platform, "organizations", "token", &request, NOW));
    assert_eq!(call(&mut platform, better["access_token"].as_str().unwrap(), NOW).0, 200);
    // `nbf`: the token must be younger than the event.
    platform
        .demand_claims(Some(&format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{}"}}}}}}"#, NOW + 1)));
    assert_eq!(call(&mut platform, &access, NOW).0, 401);
    let younger = document(&post(&mut platform, "organizations", "token", &request, NOW + 1));
    assert_eq!(call(&mut platform, younger["access_token"].as_str().unwrap(), NOW + 1).0, 200);
    // The token endpoint's own challenge is for users too.
    platform.challenge_claims(Some(claims));
    let bare = refresh(plain["refresh_token"].as_str().unwrap());
    assert_eq!(token(&mut platform, &bare, NOW), "interaction_required/53003");
    assert_eq!(token(&mut platform, &request, NOW), "ok");
}

#[test]
fn faults_strike_their_endpoint_only() {
    let mut platform = platform();
    let busy = || What::Status { code: 503, retry_after: Some(3) };
    platform.fault(Fault::new(On::Grant("device_code".to_owned()), busy()).times(2));
    platform.fault(Fault::new(On::Device, busy()));
    platform.fault(Fault::new(On::Authorize, busy()));
    let ask = fields(&[("client_id", APP), ("scope", SCOPE)]);
    let devices = [(); 2].map(|()| post(&mut platform, "common", "devicecode", &ask, NOW).status);
    let poll = but(&ask, &[("grant_type", DEVICE), ("device_code", "x")]);
    let polls = [(); 3].map(|()| post(&mut platform, "common", "token", &poll, NOW).status);
    let other = but(&ask, &[("grant_type", "refresh_token"), ("refresh_token", "x")]);
    let refreshes = post(&mut platform, "common", "token", &other, NOW).status;
    assert_eq!((devices, polls, refreshes), ([503, 200], [503, 503, 400], 400));
    assert_eq!(platform.sign_in(&url("common", &authorize()), ADELE, NOW).unwrap_err().status, 503);
    assert!(platform.sign_in(&url("common", &authorize()), ADELE, NOW).is_ok());
    let counted =
        [On::Token, On::Grant("device_code".to_owned()), On::Grant(DEVICE.to_owned()), On::Device, On::Authorize];
    assert_eq!(counted.map(|kind| platform.asked(&kind)), [4, 3, 3, 2, 2]);
}

#[test]
fn pages_for_real_browsers() {
    let mut platform = platform();
    let address = url("common", &but(&authorize(), &[("login_hint", "\"><script>")]));
    let target = &address["https://".len() + HOST.len()..];
    let page = platform.answer(&Request::get(HOST, target, NOW));
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains("name=\"password\"") && html.contains("&quot;&gt;&lt;script&gt;"), "{html}");
    let mut submit = |username: &str, password: &str, decision: &str| {
        let form = [("username", username), ("password", password), ("decision", decision)];
        platform.answer(&Request::form(HOST, target, &form, NOW))
    };
    let wrong = submit(ADELE, "wrong", "approve");
    assert!(wrong.status == 200 && String::from_utf8(wrong.body).unwrap().contains("AADSTS50126"));
    assert_eq!(Redirected::of(&submit(ADELE, "", "deny")).unwrap().get("error"), Some("access_denied"));
    let right = submit(ADELE, CONTOSO_PASSWORD, "approve");
    assert!(Redirected::of(&right).unwrap().get("code").is_some());
    let cookie =
        right.headers.iter().find(|(name, _)| name == "Set-Cookie").unwrap().1.split(';').next().unwrap().to_owned();

    // The browser remembers (OpenID Connect Core s3.1.2.1): whom prompt, hint and max_age let it.
    let cases: [(&[(&'static str, &str)], bool, u64, &str); 8] = [
        (&[], true, NOW, "code"),
        (&[("prompt", "none")], true, NOW, "code"),
        (&[("prompt", "none")], false, NOW, "login_required"),
        (&[("prompt", "none"), ("max_age", "9")], true, NOW + 10, "login_required"),
        (&[("max_age", "9")], true, NOW + 9, "code"),
        (&[("max_age", "9")], true, NOW + 10, "page"),
        (&[("prompt", "login")], true, NOW, "page"),
        (&[("login_hint", "guest@x")], true, NOW, "page"),
    ];
    for (changes, remembers, now, expected) in cases {
        let address = url("common", &but(&authorize(), changes));
        let mut request = Request::get(HOST, &address["https://".len() + HOST.len()..], now);
        if remembers {
            request.headers.push(("Cookie".to_owned(), format!("a=b; {cookie}")));
        }
        let back = Redirected::of(&platform.answer(&request));
        let found = back.as_ref().map_or("page", |back| back.get("error").unwrap_or("code"));
        assert_eq!(found, expected, "{changes:?}");
    }

    // The device's page.
    let ask = fields(&[("client_id", APP), ("scope", SCOPE)]);
    let flow = document(&post(&mut platform, "common", "devicecode", &ask, NOW));
    let complete = flow["verification_uri_complete"].as_str().unwrap();
    let target = &complete["https://".len() + HOST.len()..];
    let code = flow["user_code"].as_str().unwrap();
    let html = String::from_utf8(platform.answer(&Request::get(HOST, target, NOW)).body).unwrap();
    assert!(html.contains(&format!("value=\"{code}\"")), "{html}");
    let form = [("user_code", code), ("username", ADELE), ("password", CONTOSO_PASSWORD), ("decision", "approve")];
    let done = platform.answer(&Request::form(HOST, target, &form, NOW));
    assert!(String::from_utf8(done.body).unwrap().contains("You have signed in"));
    let poll =
        fields(&[("grant_type", DEVICE), ("client_id", APP), ("device_code", flow["device_code"].as_str().unwrap())]);
    assert_eq!(outcome(&post(&mut platform, "common", "token", &poll, NOW)), "ok");
}
