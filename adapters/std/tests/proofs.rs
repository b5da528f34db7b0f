//! Tokens bound to a key of the client, over an HTTP client that answers from a script: how each function asks for them, and the
//! proofs that they are used with, verified by `ring`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::thread;

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use sansal_std::sansal::base64::{url_decode, url_encode};
use sansal_std::sansal::error::{AskError, Config, SendError, What};
use sansal_std::sansal::http::{Request, form};
use sansal_std::sansal::key::{Algorithm, KeyName};
use sansal_std::sansal::pop::shr::{Profile, SignedRequest};
use sansal_std::sansal::{AuthorizationRequest, AuthorizationResponse, OnBehalfOf, Silent, UsernamePassword};
use sansal_std::{
    AuthScheme, BoundToken, ClientCredentials, ConfidentialClient, ConfidentialClientBuilder, Error, HttpClient,
    HttpResponse, PopAuthScheme, PopKey, PublicClient, PublicClientBuilder, Secret, SetupError, Token, TokenSource,
};
use serde_json::{Value, json};

const ISSUER: &str = "https://idp.example/t";
const URL: &str = "https://resource.example/things?kind=new";

/// A provider that binds tokens as it is asked to, and that wants its own nonce in each proof once it is strict.
#[derive(Clone, Default)]
struct Provider(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sent: Mutex<Vec<Sent>>,
    nonce: Mutex<Option<String>>,
    answers_bearer: Mutex<bool>,
    /// `nonce` of the authorization request.
    id_nonce: Mutex<String>,
}

/// One token request.
#[derive(Clone)]
struct Sent {
    fields: Vec<(String, String)>,
    proof: Option<String>,
}

impl Sent {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Provider {
    fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    fn last(&self) -> Sent {
        self.sent().pop().expect("a token request")
    }

    fn confidential(&self) -> ConfidentialClientBuilder {
        ConfidentialClient::builder("app").secret("s").oidc_authority(ISSUER).http_client(self.clone())
    }

    fn public(&self) -> PublicClientBuilder {
        PublicClient::builder("app").oidc_authority(ISSUER).http_client(self.clone())
    }

    fn token(&self, sent: &Sent) -> HttpResponse {
        let wanted = self.0.nonce.lock().unwrap().clone();
        let given = sent.proof.as_ref().map(|proof| parts(proof).1["nonce"].clone());
        if let (Some(wanted), Some(given)) = (&wanted, given)
            && given != json!(wanted)
        {
            let mut answer = HttpResponse::new(400, r#"{"error":"use_dpop_nonce"}"#);
            answer.headers.push(("DPoP-Nonce".to_owned(), wanted.clone()));
            return answer;
        }
        let bound = if sent.proof.is_some() { "DPoP" } else { sent.field("token_type").unwrap_or("Bearer") };
        let token_type = if *self.0.answers_bearer.lock().unwrap() { "Bearer" } else { bound };
        let mut body = json!({
            "access_token": format!("at {}", self.sent().len()), "token_type": token_type, "expires_in": 3600,
        });
        if sent.field("grant_type") != Some("client_credentials") {
            body["refresh_token"] = json!("rt");
            body["client_info"] = json!(url_encode(br#"{"uid":"u","utid":"t"}"#));
        }
        if sent.field("grant_type") == Some("authorization_code") {
            let nonce = self.0.id_nonce.lock().unwrap().clone();
            let claims = json!({"iss": ISSUER, "aud": "app", "sub": "u", "exp": 9_999_999_999_u64, "nonce": nonce});
            let header = url_encode(br#"{"alg":"RS256"}"#);
            body["id_token"] = json!(format!("{header}.{}.sig", url_encode(claims.to_string().as_bytes())));
        }
        HttpResponse::new(200, body.to_string())
    }
}

impl HttpClient for Provider {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let path = request.endpoint.path();
        if path.ends_with("openid-configuration") {
            let body = json!({
                "issuer": ISSUER, "token_endpoint": format!("{ISSUER}/token"),
                "authorization_endpoint": format!("{ISSUER}/auth"), "device_authorization_endpoint": format!("{ISSUER}/device"),
            });
            return Ok(HttpResponse::new(200, body.to_string()));
        }
        if path.ends_with("/device") {
            let body =
                json!({"user_code": "A", "device_code": "d", "verification_uri": "https://m/", "expires_in": 900});
            return Ok(HttpResponse::new(200, body.to_string()));
        }
        let body = String::from_utf8(request.body.as_ref().unwrap().bytes.expose().to_vec()).unwrap();
        let fields = form::decode(&body).unwrap();
        let fields = fields.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect();
        let proof = request.headers.iter().find(|header| header.name == "DPoP");
        let sent = Sent { fields, proof: proof.map(|header| header.value.expose().to_owned()) };
        self.0.sent.lock().unwrap().push(sent.clone());
        Ok(self.token(&sent))
    }
}

fn object(part: &str) -> Value {
    serde_json::from_slice(&url_decode(part).unwrap()).unwrap()
}

/// Header and claims of a JWT.
fn parts(jwt: &str) -> (Value, Value) {
    let [header, claims, _] = *jwt.split('.').collect::<Vec<_>>() else { panic!("{jwt}") };
    (object(header), object(claims))
}

/// The same, after `ring` has verified it with the key that it names itself; that key's thumbprint must be this one.
fn verified(jwt: &Secret, thumbprint: &str) -> (Value, Value) {
    let (header, claims) = parts(jwt.expose());
    let jwk = header.get("jwk").unwrap_or(&claims["cnf"]["jwk"]);
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
    let digest = ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes());
    assert_eq!(url_encode(digest.as_ref()), thumbprint, "RFC 7638");
    let number = |name: &str| url_decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], number("x"), number("y")].concat();
    let (message, signature) = jwt.expose().rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(message.as_bytes(), &url_decode(signature).unwrap()).expect("a good signature");
    (header, claims)
}

fn app_token(client: &ConfidentialClient, scheme: AuthScheme) -> Result<BoundToken, Error> {
    let binding = if scheme == AuthScheme::Pop { client.pop()? } else { client.dpop()? };
    let request = ClientCredentials::new(&["r/.default"])?.bound(&binding);
    client.bound_token(client.acquire_token_for_client_with(&request)?)
}

#[test]
fn requests_are_signed_without_the_network() {
    let provider = Provider::default();
    let client = provider.confidential().build().unwrap();
    assert!(client.is_pop_supported());
    let token = app_token(&client, AuthScheme::Pop).unwrap();
    let thumbprint = client.pop_key().unwrap().thumbprint();
    let req_cnf = object(provider.last().field("req_cnf").unwrap());
    assert_eq!((provider.last().field("token_type"), req_cnf), (Some("pop"), json!({"kid": thumbprint})));

    let scheme = PopAuthScheme::new("GET", URL, "n-1").unwrap();
    let (first, second) = (token.sign_request(&scheme).unwrap(), token.sign_request(&scheme).unwrap());
    for shr in [&first, &second] {
        let (header, claims) = verified(shr, &thumbprint);
        assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("pop")));
        let expected = json!({"at": token.token().access_token(), "m": "GET", "u": "resource.example", "p": "/things", "q": [[], "kind=new"], "nonce": "n-1"});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&claims[name], value, "{name}");
        }
    }
    assert!(!first.matches(second.expose()), "ES256 signatures differ");
    let ietf = Profile::Ietf { headers: &[("Content-Type", "text/plain")], body: Some(b"b") };
    let request = SignedRequest { method: "REPORT", url: URL, nonce: None, profile: ietf };
    let (_, claims) = parts(token.sign_request_as(&request).unwrap().expose());
    assert!(claims.get("nonce").is_none() && claims["h"].is_array() && claims["b"].is_string());
    assert_eq!(provider.sent().len(), 1, "one token, many signatures");

    // The same key, and so the same token, as long as the client lives.
    let again = app_token(&client, AuthScheme::Pop).unwrap();
    assert_eq!(again.token().source(), TokenSource::Cache);
    verified(&again.sign_request(&scheme).unwrap(), &thumbprint);
    // Never for those who ask for a bearer token.
    let bearer = client.acquire_token_for_client(&["r/.default"]).unwrap();
    assert_eq!((bearer.source(), bearer.token_type()), (TokenSource::IdentityProvider, "Bearer"));
}

#[test]
fn nonces_of_resources() {
    let client = Provider::default().confidential().build().unwrap();
    let cases = [
        (
            AuthScheme::Pop,
            ("WWW-Authenticate", r#"Bearer, PoP nonce="n-1""#),
            ("Authentication-Info", r#"nextnonce="n-2""#),
        ),
        (AuthScheme::Dpop, ("dpop-nonce", "n-1"), ("DPoP-Nonce", "n-2")),
    ];
    for (scheme, challenge, next) in cases {
        let token = app_token(&client, scheme).unwrap();
        let nonce = |url: &str| {
            let headers = token.headers("GET", url).unwrap();
            let (_, last) = headers.last().unwrap();
            parts(last.expose().rsplit(' ').next().unwrap()).1["nonce"].clone()
        };
        assert_ne!(nonce(URL), "n-1");
        assert!(!token.learn(URL, &[("Content-Type", "text/plain")]).unwrap());
        assert!(token.learn(URL, &[challenge]).unwrap());
        assert_eq!(nonce(URL), "n-1");
        assert_eq!(nonce("HTTPS://Resource.example:443/other"), "n-1", "the same server");
        assert_ne!(nonce("https://resource.example:444/"), "n-1", "another server");
        assert!(token.clone().learn(URL, &[next]).unwrap());
        assert_eq!(nonce(URL), "n-2");
        // Another token of this client, the same server.
        let (_, last) = app_token(&client, scheme).unwrap().headers("GET", URL).unwrap().pop().unwrap();
        assert_eq!(parts(last.expose().rsplit(' ').next().unwrap()).1["nonce"], "n-2");
        for at in 0..2_000 {
            token.learn(&format!("https://r{at}.example/"), &[challenge]).unwrap();
        }
        assert_eq!(nonce("https://r1999.example/"), "n-1");
        let error = token.learn("resource.example", &[challenge]).unwrap_err();
        assert!(matches!(error, Error::Config(Config::ResourceAddress)), "{error}");
    }
}

#[test]
fn dpop_proofs() {
    // RFC 9449 s4.2, s7.1, s8.
    let provider = Provider::default();
    *provider.0.nonce.lock().unwrap() = Some("of-the-server".to_owned());
    let client = provider.confidential().build().unwrap();
    let token = app_token(&client, AuthScheme::Dpop).unwrap();
    let thumbprint = client.pop_key().unwrap().thumbprint();
    let nonces =
        provider.sent().iter().map(|sent| parts(sent.proof.as_ref().unwrap()).1["nonce"].clone()).collect::<Vec<_>>();
    assert_eq!(nonces, [Value::Null, json!("of-the-server")]);
    let proof = Secret::from(provider.last().proof.unwrap().as_str());
    assert_eq!(verified(&proof, &thumbprint).1["htu"], format!("{ISSUER}/token"));

    let headers = token.headers("PUT", URL).unwrap();
    let [("Authorization", authorization), ("DPoP", proof)] = headers.as_slice() else { panic!() };
    assert_eq!(authorization.expose(), format!("DPoP {}", token.token().access_token()));
    let (header, claims) = verified(proof, &thumbprint);
    let digest = ring::digest::digest(&ring::digest::SHA256, token.token().access_token().as_bytes());
    assert_eq!(header["typ"], "dpop+jwt");
    assert_eq!(
        [&claims["htm"], &claims["htu"], &claims["ath"]],
        ["PUT", "https://resource.example/things", &url_encode(digest.as_ref())]
    );
    assert_ne!(claims["jti"], parts(token.dpop_proof("PUT", URL).unwrap().expose()).1["jti"]);
    assert!(claims.get("nonce").is_none(), "that of the token endpoint is not for others");
}

#[test]
fn every_function_of_a_client_with_a_scheme() {
    for (scheme, token_type) in [(AuthScheme::Pop, "pop"), (AuthScheme::Dpop, "DPoP")] {
        let provider = Provider::default();
        let confidential = provider.confidential().auth_scheme(scheme).build().unwrap();
        let public = provider.public().auth_scheme(scheme).build().unwrap();
        let scopes = ["User.Read"];
        let code = |client: &sansal_std::ClientApplication| {
            let request = AuthorizationRequest::new(&scopes, "https://app.example/back").unwrap();
            let flow = client.initiate_auth_code_flow(&request).unwrap();
            let address = flow.auth_uri().to_string();
            let jkt = format!("dpop_jkt={}", client.pop_key().unwrap().thumbprint());
            assert_eq!(address.contains(&jkt), scheme == AuthScheme::Dpop, "RFC 9449 s10: {address}");
            let fields = form::decode(address.split_once('?').unwrap().1).unwrap();
            let (_, nonce) = fields.iter().find(|(name, _)| name == "nonce").unwrap();
            nonce.expose().clone_into(&mut provider.0.id_nonce.lock().unwrap());
            let query = format!("code=c&state={}", flow.state().expose());
            let response = AuthorizationResponse::parse(&query).unwrap();
            client.acquire_token_by_auth_code_flow(&flow, response)
        };
        let silent = |client: &sansal_std::ClientApplication, force| {
            let accounts = client.get_accounts(None).unwrap();
            let request = Silent::new(&accounts[0], &scopes).unwrap().force_refresh(force);
            client.acquire_token_silent_with(&request)
        };
        let device = || {
            let mut flow = public.initiate_device_flow(&scopes).unwrap();
            public.acquire_token_by_device_flow(&mut flow)
        };
        let outcomes: [(&str, Result<Token, Error>); 9] = [
            ("client credentials", confidential.acquire_token_for_client(&["r/.default"])),
            ("on behalf of", confidential.acquire_token_on_behalf_of("assertion", &scopes)),
            ("code, confidential", code(&confidential)),
            ("code, public", code(&public)),
            ("silent, cached", silent(&public, false)),
            ("silent, refreshed", silent(&public, true)),
            ("device", device()),
            ("import", public.acquire_token_by_refresh_token("rt", &scopes)),
            ("password", public.acquire_token_by_username_password("ada", "pw", &scopes)),
        ];
        for (flow, result) in outcomes {
            let token = result.unwrap_or_else(|error| panic!("{flow}: {error}"));
            assert_eq!(token.token_type(), token_type, "{flow}");
        }
        let sent = provider.sent();
        assert_eq!(sent.len(), 8, "all but the cached one");
        for one in sent {
            assert_eq!(one.proof.is_some(), scheme == AuthScheme::Dpop);
            assert_eq!(one.field("token_type"), (scheme == AuthScheme::Pop).then_some("pop"));
            assert_eq!(one.field("req_cnf").is_some(), scheme == AuthScheme::Pop);
        }
        // A call may want another scheme than its client.
        let other = if scheme == AuthScheme::Pop { confidential.dpop() } else { confidential.pop() };
        let request = OnBehalfOf::new("assertion", &scopes).unwrap().bound(&other.unwrap());
        let token = confidential.acquire_token_on_behalf_of_with(&request).unwrap();
        assert_ne!(token.token_type(), token_type);
    }
}

#[test]
fn bearer_tokens_instead_are_refused() {
    // Decision 8 of the design.
    let provider = Provider::default();
    *provider.0.answers_bearer.lock().unwrap() = true;
    let client = provider.public().build().unwrap();
    for binding in [client.pop().unwrap(), client.dpop().unwrap()] {
        let request = UsernamePassword::new("ada", "pw", &["r"]).unwrap().bound(&binding);
        let error = client.acquire_token_by_username_password_with(&request).unwrap_err();
        let at = "token_type is not what was asked";
        assert!(matches!(error, Error::BadResponse { what: What::TokenResponse, at: found } if found == at), "{error}");
    }
    let bearer = client.acquire_token_by_username_password("ada", "pw", &["r"]).unwrap();
    let error = client.bound_token(bearer).unwrap_err();
    assert!(matches!(error, Error::Config(Config::NotBound(_))), "{error}");
}

#[test]
fn keys_that_are_given() {
    let provider = Provider::default();
    let key = PopKey::es256(&[7; 32]).unwrap();
    let client = provider.confidential().proof_key(key.clone()).build().unwrap();
    assert_eq!(client.pop_key().unwrap().thumbprint(), key.thumbprint());
    let token = app_token(&client, AuthScheme::Dpop).unwrap();
    verified(&token.dpop_proof("GET", URL).unwrap(), &key.thumbprint());
    let wrong = token.sign_request(&PopAuthScheme::new("GET", URL, "n").unwrap()).unwrap_err();
    assert!(matches!(wrong, Error::Config(Config::NotBound("pop"))), "{wrong}");
    let wrong = token.dpop_proof("G T", URL).unwrap_err();
    assert!(matches!(wrong, Error::Config(Config::HttpMethod)), "{wrong}");

    // One that nobody here holds.
    let elsewhere = PopKey::external(KeyName("box".into()), Algorithm::Es256, key.jwk()).unwrap();
    let client = provider.confidential().proof_key(elsewhere).build().unwrap();
    let token = app_token(&client, AuthScheme::Pop).unwrap();
    let error = token.headers("GET", URL).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "signature", why: AskError::NotFound }), "{error}");

    let two = provider.confidential().build().unwrap();
    let thumbprints: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| two.pop_key().unwrap().thumbprint())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(thumbprints.iter().all(|one| *one == thumbprints[0] && *one != key.thumbprint()));
}

#[test]
fn nothing_secret_is_shown() -> Result<(), SetupError> {
    let key = PopKey::es256(b"planted-private-key-32-bytes-xyz").unwrap();
    let client = Provider::default().confidential().proof_key(key).build()?;
    let token = app_token(&client, AuthScheme::Pop)?;
    token.learn(URL, &[("Authentication-Info", "nextnonce=planted-nonce")])?;
    let shown = format!("{client:?} {token:?} {:?}", token.headers("GET", URL)?);
    assert!(!shown.contains("planted") && !shown.contains(token.token().access_token()), "{shown}");
    Ok(())
}
