//! What the standards ask of a client where the reference does otherwise or says nothing, played without any network: each test
//! names its section.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test")]
#![cfg(all(feature = "assertions", feature = "clouds", feature = "sealed"))]

mod support;

use std::cell::Cell;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use sansal::cache::{Kind, TokenCache};
use sansal::client::{Client, Credential, KeyCredential, Retries, Settings, Signer};
use sansal::error::{Config, IdTokenError, SendError, TokenError, What};
use sansal::key::KeyName;
use sansal::time::UnixTime;
use sansal::{
    Account, AuthorizationRequest, AuthorizationResponse, ClientCredentials, DeviceCode, DeviceFlow, Error,
    PollOptions, Silent, Token,
};
use serde_json::{Value, json};
use support::World::Fails;
use support::{Host, NOW, World, answers, headed};

const ENTRA: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee";
const ISSUER: &str = "https://idp.example/realm";
const TOKEN: &str =
    r#"{"token_type":"Bearer","expires_in":3600,"access_token":"at-1","client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ"}"#;
const CODE: &str = r#"{"user_code":"ABCD1234","device_code":"a-device-code","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"go there"}"#;
const PENDING: &str = r#"{"error":"authorization_pending"}"#;
const SLOW_DOWN: &str = r#"{"error":"slow_down"}"#;

fn metadata_of(base: &str, issuer: &str) -> String {
    json!({
        "issuer": issuer, "token_endpoint": format!("{base}/token"),
        "authorization_endpoint": format!("{base}/authorize"),
        "device_authorization_endpoint": format!("{base}/devicecode"),
    })
    .to_string()
}

fn metadata(base: &str) -> World {
    answers(200, metadata_of(base, base))
}

fn entra(settings: Settings) -> Host {
    Host::new(Client::builder("app").authority(ENTRA).settings(settings).build().unwrap())
}

fn oidc() -> Host {
    Host::new(Client::builder("app").oidc_authority(ISSUER).build().unwrap())
}

fn no_retries() -> Settings {
    Settings { retries: Retries::NONE, ..Settings::default() }
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
}

/// OpenID Connect Core s9: an assertion is used once. Entra lets it be used again, and signing costs something.
#[test]
fn an_assertion_is_used_once_but_at_entra() {
    let signer = Signer::External(KeyName("k".into()));
    let key = KeyCredential::with_thumbprints(signer, Some([1; 20]), Some([2; 32])).unwrap();
    let credential = Credential::Key(key.into());
    let builder = || Client::builder("app").credential(credential.clone());
    for (client, base, signatures) in
        [(builder().authority(ENTRA).build(), ENTRA, 1), (builder().oidc_authority(ISSUER).build(), ISSUER, 2)]
    {
        let mut host = Host::new(client.unwrap());
        let signed = Rc::new(Cell::new(0));
        let count = Rc::clone(&signed);
        host.signer = Some(Box::new(move |_| {
            count.set(count.get() + 1);
            Ok(vec![7; 256])
        }));
        let mut sent = Vec::new();
        for (scope, script) in
            [("a/.default", vec![metadata(base), answers(200, TOKEN)]), ("b/.default", vec![answers(200, TOKEN)])]
        {
            let flow = ClientCredentials::new(&[scope]).unwrap().flow(&host.client).unwrap();
            host.play(script, flow).unwrap();
            sent.push(host.field(host.sent.len() - 1, "client_assertion").unwrap());
        }
        assert_eq!(signed.get(), signatures, "{base}");
        sent.dedup();
        assert_eq!(sent.len(), signatures, "{base}");
    }
}

/// OpenID Connect Core s12.2: the `sub` of a renewed ID token is that of the first one.
#[test]
fn a_renewed_id_token_is_about_the_same_subject() {
    let account = Account::with_home_account_id("s", "idp.example");
    for (sub, good) in [("s", true), ("somebody-else", false), ("S", false)] {
        let mut host = oidc();
        let cache = json!({
            "RefreshToken": {"r": {"credential_type": "RefreshToken", "secret": "rt", "home_account_id": "s",
                "environment": "idp.example", "client_id": "app", "target": "", "last_modification_time": "1"}},
            "AppMetadata": {"m": {"client_id": "app", "environment": "idp.example"}},
        });
        host.store.tokens = TokenCache::from_json(cache.to_string().as_bytes()).unwrap();
        let claims = json!({"iss": ISSUER, "aud": "app", "sub": sub, "exp": NOW.0 + 600, "iat": NOW.0});
        let answer =
            json!({"token_type": "Bearer", "expires_in": 3600, "access_token": "at-1", "id_token": jwt(&claims)});
        let flow = Silent::new(&account, &["mail"]).unwrap().flow(&host.client).unwrap();
        let result = host.play([metadata(ISSUER), answers(200, answer.to_string())], flow);
        let stored = host.store.tokens.search(Kind::AccessToken, &[], &[], NOW).count();
        match result {
            Ok(_) => assert!(good && stored == 1, "{sub}"),
            Err(Error::IdToken(IdTokenError::Account)) => assert!(!good && stored == 0, "{sub}"),
            Err(other) => panic!("{sub}: {other:?}"),
        }
    }
}

fn begun(host: &mut Host) -> DeviceFlow {
    let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
    host.play([metadata(ENTRA), answers(200, CODE)], flow).unwrap()
}

fn poll(host: &mut Host, flow: &mut DeviceFlow, once: bool, script: Vec<World>) -> Result<Token, Error> {
    let mut machine = flow.poll(&host.client, &PollOptions { once, ..PollOptions::default() })?;
    let result = host.plays(script).run(&mut machine);
    *flow = machine.device_flow().clone();
    result.map(|done| done.expect("nobody dies here"))
}

/// RFC 8628 s3.5: a client that finds no connection asks less often, not more often.
#[test]
fn a_question_that_was_not_sent_waits_for_its_turn() {
    let mut host = entra(Settings::default());
    let mut flow = begun(&mut host);
    let script = vec![Fails(SendError::NotSent), Fails(SendError::NotSent), answers(200, TOKEN)];
    poll(&mut host, &mut flow, false, script).unwrap();
    assert_eq!(host.waited, [10_000, 20_000]);
}

/// RFC 8628 s3.5: `slow_down` adds five seconds each time the server says it, and not when it is remembered; RFC 9110 s10.2.3:
/// the server is left alone for as long as it says.
#[test]
fn slow_down_counts_once() {
    const LATER: &[(&str, &str)] = &[("Retry-After", "30")];
    let mut host = entra(Settings::default());
    let mut flow = begun(&mut host);
    let script = vec![headed(400, LATER, SLOW_DOWN), headed(400, LATER, PENDING), answers(200, TOKEN)];
    poll(&mut host, &mut flow, false, script).unwrap();
    assert_eq!((host.waited.as_slice(), flow.interval()), (&[30_000, 30_000][..], 10));

    let mut flow = begun(&mut entra(Settings::default()));
    let mut host = entra(Settings::default());
    let first = poll(&mut host, &mut flow, true, vec![metadata(ENTRA), headed(400, LATER, SLOW_DOWN)]).unwrap_err();
    assert_eq!(first.refusal().and_then(|refusal| refusal.retry_after()), Some(30));
    poll(&mut host, &mut flow, true, vec![answers(200, TOKEN)]).unwrap();
    assert_eq!(flow.interval(), 10);
}

/// RFC 9110 s10.2.3: `Retry-After` may be a date. It is counted from the answer's own `Date`, else from ours.
#[test]
fn retry_after_may_be_a_date() {
    // NOW is Tue, 14 Nov 2023 22:13:20 GMT.
    const DATE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    const FROM_DATE: (&str, &str) = ("Retry-After", "Sun, 06 Nov 1994 08:51:37 GMT");
    const FROM_NOW: (&str, &str) = ("Retry-After", "Tue, 14 Nov 2023 22:14:20 GMT");
    const FAR: (&str, &str) = ("Retry-After", "Tue, 14 Nov 2033 22:13:20 GMT");
    const PAST: (&str, &str) = ("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT");
    let cases: &[(&[(&'static str, &str)], Option<UnixTime>, Option<u64>)] = &[
        (&[DATE, FROM_DATE], Some(NOW), Some(120)),
        (&[DATE, FROM_DATE], None, Some(120)),
        (&[FROM_NOW], Some(NOW), Some(60)),
        (&[("Date", "yesterday"), FROM_NOW], Some(NOW), Some(60)),
        (&[FROM_NOW], None, None),
        (&[FAR], Some(NOW), Some(3600)),
        (&[PAST], Some(NOW), None),
        (&[("Retry-After", "soon")], Some(NOW), None),
        (&[("Retry-After", "-5")], Some(NOW), Some(0)),
        (&[("Retry-After", "")], Some(NOW), None),
        (&[("Retry-After", "99999999999999999999")], Some(NOW), Some(3600)),
        (&[("Retry-After", " 17 ")], Some(NOW), Some(17)),
    ];
    for (headers, wall, expected) in cases {
        for settings in [no_retries(), Settings { retries: Retries::NONE, ..Settings::reference() }] {
            let as_reference = settings.lenient_answers;
            let mut host = entra(settings);
            host.clock.wall = *wall;
            let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
            let error = host.play([metadata(ENTRA), headed(503, headers, "<html>")], flow).unwrap_err();
            let Error::Throttled { status: 503, retry_after, .. } = error else { panic!("{error:?}") };
            // To the reference a date is none.
            let is_date = headers.iter().any(|(name, text)| *name == "Retry-After" && text.ends_with("GMT"));
            let expected = expected.filter(|_| !(as_reference && is_date));
            assert_eq!(retry_after, expected, "{headers:?} {wall:?} {as_reference}");
        }
    }
    // Discovery is not asked again sooner either.
    let mut host = entra(Settings::default());
    let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
    let error = host.play([headed(503, &[FROM_NOW], "")], flow).unwrap_err();
    assert!(matches!(error, Error::Throttled { retry_after: Some(60), .. }), "{error:?}");
}

/// RFC 9207 s2.4, where the metadata of many tenants leave the tenant open: the answer names one of them.
#[test]
fn the_issuer_of_an_answer_may_name_the_tenant() {
    const COMMON: &str = "https://login.microsoftonline.com/common";
    for (issuer, good) in [
        ("https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0", true),
        ("https://login.microsoftonline.com/{tenantid}/v2.0", false), // what stands for a tenant is none
        ("https://login.microsoftonline.com//v2.0", false),
        ("https://login.microsoftonline.com/a/b/v2.0", false),
        ("https://login.microsoftonline.com/a/v2.0/x", false),
        ("https://evil.example/aaaabbbb-0000-cccc-1111-dddd2222eeee/v2.0", false),
        ("", false),
    ] {
        let mut host = Host::new(Client::builder("app").authority(COMMON).build().unwrap());
        let document = answers(200, metadata_of(COMMON, "https://login.microsoftonline.com/{tenantid}/v2.0"));
        let request = AuthorizationRequest::new(&["User.Read"], "http://localhost:8400").unwrap();
        let flow = host.play([document], request.initiate()).unwrap();
        let state = flow.state().expose().to_string();
        let brought = [("error", "access_denied"), ("state", state.as_str()), ("iss", issuer)];
        let response = AuthorizationResponse::from_parameters(brought).unwrap();
        let error = host.play([], flow.redeem(&host.client, response).unwrap()).unwrap_err();
        match error {
            Error::Refused(_) => assert!(good, "{issuer}"),
            Error::BadResponse { what: What::AuthorizationResponse, at: "iss" } => assert!(!good, "{issuer}"),
            other => panic!("{issuer}: {other:?}"),
        }
    }
}

/// RFC 8252 s7.3: the code comes back to this machine, and to no neighbour on its link.
#[test]
fn a_browser_comes_back_to_loopback_only() {
    let host = entra(Settings::default());
    for (uri, good) in [
        ("http://localhost:8400", true),
        ("http://127.0.0.1:8400", true),
        ("http://[::1]:8400", true),
        ("http://169.254.1.2:8400", false),
        ("http://169.254.169.254/", false),
        ("https://contoso.com/", false),
        ("myapp://auth", false),
    ] {
        let request = AuthorizationRequest::new(&["User.Read"], uri).unwrap();
        match request.interactive(&host.client) {
            Ok(_) => assert!(good, "{uri}"),
            Err(Error::Config(Config::RedirectUri)) => assert!(!good, "{uri}"),
            Err(other) => panic!("{uri}: {other:?}"),
        }
    }
}

/// OpenID Connect Discovery s4.2: metadata come with 200, not with some other kind of success.
#[test]
fn metadata_come_with_200() {
    for status in [201, 202, 203, 204, 206, 299, 301, 302, 307] {
        let mut host = entra(no_retries());
        let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
        let error = host.play([answers(status, metadata_of(ENTRA, ENTRA))], flow).unwrap_err();
        assert!(
            matches!(error, Error::BadResponse { what: What::ProviderMetadata, at: "its HTTP status" }),
            "{status}: {error:?}"
        );
    }
}

/// RFC 6749 s5.2: `error` and `error_description` are visible characters. Those that a terminal or a log obeys are not shown.
#[test]
fn words_of_a_server_stay_on_their_line() {
    let body =
        json!({"error": "bad\nroot: all is well\u{1b}[2J", "error_description": "AADSTS1:\u{1b}]0;x\u{7}\rgone\nmore"});
    let mut host = entra(no_retries());
    let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
    let error = host.play([metadata(ENTRA), answers(400, body.to_string())], flow).unwrap_err();
    let shown = format!("{error}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    assert!(shown.contains("AADSTS1:") && !shown.contains("more"), "{shown:?}");
    assert_eq!(error.refusal().unwrap().error(), "bad\nroot: all is well\u{1b}[2J", "the word itself is kept");
    let mut host = oidc();
    let flow = DeviceCode::new(&["mail"]).unwrap().initiate(&host.client).unwrap();
    let evil = metadata_of(ISSUER, "https://evil.example/\nroot: all is well\u{1b}[2J");
    let error = host.play([answers(200, evil)], flow).unwrap_err();
    assert!(matches!(error, Error::Config(Config::IssuerMismatch { .. })), "{error:?}");
    let token = Error::from(TokenError::Issuer { got: "x\ny".into() });
    let id_token = Error::from(IdTokenError::Issuer { got: "x\ny".into() });
    for error in [error, token, id_token] {
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
}

/// RFC 8628 s3.2, s5.4: what is shown is what was meant. Marks that turn the direction of a text are not.
#[test]
fn a_code_that_is_shown_reads_as_it_is() {
    for mark in ['\u{202e}', '\u{2066}', '\u{200f}', '\u{61c}', '\u{7}'] {
        let mut host = entra(no_retries());
        let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
        let escaped = format!("\\u{:04x}", u32::from(mark));
        let code = CODE.replace("ABCD", &format!("AB{escaped}CD"));
        let error = host.play([metadata(ENTRA), answers(200, code)], flow).unwrap_err();
        assert!(matches!(error, Error::BadResponse { what: What::DeviceAuthorization, at: "user_code" }), "{error:?}");
        let mut host = entra(no_retries());
        let flow = DeviceCode::new(&["User.Read"]).unwrap().initiate(&host.client).unwrap();
        let message = CODE.replace("go there", &format!("go {escaped}there"));
        let flow = host.play([metadata(ENTRA), answers(200, message)], flow).unwrap();
        // Sentences in some scripts have marks that turn nothing but the space around them.
        let is_mark = matches!(mark, '\u{200f}' | '\u{61c}');
        let expected = if is_mark { format!("go {mark}there") } else { "go there".into() };
        assert_eq!(flow.message(), Some(expected.as_str()), "{mark:?}");
    }
}

/// RFC 8705 s5: who is sent to an endpoint for certificates presents one there, for a device code too.
#[cfg(feature = "pop")]
#[test]
fn a_device_code_is_asked_for_with_the_certificate() {
    use sansal::client::ClientCertificate;
    let certificate = ClientCertificate::new(KeyName("c".into()), [1; 32]);
    let client = Client::builder("app").oidc_authority(ISSUER).client_certificate(certificate);
    let mut host = Host::new(client.build().unwrap());
    let mut document: Value = serde_json::from_str(&metadata_of(ISSUER, ISSUER)).unwrap();
    let alias = format!("{ISSUER}/mtls/devicecode");
    document["mtls_endpoint_aliases"] = json!({ "device_authorization_endpoint": alias });
    let flow = DeviceCode::new(&["mail"]).unwrap().initiate(&host.client).unwrap();
    host.play([answers(200, document.to_string()), answers(200, CODE)], flow).unwrap();
    let sent = host.sent.last().unwrap();
    assert_eq!((sent.endpoint.as_str(), &sent.client_cert), (alias.as_str(), &Some(KeyName("c".into()))));
}
