//! Tokens that are bound to a key or a certificate, at a server that nobody of us wrote: npm `oidc-provider` over TLS verifies our
//! DPoP proofs (RFC 9449) and client certificates (RFC 8705), and refuses those that are wrong.
//!
//! `tests/run interop` starts the server; without one (`SANSAL_LAB` is unset) these tests say that they are left out, and
//! fail where `CI` is `true`. Nothing leaves the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this file is a test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use sansal::authorization::{AuthorizationRequest, AuthorizationResponse, ResponseMode};
use sansal::base64::{url_decode, url_encode};
use sansal::cert::Certificate;
use sansal::error::{SendError, What};
use sansal::http::{Header, Request};
use sansal::silent::Silent;
use sansal::time::Millis;
use sansal::{Endpoint, Error, Secret, Token, TokenSource};
use sansal_std::{
    AuthScheme, BoundToken, CertificateCredential, ConfidentialClient, ConfidentialClientBuilder, HttpClient,
    HttpResponse, PopKey, PublicClient, UreqClient,
};
use serde_json::Value;

const SCOPES: [&str; 1] = ["api.default"];
/// Where the browser of `native-dpop` comes back to. Nobody listens: the address itself is the answer.
const REDIRECT: &str = "http://127.0.0.1/cb";

struct Lab {
    issuer: String,
    certs: PathBuf,
    log: PathBuf,
}

impl Lab {
    /// The lab, or `None` with a word about it.
    fn find() -> Option<Self> {
        let Some(issuer) = variable("SANSAL_LAB").filter(|text| text.starts_with("https://")) else {
            let elsewhere = variable("SANSAL_LAB").is_some_and(|text| text == "elsewhere");
            assert!(elsewhere || variable("CI").is_none_or(|ci| ci != "true"), "no server: run tests/run interop");
            eprintln!("left out: no server; tests/run interop starts one");
            return None;
        };
        let path = |name| PathBuf::from(variable(name).unwrap());
        Some(Self { issuer, certs: path("SANSAL_LAB_CERTS"), log: path("SANSAL_LAB_LOG") })
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.certs.join(name)).unwrap()
    }

    /// Over `ureq`, with what the wire does to requests and answers.
    fn wire(&self, twist: impl Fn(&mut Request) + Send + Sync + 'static, answers: Answers) -> Wire {
        let http = UreqClient::builder().extra_roots(&self.read("ca.pem")).only_extra_roots().build().unwrap();
        Wire(Arc::new(Inner { http, twist: Box::new(twist), answers, proofs: Mutex::default() }))
    }

    fn confidential(&self, client_id: &str) -> ConfidentialClientBuilder {
        ConfidentialClient::builder(client_id).oidc_authority(&self.issuer)
    }

    /// A client with a secret whose tokens are bound by DPoP.
    fn dpop(&self, wire: &Wire) -> ConfidentialClient {
        let builder = self.confidential("cc-post").secret("s3cr3t-post").auth_scheme(AuthScheme::Dpop);
        builder.http_client(wire.clone()).build().unwrap()
    }

    /// An application of users whose tokens are bound by DPoP to this key.
    fn native(&self, wire: &Wire, key: &PopKey) -> PublicClient {
        let builder = PublicClient::builder("native-dpop").oidc_authority(&self.issuer).http_client(wire.clone());
        builder.auth_scheme(AuthScheme::Dpop).proof_key(key.clone()).build().unwrap()
    }

    /// The first leg, up to the answer of the server to the user's consent.
    fn signed_in(&self, client: &PublicClient, scope: &str) -> (sansal::AuthCodeFlow, AuthorizationResponse) {
        let request = AuthorizationRequest::new(&[scope], REDIRECT).unwrap().response_mode(Some(ResponseMode::Query));
        let flow = client.initiate_auth_code_flow(&request.prompt(&[sansal::Prompt::Consent])).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/signin.mjs");
        let mut node = Command::new("node");
        node.arg(script).arg(self.certs.join("ca.pem")).arg(flow.auth_uri().to_string()).arg("alice");
        let output = node.env_remove("NODE_OPTIONS").env_remove("NODE_EXTRA_CA_CERTS").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let address = String::from_utf8(output.stdout).unwrap();
        let (back, query) = address.trim().split_once('?').unwrap();
        assert_eq!(back, REDIRECT);
        (flow, AuthorizationResponse::parse(query).unwrap())
    }

    /// Why the server last answered this client with `invalid_grant`, which it does not tell the client.
    fn reason(&self, client_id: &str) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let begin = format!("refused {client_id} invalid_grant ");
        let line = log.lines().rev().find_map(|line| line.strip_prefix(&begin)).expect("a refusal in the log");
        line.to_owned()
    }

    /// A certificate of the lab with its key.
    fn certificate(&self, name: &str) -> CertificateCredential {
        let both = [self.read(&format!("{name}.key")), self.read(&format!("{name}.pem"))].concat();
        CertificateCredential::pem(&both)
    }

    fn x5t_s256(&self, name: &str) -> String {
        let pem = String::from_utf8(self.read(&format!("{name}.pem"))).unwrap();
        url_encode(&Certificate::from_pem(&pem).unwrap().sha256())
    }

    fn tls(&self, client_id: &str, certificate: &str, scheme: AuthScheme) -> ConfidentialClient {
        let builder = self.confidential(client_id).tls_client_auth(self.certificate(certificate)).auth_scheme(scheme);
        builder.extra_roots(&self.read("ca.pem")).only_extra_roots().build().unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the lab is named by variables")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

type Answers = fn(&mut HttpResponse);

fn as_they_are(_: &mut HttpResponse) {}

/// Sends by `ureq`; somebody on the way changes requests and answers. Keeps the DPoP proofs.
#[derive(Clone)]
struct Wire(Arc<Inner>);

struct Inner {
    http: UreqClient,
    twist: Box<dyn Fn(&mut Request) + Send + Sync>,
    answers: Answers,
    proofs: Mutex<Vec<String>>,
}

impl HttpClient for Wire {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let mut request = request.clone();
        (self.0.twist)(&mut request);
        let proof = request.headers.iter().find(|header| header.name == "DPoP");
        self.0.proofs.lock().unwrap().extend(proof.map(|header| header.value.expose().to_owned()));
        let mut answer = self.0.http.send(&request)?;
        (self.0.answers)(&mut answer);
        Ok(answer)
    }
}

impl Wire {
    /// The nonces of the proofs that were sent.
    fn nonces(&self) -> Vec<bool> {
        self.0.proofs.lock().unwrap().iter().map(|proof| claims(proof).get("nonce").is_some()).collect()
    }

    /// Asks the resource that `oidc-provider` is itself: its userinfo endpoint.
    fn userinfo(&self, lab: &Lab, headers: &[(&'static str, Secret)]) -> (u16, HttpResponse) {
        let endpoint = Endpoint::parse(&format!("{}/me", lab.issuer)).unwrap();
        let request = Request::get(endpoint, 100_000, Millis(20_000));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value.clone()));
        let answer = self.send(&request).unwrap();
        (answer.status, answer)
    }
}

/// The server wants its nonce in each proof.
fn wants_nonce(request: &mut Request) {
    request.headers.push(Header { name: "x-lab-nonce", value: "1".into() });
}

fn claims(jwt: &str) -> Value {
    serde_json::from_slice(&url_decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// What the server has bound the token to, in its own words.
fn confirmed(token: &Token, member: &str) -> Value {
    claims(token.access_token())["cnf"][member].clone()
}

fn refusal(result: Result<Token, Error>) -> (String, String) {
    let error = result.unwrap_err();
    println!("{error}");
    let refusal = error.refusal().unwrap_or_else(|| panic!("{error}"));
    assert!(error.to_string().contains(refusal.error()), "{error}");
    (refusal.error().to_owned(), error.to_string())
}

#[test]
fn dpop_for_client_credentials() {
    let Some(lab) = Lab::find() else { return };
    for strict in [false, true] {
        let wire = if strict { lab.wire(wants_nonce, as_they_are) } else { lab.wire(|_| {}, as_they_are) };
        let client = lab.dpop(&wire);
        let token = client.acquire_token_for_client(&SCOPES).unwrap();
        assert_eq!((token.token_type(), token.source()), ("DPoP", TokenSource::IdentityProvider));
        assert_eq!(confirmed(&token, "jkt"), client.pop_key().unwrap().thumbprint());
        // RFC 9449 s8: the first is refused for the lack of a nonce, and the nonce serves from then on.
        assert_eq!(wire.nonces(), if strict { vec![false, true] } else { vec![false] });
        assert_eq!(client.acquire_token_for_client(&SCOPES).unwrap().source(), TokenSource::Cache);
        client.acquire_token_for_client(&["api.read"]).unwrap();
        assert_eq!(wire.nonces().last(), Some(&true), "it came along with the first token");
    }
}

#[test]
fn wrong_proofs_are_refused_by_the_server() {
    let Some(lab) = Lab::find() else { return };
    // A proof that was seen before (RFC 9449 s11.1): somebody on the way sends the first one again.
    let first = Mutex::new(None);
    let replays = move |request: &mut Request| {
        if let Some(header) = request.headers.iter_mut().find(|header| header.name == "DPoP") {
            header.value = first.lock().unwrap().get_or_insert(header.value.clone()).clone();
        }
    };
    let client = lab.dpop(&lab.wire(replays, as_they_are));
    client.acquire_token_for_client(&SCOPES).unwrap();
    let (error, _) = refusal(client.acquire_token_for_client(&["api.read"]));
    assert_eq!(error, "invalid_grant");
    assert_eq!(lab.reason("cc-post"), "DPoP proof JWT Replay detected");

    // A nonce that the server never gave: the one retry is refused as well.
    let lies = |answer: &mut HttpResponse| {
        answer
            .headers
            .iter_mut()
            .filter(|(name, _)| name.eq_ignore_ascii_case("dpop-nonce"))
            .for_each(|(_, value)| "wrong".clone_into(value));
    };
    let wire = lab.wire(wants_nonce, lies);
    let (error, _) = refusal(lab.dpop(&wire).acquire_token_for_client(&SCOPES));
    assert_eq!((error.as_str(), wire.nonces()), ("use_dpop_nonce", vec![false, true]));

    // A proof whose signature was changed.
    let forges = |request: &mut Request| {
        if let Some(header) = request.headers.iter_mut().find(|header| header.name == "DPoP") {
            let (message, _) = header.value.expose().rsplit_once('.').unwrap();
            header.value = format!("{message}.{}", url_encode(&[1; 64])).into();
        }
    };
    let (error, words) = refusal(lab.dpop(&lab.wire(forges, as_they_are)).acquire_token_for_client(&SCOPES));
    assert_eq!(error, "invalid_dpop_proof", "{words}");
}

#[test]
fn dpop_for_users_with_nonces() {
    let Some(lab) = Lab::find() else { return };
    let (key, other) = (PopKey::es256(&[7; 32]).unwrap(), PopKey::es256(&[9; 32]).unwrap());
    let wire = lab.wire(wants_nonce, as_they_are);
    let client = lab.native(&wire, &key);

    // A code that was asked for with another key (RFC 9449 s10).
    let (flow, response) = lab.signed_in(&client, "api.read");
    let thief = lab.native(&wire, &other);
    let stolen = flow.clone().bound(&thief.dpop().unwrap());
    let (error, words) = refusal(thief.acquire_token_by_auth_code_flow(&stolen, response));
    assert_eq!(error, "invalid_grant", "{words}");
    assert_eq!(lab.reason("native-dpop"), "DPoP proof key thumbprint does not match dpop_jkt");

    let (flow, response) = lab.signed_in(&client, "api.read");
    let token = client.acquire_token_by_auth_code_flow(&flow, response).unwrap();
    assert_eq!((token.token_type(), confirmed(&token, "jkt")), ("DPoP", key.thumbprint().into()));
    assert!(wire.nonces().contains(&true));
    let account = client.get_accounts(None).unwrap().remove(0);
    assert_eq!(client.acquire_token_silent(&["api.read"], &account).unwrap().source(), TokenSource::Cache);

    // The refresh token serves with the key, and only with it (RFC 9449 s5).
    let refresh_token = client.with_token_cache(|cache| {
        let text: Value = serde_json::from_slice(&cache.to_json()).unwrap();
        let entry = text["RefreshToken"].as_object().unwrap().values().next().unwrap();
        entry["secret"].as_str().unwrap().to_owned()
    });
    let (error, words) = refusal(thief.acquire_token_by_refresh_token(&refresh_token, &["api.read"]));
    assert_eq!(error, "invalid_grant", "{words}");
    assert_eq!(lab.reason("native-dpop"), "failed jkt verification");
    let forced = Silent::new(&account, &["api.read"]).unwrap().force_refresh(true);
    let renewed = client.acquire_token_silent_with(&forced).unwrap();
    assert_eq!(renewed.source(), TokenSource::IdentityProvider);
    assert_eq!(confirmed(&renewed, "jkt"), key.thumbprint());
}

#[test]
fn proofs_at_a_resource() {
    let Some(lab) = Lab::find() else { return };
    let (key, other) = (PopKey::es256(&[7; 32]).unwrap(), PopKey::es256(&[9; 32]).unwrap());
    let wire = lab.wire(wants_nonce, as_they_are);
    let client = lab.native(&wire, &key);
    let url = format!("{}/me", lab.issuer);
    let (flow, response) = lab.signed_in(&client, "email");
    let token = client.bound_token(client.acquire_token_by_auth_code_flow(&flow, response).unwrap()).unwrap();

    // RFC 9449 s9: the resource wants its nonce, once.
    let (status, answer) = wire.userinfo(&lab, &token.headers("GET", &url).unwrap());
    assert_eq!(status, 401);
    assert!(token.learn(&url, &answer.headers).unwrap());
    let headers = token.headers("GET", &url).unwrap();
    let (status, answer) = wire.userinfo(&lab, &headers);
    let body: Value = serde_json::from_slice(answer.body.expose()).unwrap();
    assert_eq!((status, &body["email"]), (200, &"alice@lab.example".into()));
    token.learn(&url, &answer.headers).unwrap();
    assert_eq!(wire.userinfo(&lab, &token.headers("GET", &url).unwrap()).0, 200, "a fresh proof, no new token");

    let refused = |headers: &[(&'static str, Secret)], why: &str| {
        let (status, answer) = wire.userinfo(&lab, headers);
        let (_, said) = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("www-authenticate")).unwrap();
        println!("{why}: {status} {said}");
        assert!(matches!(status, 400 | 401), "{why}: {status}");
        assert!(said.contains("invalid_"), "{why}: {said}");
    };
    refused(&headers, "the same proof again");
    refused(&token.headers("POST", &url).unwrap(), "for another method");
    refused(&token.headers("GET", &format!("{}/other", lab.issuer)).unwrap(), "for another address");
    let thief = lab.native(&wire, &other);
    let stolen: BoundToken = thief.bound_token(token.token().clone()).unwrap();
    stolen.learn(&url, &wire.userinfo(&lab, &stolen.headers("GET", &url).unwrap()).1.headers).unwrap();
    refused(&stolen.headers("GET", &url).unwrap(), "with another key");
}

#[test]
fn certificates_authenticate_and_bind() {
    let Some(lab) = Lab::find() else { return };
    // RFC 8705 s2.1 and s2.2.
    for (client_id, certificate, method) in
        [("cc-tls", "client", "tls_client_auth"), ("cc-self", "self", "self_signed_tls_client_auth")]
    {
        let x5t = lab.x5t_s256(certificate);
        let client = lab.tls(client_id, certificate, AuthScheme::Tls);
        let token = client.acquire_token_for_client(&SCOPES).unwrap_or_else(|error| panic!("{client_id}: {error}"));
        assert_eq!((token.token_type(), confirmed(&token, "x5t#S256")), ("Bearer", x5t.clone().into()));
        let log = std::fs::read_to_string(&lab.log).unwrap();
        let granted = format!("granted {client_id} {method} {}", claims(token.access_token())["jti"].as_str().unwrap());
        assert!(log.lines().any(|line| line == granted), "the server never said {granted:?}");
        assert_eq!(client.acquire_token_for_client(&SCOPES).unwrap().source(), TokenSource::Cache);
        client.with_token_cache(|cache| {
            let text: Value = serde_json::from_slice(&cache.to_json()).unwrap();
            let entry = text["AccessToken"].as_object().unwrap().values().next().unwrap();
            assert_eq!(entry["credential_type"], "AccessToken_With_AuthScheme");
            assert_eq!(entry["key_id"], x5t, "{client_id}: RFC 8705 s3.1");
        });
        // Without the demand it is kept in the same place.
        let lenient = lab.tls(client_id, certificate, AuthScheme::Bearer);
        lenient.acquire_token_for_client(&SCOPES).unwrap();
        assert_eq!(lenient.acquire_token_for_client(&SCOPES).unwrap().source(), TokenSource::Cache);
    }
}

#[test]
fn wrong_certificates_are_refused_by_the_server() {
    let Some(lab) = Lab::find() else { return };
    for (client_id, certificate) in [
        ("cc-tls", "self"),    // its CA is nobody's
        ("cc-tls", "server"),  // trusted, and somebody else's name
        ("cc-self", "jwt"),    // another self-signed one
        ("cc-self", "client"), // trusted, and not the one that is known
    ] {
        let (error, words) =
            refusal(lab.tls(client_id, certificate, AuthScheme::Tls).acquire_token_for_client(&SCOPES));
        assert_eq!(error, "invalid_client", "{client_id} with {certificate}: {words}");
    }
    // The same client without any certificate.
    let plain = lab.confidential("cc-tls").secret("s3cr3t").extra_roots(&lab.read("ca.pem")).only_extra_roots();
    let (error, _) = refusal(plain.build().unwrap().acquire_token_for_client(&SCOPES));
    assert_eq!(error, "invalid_client");
}

#[test]
fn tokens_that_are_not_bound_although_they_should_be_are_refused() {
    let Some(lab) = Lab::find() else { return };
    // The server binds tokens of clients that are registered so (RFC 8705 s3.4); this one is not.
    let client = lab.confidential("cc-post").secret("s3cr3t-post").client_certificate(lab.certificate("client"));
    let client =
        client.auth_scheme(AuthScheme::Tls).extra_roots(&lab.read("ca.pem")).only_extra_roots().build().unwrap();
    let error = client.acquire_token_for_client(&SCOPES).unwrap_err();
    println!("{error}");
    assert!(matches!(error, Error::BadResponse { what: What::TokenResponse, at } if at.contains("no certificate")));
}
