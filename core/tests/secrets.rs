//! Planted secrets never show in the `Debug` of any public type, in errors or in panics (design, "Secrets").

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test")]

use std::fmt::Debug;

use sansal::cache::{Entry, Kind, TokenCache, TokenEvent};
use sansal::client::{Client, Credential, KeyCredential, Settings, Signer};
use sansal::flow::{Answer, Ask, Clock, Cx, Flow, Input, Millis, Response, Step};
use sansal::http::{Body, Request, ResponseHeader, form};
use sansal::key::{Algorithm, KeyName};
use sansal::keys::ProcessKey;
use sansal::managed::{ManagedIdentity, ManagedIdentityEnvironment, ManagedIdentityRequest};
use sansal::secret::SecretBytes;
use sansal::token::TokenResponse;
use sansal::{ClientCredentials, Endpoint, PopAuthScheme, Secret, Store, json};

mod support;
use support::{Bytes, NOW};

const PLANTED: &str = "pl4nted-s3cret";

fn hidden(what: &str, value: &dyn Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!shown.contains(PLANTED), "{what} shows a secret: {shown}");
        let bytes = format!("{:?}", PLANTED.as_bytes());
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{what} shows a secret as bytes: {shown}");
    }
}

/// A token response in which every member is a secret, unknown ones too.
fn response() -> String {
    format!(
        r#"{{"access_token":"{PLANTED}","refresh_token":"{PLANTED}","id_token":"{PLANTED}","token_type":"Bearer","expires_in":3600,"odd":"{PLANTED}","deep":{{"er":["{PLANTED}"]}}}}"#
    )
}

#[test]
fn values() {
    hidden("Secret", &Secret::from(PLANTED));
    hidden("SecretBytes", &SecretBytes::from(PLANTED.as_bytes()));
    hidden("Members", &json::parse_object(response().as_bytes(), 4096).unwrap());
    hidden("TokenResponse", &TokenResponse::parse(response().as_bytes()).unwrap());
    hidden("a form", &form::decode(&format!("client_secret={PLANTED}")).unwrap());
    let endpoint = Endpoint::parse(&format!("https://a.example/cb?code={PLANTED}")).unwrap();
    hidden("Endpoint", &endpoint);
    let request = Request::post(endpoint, Body::form([("client_secret", PLANTED)].into_iter()), 10, Millis(1));
    hidden("Request", &request.header("Authorization", PLANTED));
    let scheme = PopAuthScheme::new("GET", &format!("https://r.example/a?sig={PLANTED}"), PLANTED).unwrap();
    hidden("PopAuthScheme", &scheme);
    let header = [ResponseHeader { name: "Set-Cookie", value: PLANTED }];
    let answered = Response { status: 200, headers: &header, body: PLANTED.as_bytes() };
    hidden("Response", &answered);
    hidden("Input", &Input::Response(answered));
    for answer in [
        Answer::Redirected(PLANTED),
        Answer::File(PLANTED.as_bytes()),
        Answer::Signature(PLANTED.as_bytes()),
        Answer::Assertion(PLANTED),
    ] {
        hidden("Answer", &answer);
        hidden("Input", &Input::Answer(answer));
    }
    let ask = Ask::Sign { key: KeyName("k".into()), alg: Algorithm::Rs256, message: PLANTED.as_bytes().to_vec() };
    hidden("Ask", &ask);
    hidden("Step", &Step::<()>::Ask(ask));
    hidden("ProcessKey", &ProcessKey::new(&mut Bytes(0)).unwrap());
}

#[test]
fn the_cache() {
    let response = TokenResponse::parse(response().as_bytes()).unwrap();
    let data = [("fmi_path", "p"), ("client_secret", PLANTED)];
    let event = TokenEvent {
        client_id: Some("c"),
        scopes: &["s"],
        token_endpoint: Some("https://a.example/t/token"),
        data: &data,
        ..TokenEvent::new(&response)
    };
    hidden("TokenEvent", &event);
    let mut cache = TokenCache::new();
    // The ID token is none: an error, in which nothing of it is shown.
    let error = cache.record(&event, NOW).unwrap_err();
    hidden("Error", &error);
    assert!(!error.to_string().contains(PLANTED));
    let plain =
        TokenResponse::parse(format!(r#"{{"access_token":"{PLANTED}","refresh_token":"{PLANTED}"}}"#).as_bytes())
            .unwrap();
    let changes = cache.record(&TokenEvent { response: &plain, ..event }, NOW).unwrap();
    hidden("TokenChange", &changes);
    cache.apply(changes);
    hidden("TokenCache", &cache);
    let entries: Vec<&Entry> = cache.search(Kind::RefreshToken, &[], &[], NOW).collect();
    assert_eq!(entries.len(), 1, "the secret is really in there");
    hidden("Entry", &entries);
    for broken in [format!("{{\"AccessToken\": {PLANTED}"), format!("\"{PLANTED}\"")] {
        let error = TokenCache::from_json(broken.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(PLANTED));
    }
}

/// Machines are looked at after every step, with a secret in everything the application and the server give.
#[test]
fn machines_in_the_middle() {
    let named = || Signer::External(KeyName("key".into()));
    let credentials = [
        Credential::secret(PLANTED),
        Credential::Assertion(Secret::from(PLANTED)),
        Credential::AssertionCallback,
        Credential::Key(KeyCredential::with_thumbprints(named(), Some([1; 20]), None).unwrap().into()),
    ];
    let mut steps = 0;
    for credential in credentials {
        let client = Client::builder("app")
            .authority("https://login.microsoftonline.com/t")
            .credential(credential)
            .client_claims(json::parse_object(format!(r#"{{"x":"{PLANTED}"}}"#).as_bytes(), 100).unwrap())
            .settings(Settings::default())
            .build()
            .unwrap();
        hidden("Client", &client);
        let mut entropy = Bytes(0);
        let mut store = Store::new(&mut entropy).unwrap();
        for status in [200, 400, 500] {
            let wanted = ClientCredentials::new(&["s"]).unwrap();
            let wanted = wanted.forwarded_client_claims(&format!(r#"{{"a":"{PLANTED}"}}"#));
            hidden("ClientCredentials", &wanted);
            let mut flow = wanted.flow(&client).unwrap();
            // Words of the server about its error are shown, but not with what we sent as proof in them.
            let echoed = status != 200 && matches!(client.credential(), Credential::Key(_));
            let mut input = Input::Start;
            let body = match status {
                200 => response().replace(&format!("\"id_token\":\"{PLANTED}\","), ""),
                _ => format!(
                    r#"{{"error":"invalid_client","error_description":"what is {PLANTED}?","access_token":"{PLANTED}"}}"#
                ),
            };
            loop {
                let clock = Clock::new(Millis(0), NOW);
                let step = flow.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut entropy }, input);
                if !echoed {
                    hidden("Flow", &flow);
                    hidden("Step", &step);
                }
                steps += 1;
                input = match step {
                    Err(error) => {
                        assert!(echoed || !error.to_string().contains(PLANTED), "{error}");
                        break;
                    }
                    Ok(Step::Done(token)) => {
                        assert_eq!(token.access_token(), PLANTED);
                        break;
                    }
                    Ok(Step::Send(request)) if request.body.is_none() => Input::Response(Response {
                        status: 200,
                        headers: &[],
                        body: br#"{"token_endpoint":"https://login.microsoftonline.com/t/token","authorization_endpoint":"https://login.microsoftonline.com/t/a"}"#,
                    }),
                    Ok(Step::Send(_)) => Input::Response(Response { status, headers: &[], body: body.as_bytes() }),
                    Ok(Step::Ask(Ask::Assertion { .. })) => Input::Answer(Answer::Assertion(PLANTED)),
                    Ok(Step::Ask(_)) => Input::Answer(Answer::Signature(PLANTED.as_bytes())),
                    Ok(Step::Load(_)) => Input::Loaded,
                    Ok(Step::Commit(changes)) => {
                        store.apply(changes);
                        hidden("Store", &store);
                        Input::Committed(Ok(()))
                    }
                    Ok(Step::Wait(_)) => Input::Woke,
                };
            }
            store.tokens = TokenCache::new();
        }
    }
    assert!(steps > 50);
}

#[cfg(feature = "rsa")]
#[test]
fn keys() {
    use sansal::cert::{PrivateKey, RsaKey, pem};
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/certs/");
    let text = std::fs::read(format!("{folder}rsa2048.key.pkcs8.pem")).unwrap();
    let key = PrivateKey::parse(&text, None).unwrap();
    let rsa = RsaKey::new(&key).unwrap();
    let credential = Credential::certificate(&text, None, Some(&"00".repeat(20)), None).unwrap();
    let blocks = pem::blocks(&text).unwrap();
    // Some digits of the key, in the ways in which something might print them.
    let der = key.pkcs1_der();
    let numbers = format!("{:?}", der.get(600..612).unwrap());
    let base64 = String::from_utf8_lossy(text.get(200..216).unwrap()).into_owned();
    for value in [&key as &dyn Debug, &rsa, &credential, &blocks] {
        let shown = format!("{value:?}");
        assert!(!shown.contains(numbers.trim_matches(['[', ']'])) && !shown.contains(&base64), "{shown}");
        assert!(shown.len() < 400, "long enough to hide something: {shown}");
    }
    let encrypted = std::fs::read(format!("{folder}rsa2048.key.enc-pbes2-aes256-sha256.pem")).unwrap();
    let error = PrivateKey::parse(&encrypted, Some(&Secret::from(PLANTED))).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(PLANTED));
}

#[test]
fn managed_identities() {
    let client = Client::managed_identity(Settings::default()).unwrap();
    let store = Store::new(&mut Bytes(1)).unwrap();
    let endpoint = Some(format!("https://10.0.0.4:2377/t?x={PLANTED}"));
    let none = ManagedIdentityEnvironment { arc_token_dir: Some("/keys".into()), ..Default::default() };
    let header = Some(Secret::from(PLANTED));
    let environments = [
        ManagedIdentityEnvironment { arc_agent_installed: true, ..none.clone() },
        ManagedIdentityEnvironment {
            identity_endpoint: endpoint.clone(),
            identity_header: header.clone(),
            ..none.clone()
        },
        ManagedIdentityEnvironment { msi_endpoint: endpoint, msi_secret: header, ..none },
    ];
    let challenge = [ResponseHeader { name: "WWW-Authenticate", value: "Basic realm=/keys/one.key" }];
    let body = response();
    for environment in environments {
        hidden("ManagedIdentityEnvironment", &environment);
        let wanted = ManagedIdentityRequest::new(ManagedIdentity::SystemAssigned, environment, "https://r");
        hidden("ManagedIdentityRequest", &wanted);
        let mut flow = wanted.flow(&client).unwrap();
        let mut step = |input: Input<'_>| {
            let mut entropy = Bytes(9);
            let clock = Clock::new(Millis(5), NOW);
            let step =
                flow.step(&mut Cx { client: &client, store: &store, clock, entropy: &mut entropy }, input).unwrap();
            hidden("AcquireManagedIdentity", &flow);
            hidden("Step", &step);
            step
        };
        let _ = step(Input::Start);
        let mut next = step(Input::Loaded);
        while !matches!(next, Step::Done(_)) {
            next = match next {
                Step::Send(request) => {
                    let is_first = request.endpoint.port() == Some(40342)
                        && !request.headers.iter().any(|header| header.name == "Authorization");
                    let status = if is_first { 401 } else { 200 };
                    let body = body.replace("3600", "3600,\"expires_on\":1800000000");
                    step(Input::Response(Response { status, headers: &challenge, body: body.as_bytes() }))
                }
                Step::Ask(_) => step(Input::Answer(Answer::File(PLANTED.as_bytes()))),
                Step::Commit(_) => step(Input::Committed(Ok(()))),
                other => panic!("{other:?}"),
            };
        }
    }
}
