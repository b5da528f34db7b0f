//! Tokens that are bound to a key: how each flow asks for them, DPoP proofs and nonces on the token request (RFC 9449), and what
//! is refused. Whether the signatures are right, another library says: `tests/tests/proofs.rs`.
#![cfg(all(feature = "es256", feature = "wstrust"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use sansal::base64::url_encode;
use sansal::client::{AuthScheme, Client, ClientBuilder, ClientCertificate, Credential, KeyCredential, Signer};
use sansal::error::{Config, What};
use sansal::flow::{Ask, AskError};
use sansal::jose::Compact;
use sansal::key::{Algorithm, KeyName, KeyProtection};
use sansal::pop::{PopKey, shr};
use sansal::source::Source;
use sansal::{
    Binding, ClientCredentials, DeviceCode, Error, OnBehalfOf, RefreshTokenImport, Token, TokenSource,
    UserFederatedIdentityCredential, UsernamePassword,
};
use serde_json::{Value, json};
use support::{Host, NOW, World, answers, headed};

const TENANT: &str = "https://login.microsoftonline.com/aaaabbbb-0000-cccc-1111-dddd2222eeee";

fn builder() -> ClientBuilder {
    Client::builder("app").authority(TENANT)
}

fn key() -> PopKey {
    PopKey::es256(b"planted-private-key-32-bytes-xyz").unwrap()
}

/// A confidential client with this key.
fn host(key: &PopKey) -> Host {
    Host::new(builder().credential(Credential::secret("s")).dpop_key(key.clone()).build().unwrap())
}

fn metadata() -> World {
    let paths = ["token", "authorize", "devicecode"].map(|path| format!("{TENANT}/oauth2/v2.0/{path}"));
    let members = json!({
        "issuer": format!("{TENANT}/v2.0"), "token_endpoint": paths[0], "authorization_endpoint": paths[1],
        "device_authorization_endpoint": paths[2],
    });
    answers(200, members.to_string())
}

fn body(token_type: &str) -> String {
    json!({"token_type": token_type, "expires_in": 3600, "access_token": format!("at of {token_type}")}).to_string()
}

fn wants(nonce: Option<&str>) -> World {
    let headers = nonce.map(|nonce| ("DPoP-Nonce", nonce.to_string())).into_iter().collect();
    World::Answers(400, headers, json!({"error": "use_dpop_nonce"}).to_string().into())
}

fn app_token(
    host: &mut Host,
    script: impl IntoIterator<Item = World>,
    scope: &str,
    key: &PopKey,
) -> Result<Token, Error> {
    let request = ClientCredentials::new(&[scope])?.bound(&Binding::dpop(key.jwk()));
    let flow = request.flow(&host.client)?;
    host.play(script, flow)
}

/// Header and claims of the proof in a request, if it carries one.
fn proof(host: &Host, request: usize) -> Option<(Value, Value)> {
    let mut headers = host.sent[request].headers.iter().filter(|header| header.name == "DPoP");
    let text = headers.next()?.value.expose().to_string();
    assert!(headers.next().is_none(), "one proof a request (RFC 9449 s4.3)");
    let compact = Compact::parse(&text).unwrap();
    let object = |members: sansal::json::Members| Value::Object(members.as_map().clone());
    Some((object(compact.decode_header().unwrap()), object(compact.decode_payload().unwrap())))
}

fn nonce(host: &Host, request: usize) -> Value {
    proof(host, request).expect("a proof").1["nonce"].clone()
}

/// Runs a flow against a server that answers with a token of this type, and gives the last form's binding parameters.
fn bound<S: Source + std::fmt::Debug>(
    client: &Client,
    before: &[World],
    token_type: &str,
    flow: impl FnOnce(&Client) -> sansal::acquire::Acquire<S>,
) -> (Result<Token, Error>, [Option<String>; 3], bool) {
    let mut host = Host::new(client.clone());
    let script = before.iter().cloned().chain([answers(200, body(token_type))]);
    let machine = flow(&host.client);
    let result = host.play(script, machine);
    let last = host.sent.len() - 1;
    let fields = ["token_type", "req_cnf", "key_id"].map(|name| host.field(last, name));
    (result, fields, proof(&host, last).is_some())
}

#[test]
fn every_flow_asks_alike() {
    // Decision 4 of the design; RFC 9449 s5.
    let key = key();
    let (public, confidential) = (builder().dpop_key(key.clone()).build().unwrap(), host(&key).client);
    let code = json!({"user_code": "A", "device_code": "d", "verification_uri": "https://m/", "expires_in": 900, "interval": 1});
    let device = [metadata(), answers(200, code.to_string())];
    let managed = [metadata(), answers(200, r#"{"ver":"1.0","account_type":"Managed"}"#)];
    let plain = [metadata()];
    let cnf = shr::req_cnf(key.jwk());
    let cases = [
        (Binding::pop(key.jwk()), "pop", [Some("pop".to_string()), Some(cnf), None], false),
        (Binding::dpop(key.jwk()), "DPoP", [None, None, None], true),
    ];
    for (binding, token_type, fields, proved) in cases {
        for answered in [token_type, "Bearer"] {
            let scopes = ["User.Read"];
            let outcomes = [
                bound(&confidential, &plain, answered, |client| {
                    ClientCredentials::new(&["r/.default"]).unwrap().bound(&binding).flow(client).unwrap()
                }),
                bound(&confidential, &plain, answered, |client| {
                    OnBehalfOf::new("assertion", &scopes).unwrap().bound(&binding).flow(client).unwrap()
                }),
                bound(&confidential, &plain, answered, |client| {
                    let fic = UserFederatedIdentityCredential::for_username("assertion", "ada", &scopes);
                    fic.unwrap().bound(&binding).flow(client).unwrap()
                }),
                bound(&public, &plain, answered, |client| {
                    RefreshTokenImport::new("rt", &scopes).unwrap().bound(&binding).flow(client).unwrap()
                }),
                bound(&public, &managed, answered, |client| {
                    UsernamePassword::new("ada@contoso.com", "pw", &scopes)
                        .unwrap()
                        .bound(&binding)
                        .flow(client)
                        .unwrap()
                }),
                bound(&public, &device, answered, |client| {
                    DeviceCode::new(&scopes).unwrap().bound(&binding).flow(client).unwrap()
                }),
            ];
            for (at, (result, got, with_proof)) in outcomes.into_iter().enumerate() {
                assert_eq!((got, with_proof), (fields.clone(), proved), "{token_type}, flow {at}");
                match result {
                    Ok(token) => assert_eq!((answered, token.token_type()), (token_type, token_type), "flow {at}"),
                    // Decision 8: no silent downgrade.
                    Err(error) => assert!(
                        answered == "Bearer" && matches!(error, Error::BadResponse { what: What::TokenResponse, .. }),
                        "{token_type}, flow {at}: {error}"
                    ),
                }
            }
        }
    }
}

#[test]
fn proofs_and_nonces() {
    // RFC 9449 s4.2, s8, s8.2.
    let key = key();
    let mut host = host(&key);
    let renewed = headed(200, &[("dpop-nonce", "n-2")], body("DPoP"));
    app_token(&mut host, [metadata(), wants(Some("n-1")), renewed], "a/.default", &key).unwrap();
    let (header, first) = proof(&host, 1).unwrap();
    let (_, second) = proof(&host, 2).unwrap();
    let jwk: Value = serde_json::from_str(&key.jwk().to_json()).unwrap();
    assert_eq!(header, json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}));
    assert_eq!(
        [&first["htm"], &first["htu"], &first["iat"]],
        [&json!("POST"), &json!(format!("{TENANT}/oauth2/v2.0/token")), &json!(NOW.0)]
    );
    assert!(first.get("ath").is_none(), "for requests to a resource only");
    assert_eq!([&first["nonce"], &second["nonce"]], [&Value::Null, &json!("n-1")]);
    assert_ne!(first["jti"], second["jti"]);
    // The nonce of the last answer is the next one's, whatever is asked for.
    app_token(&mut host, [answers(200, body("DPoP"))], "b/.default", &key).unwrap();
    assert_eq!(nonce(&host, 0), "n-2");
    // One that has grown stale costs one more request.
    app_token(&mut host, [wants(Some("n-3")), answers(200, body("DPoP"))], "c/.default", &key).unwrap();
    assert_eq!([nonce(&host, 0), nonce(&host, 1)], ["n-2", "n-3"]);
    // Tokens without a binding are asked for without a proof, by the same client.
    let flow = ClientCredentials::new(&["a/.default"]).unwrap().flow(&host.client).unwrap();
    assert_eq!(host.play([answers(200, body("Bearer"))], flow).unwrap().access_token(), "at of Bearer");
    assert!(proof(&host, 0).is_none());
}

#[test]
fn one_retry_and_no_more() {
    let key = key();
    let mut host = host(&key);
    let error = app_token(&mut host, [metadata(), wants(Some("n-1")), wants(Some("n-2"))], "a/.default", &key);
    assert_eq!(
        error.unwrap_err().refusal().map(|refusal| refusal.error().to_string()).as_deref(),
        Some("use_dpop_nonce")
    );
    // It is not remembered as a failure, and what was learned counts.
    let error = app_token(&mut host, [wants(None)], "a/.default", &key);
    assert!(matches!(error, Err(Error::Refused(_))), "nothing to retry with");
    assert_eq!(nonce(&host, 0), "n-2");
    let error = app_token(&mut host, [wants(Some("a \"broken\" nonce"))], "a/.default", &key);
    assert!(matches!(error, Err(Error::Refused(_))), "nothing to retry with");
    app_token(&mut host, [answers(200, body("DPoP"))], "a/.default", &key).unwrap();
    assert_eq!(nonce(&host, 0), "n-2");
}

#[test]
fn refusals_are_remembered_a_key() {
    // Section 10 of the reference, G-05: each proof is another text, and yet it is the same request.
    let key = key();
    let mut host = host(&key);
    let refusal = || answers(400, r#"{"error":"invalid_grant"}"#);
    assert!(app_token(&mut host, [metadata(), refusal()], "a/.default", &key).is_err());
    assert!(app_token(&mut host, [], "a/.default", &key).is_err(), "remembered");
    let other = PopKey::es256(&[9; 32]).unwrap();
    host.client = builder().credential(Credential::secret("s")).dpop_key(other.clone()).build().unwrap();
    app_token(&mut host, [answers(200, body("DPoP"))], "a/.default", &other).unwrap();
}

#[test]
fn tokens_are_kept_by_key() {
    let key = key();
    let mut host = host(&key);
    app_token(&mut host, [metadata(), answers(200, body("DPoP"))], "a/.default", &key).unwrap();
    assert_eq!(app_token(&mut host, [], "a/.default", &key).unwrap().access_token(), "at of DPoP");
    let get = |host: &mut Host, script: Vec<World>, binding: Option<&Binding>| {
        let request = ClientCredentials::new(&["a/.default"]).unwrap();
        let request = binding.iter().fold(request, |request, binding| request.bound(binding));
        let flow = request.flow(&host.client).unwrap();
        host.play(script, flow).map(|token| token.access_token().to_string())
    };
    assert_eq!(get(&mut host, vec![answers(200, body("Bearer"))], None).unwrap(), "at of Bearer");
    let pop = Binding::pop(key.jwk());
    assert_eq!(get(&mut host, vec![answers(200, body("pop"))], Some(&pop)).unwrap(), "at of pop");
    assert_eq!(get(&mut host, vec![], Some(&pop)).unwrap(), "at of pop");
    let other = Binding::pop(PopKey::es256(&[9; 32]).unwrap().jwk());
    assert_eq!(get(&mut host, vec![answers(200, body("pop"))], Some(&other)).unwrap(), "at of pop");
}

fn certificate(name: &str, first: u8) -> ClientCertificate {
    ClientCertificate::new(KeyName(name.into()), [first; 32])
}

/// A JWT that says which certificate it is bound to.
fn confirmed(x5t_s256: &[u8; 32]) -> String {
    let claims = json!({"cnf": {"x5t#S256": url_encode(x5t_s256)}}).to_string();
    format!("{}.{}.sig", url_encode(br#"{"alg":"RS256"}"#), url_encode(claims.as_bytes()))
}

fn issued(token_type: &str, access_token: &str) -> World {
    answers(200, json!({"token_type": token_type, "expires_in": 3600, "access_token": access_token}).to_string())
}

#[test]
fn clients_with_a_certificate() {
    // RFC 8705 s2, s3.1, s5.
    let own = certificate("own", 1);
    let client = |scheme| {
        let builder = builder().credential(Credential::Tls).client_certificate(own.clone());
        builder.auth_scheme(scheme).build().unwrap()
    };
    let mut host = Host::new(client(AuthScheme::Tls));
    let get = |host: &mut Host, script: Vec<World>, scope: &str| {
        let flow = ClientCredentials::new(&[scope]).unwrap().flow(&host.client).unwrap();
        host.play(script, flow)
    };
    let aliased = json!({
        "issuer": format!("{TENANT}/v2.0"), "token_endpoint": format!("{TENANT}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{TENANT}/oauth2/v2.0/authorize"),
        "mtls_endpoint_aliases": {"token_endpoint": "https://login.microsoftonline.com/mtls/token"},
    });
    let bound = confirmed(own.x5t_s256());
    get(&mut host, vec![answers(200, aliased.to_string()), issued("Bearer", &bound)], "a/.default").unwrap();
    assert_eq!(host.sent[0].client_cert, None, "metadata is anybody's");
    assert_eq!(host.sent[1].client_cert.as_ref(), Some(own.name()));
    assert_eq!(host.sent[1].endpoint.to_string(), "https://login.microsoftonline.com/mtls/token");
    assert_eq!(host.field(1, "client_id").as_deref(), Some("app"));
    for name in ["client_secret", "client_assertion", "token_type", "req_cnf"] {
        assert_eq!(host.field(1, name), None, "{name}");
    }
    // From the cache: for whoever has this certificate, and for nobody else.
    assert_eq!(get(&mut host, vec![], "a/.default").unwrap().access_token(), bound);
    host.client = client(AuthScheme::Bearer);
    assert_eq!(get(&mut host, vec![], "a/.default").unwrap().access_token(), bound);
    host.client = builder().credential(Credential::secret("s")).build().unwrap();
    assert_eq!(get(&mut host, vec![issued("Bearer", "plain")], "a/.default").unwrap().access_token(), "plain");
    assert_eq!(host.sent[0].client_cert, None);
    assert_eq!(host.sent[0].endpoint.to_string(), format!("{TENANT}/oauth2/v2.0/token"), "not the alias");
    let other = builder().credential(Credential::Tls).client_certificate(certificate("other", 2));
    host.client = other.build().unwrap();
    assert_eq!(get(&mut host, vec![issued("Bearer", "opaque")], "a/.default").unwrap().access_token(), "opaque");

    // Decision 8: what says itself that it is not bound so is refused, where it was demanded.
    let unbound = format!("{}.{}.sig", url_encode(b"{}"), url_encode(b"{}"));
    for (token, demanded) in [(confirmed(&[9; 32]), false), (unbound, false), ("opaque".to_string(), true)] {
        host.client = client(AuthScheme::Tls);
        let result = get(&mut host, vec![issued("Bearer", &token)], "b/.default");
        assert_eq!(result.is_ok(), demanded, "{token}");
        host.client = client(AuthScheme::Bearer);
        get(&mut host, vec![issued("Bearer", &token)], "c/.default").unwrap();
        host.store = sansal::Store::new(&mut support::Bytes(1)).unwrap_or_else(|_| panic!());
        host.client = client(AuthScheme::Bearer);
        get(&mut host, vec![metadata(), issued("Bearer", "x")], "d/.default").unwrap();
    }
    // The alias must lie where requests may go.
    let astray =
        aliased.to_string().replace("https://login.microsoftonline.com/mtls", "https://elsewhere.example/mtls");
    let mut host = Host::new(client(AuthScheme::Tls));
    let error = get(&mut host, vec![answers(200, astray)], "a/.default").unwrap_err();
    assert!(matches!(error, Error::Config(Config::HostNotAllowed { .. })), "{error}");
}

#[test]
fn the_certificate_must_be_the_clients() {
    let (own, other) = (certificate("own", 1), certificate("other", 2));
    let without = builder().credential(Credential::Tls).build().err();
    assert!(matches!(without, Some(Error::Config(Config::ClientCertificate))), "{without:?}");
    let without = builder().auth_scheme(AuthScheme::Tls).build().err();
    assert!(matches!(without, Some(Error::Config(Config::ClientCertificate))), "{without:?}");
    let without = builder().auth_scheme(AuthScheme::Dpop).build().err();
    assert!(matches!(without, Some(Error::Config(Config::ProofKey))), "{without:?}");
    let mut host = Host::new(builder().credential(Credential::Tls).client_certificate(own).build().unwrap());
    let request = ClientCredentials::new(&["a/.default"]).unwrap().bound(&Binding::certificate(&other));
    let flow = request.flow(&host.client).unwrap();
    let error = host.play([metadata()], flow).unwrap_err();
    assert!(matches!(error, Error::Config(Config::ClientCertificate)), "{error}");
    assert_eq!(host.sent.len(), 1, "no token request");
}

#[test]
fn a_client_with_a_scheme_binds_all_its_tokens() {
    let key = key();
    let client = |scheme| {
        let builder = builder().credential(Credential::secret("s")).dpop_key(key.clone());
        builder.auth_scheme(scheme).build().unwrap()
    };
    let request = ClientCredentials::new(&["a/.default"]).unwrap();
    let process = sansal::keys::ProcessKey::new(&mut support::Bytes(1)).unwrap();
    for (scheme, token_type, binding) in
        [(AuthScheme::Pop, "pop", Binding::pop(key.jwk())), (AuthScheme::Dpop, "DPoP", Binding::dpop(key.jwk()))]
    {
        let mut host = Host::new(client(scheme));
        let flow = request.flow(&host.client).unwrap();
        host.play([metadata(), answers(200, body(token_type))], flow).unwrap();
        assert_eq!(host.field(1, "token_type").as_deref(), (scheme == AuthScheme::Pop).then_some("pop"));
        assert_eq!(proof(&host, 1).is_some(), scheme == AuthScheme::Dpop);
        // It is the same token and the same call as one that asks so itself.
        let bearer = client(AuthScheme::Bearer);
        let own = request.clone().bound(&binding);
        assert_eq!(request.key(&host.client, &process), own.key(&bearer, &process));
        assert_ne!(request.key(&host.client, &process), request.key(&bearer, &process));
        let flow = own.flow(&host.client).unwrap();
        assert_eq!(host.play([], flow).unwrap().token_type(), token_type);
    }
}

#[test]
fn the_key_must_be_the_clients() {
    let (key, other) = (key(), PopKey::es256(&[9; 32]).unwrap());
    let without = builder().credential(Credential::secret("s")).build().unwrap();
    for client in [host(&other).client, without] {
        let mut host = Host::new(client);
        let error = app_token(&mut host, [metadata()], "a/.default", &key).unwrap_err();
        assert!(matches!(error, Error::Config(Config::ProofKey)), "{error}");
        assert_eq!(host.sent.len(), 1, "no token request");
    }
    let mut host = host(&key);
    host.clock.wall = None;
    let error = app_token(&mut host, [metadata()], "a/.default", &key).unwrap_err();
    assert!(matches!(error, Error::Config(Config::ClockUnknown)), "{error}");
}

#[test]
fn keys_elsewhere() {
    // Proof and client assertion are both signed by the host; the retry needs a new one of each (RFC 7523 s3: `jti`).
    let (proof_key, client_key) = (KeyName("proof".into()), KeyName("client".into()));
    let key = PopKey::external(proof_key.clone(), Algorithm::Es256, key().jwk())
        .unwrap()
        .protected_by(KeyProtection::Hardware);
    let signer = Signer::External(client_key.clone());
    let credential = Credential::Key(Box::new(KeyCredential::with_thumbprints(signer, None, Some([1; 32])).unwrap()));
    let mut host = Host::new(builder().credential(credential).dpop_key(key.clone()).build().unwrap());
    let asked = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&asked);
    host.signer = Some(Box::new(move |ask| {
        let Ask::Sign { key, alg, .. } = ask else { panic!() };
        noted.borrow_mut().push((key.clone(), *alg));
        Ok(vec![u8::try_from(noted.borrow().len()).unwrap(); 64])
    }));
    let script = [metadata(), wants(Some("n")), answers(200, body("DPoP"))];
    let token = app_token(&mut host, script, "a/.default", &key).unwrap();
    assert_eq!(nonce(&host, 2), "n");
    assert_ne!(host.field(1, "client_assertion"), host.field(2, "client_assertion"));
    // The label travels with the token, also out of the cache.
    assert_eq!(token.key_protection(), Some(KeyProtection::Hardware));
    let again = app_token(&mut host, [], "a/.default", &key).unwrap();
    assert_eq!((again.source(), again.key_protection()), (TokenSource::Cache, Some(KeyProtection::Hardware)));
    let bearer = ClientCredentials::new(&["a/.default"]).unwrap().flow(&host.client).unwrap();
    let bearer = host.play([answers(200, body("Bearer"))], bearer).unwrap();
    assert_eq!(bearer.key_protection(), None);
    asked.borrow_mut().truncate(4);
    let once = [(client_key, Algorithm::Ps256), (proof_key, Algorithm::Es256)];
    assert_eq!(*asked.borrow(), [once.clone(), once].concat());
    // The next token takes the assertion that is held, and one proof.
    asked.borrow_mut().clear();
    app_token(&mut host, [answers(200, body("DPoP"))], "b/.default", &key).unwrap();
    assert_eq!(asked.borrow().len(), 1);
    host.signer = Some(Box::new(|_| Err(AskError::Failed)));
    let error = app_token(&mut host, [], "c/.default", &key).unwrap_err();
    assert!(matches!(error, Error::Unanswered { ask: "signature", why: AskError::Failed }), "{error}");
}

#[test]
fn nothing_secret_is_shown() {
    let key = key();
    let host = host(&key);
    let request = ClientCredentials::new(&["a/.default"]).unwrap().bound(&Binding::dpop(key.jwk()));
    let flow = request.flow(&host.client).unwrap();
    let shown = format!("{:?} {request:?} {flow:?} {:?}", host.client, builder().dpop_key(key.clone()));
    let number: String = b"planted-private-key-32-bytes-xyz".iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!shown.contains("planted") && !shown.contains(&number), "{shown}");
    assert!(host.client.is_pop_supported());
}
