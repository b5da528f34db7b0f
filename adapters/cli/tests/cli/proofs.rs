//! Headers for requests that are signed, and tokens that are verified.

use super::*;

/// Binds tokens as it is asked to, and signs them with the key that it publishes.
fn binding_provider(authority: &Authority) -> Server {
    Server::tls(&authority.identity(&["localhost"], 2099), move |request, stream| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let body = if request.starts_with("GET /lab/keys") {
            let mut key: Value = serde_json::from_str(&signing_key().jwk().to_json()).unwrap();
            key["kid"] = json!("k");
            json!({ "keys": [key] })
        } else if request.starts_with("GET") {
            json!({
                "issuer": format!("https://{host}/lab"), "authorization_endpoint": format!("https://{host}/lab/auth"),
                "token_endpoint": format!("https://{host}/lab/token"), "jwks_uri": format!("https://{host}/lab/keys"),
            })
        } else {
            let token_type = match () {
                () if request.contains("\r\ndpop: ") => "DPoP",
                () if request.contains("token_type=pop") => "pop",
                () => "Bearer",
            };
            json!({"access_token": "the-token", "token_type": token_type, "expires_in": 60})
        };
        respond(stream, "200 OK", "", &body.to_string())
    })
}

fn signing_key() -> PopKey {
    PopKey::es256(&[7; 32]).unwrap()
}

/// A JWT of that provider.
fn jwt(claims: &Value) -> String {
    let part = |value: &Value| url_encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "k"})), part(claims));
    let signature = match signing_key().sign(message.as_bytes(), &mut sansal_std::SystemRandom).unwrap() {
        Signed::Here(signature) => signature,
        Signed::Elsewhere(_) => panic!("the key is here"),
    };
    format!("{message}.{}", url_encode(&signature))
}

fn claims_of(jwt: &str) -> Value {
    serde_json::from_slice(&url_decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn proofs_for_requests() {
    let (folder, authority) = (Folder::new("proofs"), Authority::new("Lab CA"));
    let server = binding_provider(&authority);
    let issuer = server.url("https", "localhost", "/lab");
    let ca = folder.file("ca.pem", &authority.pem);
    let common =
        ["--issuer", &*issuer, "--client-id", "app", "--scope", "a", "--ca", &*ca, "--client-secret-env", "MY"];
    let run = |first: &[&str]| sansal(&[first, &common[..]].concat(), &[("MY", "s")], "");
    let url = "https://api.example/things?kind=new";

    let ran = run(&["pop", "PUT", url, "--nonce", "n-1"]);
    let shr = ran.out.strip_prefix("Authorization: PoP ").unwrap_or_else(|| panic!("{ran:?}")).trim_end();
    let claims = claims_of(shr);
    assert_eq!([&claims["at"], &claims["m"], &claims["nonce"]], ["the-token", "PUT", "n-1"]);

    let pem = KeyPair::generate().unwrap().serialize_pem();
    let key = folder.file("proof.pem", &pem);
    let thumbprint = sansal_std::read_proof_key(pem.as_bytes()).unwrap().thumbprint();
    let ran = run(&["dpop", "GET", url, "--proof-key", &key, "--nonce", "n-2", "--json"]);
    let headers: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!(headers["Authorization"], "DPoP the-token");
    let proof = headers["DPoP"].as_str().unwrap();
    let (claims, header) = (claims_of(proof), claims_of(&format!(".{proof}")));
    assert_eq!([&claims["htm"], &claims["htu"], &claims["nonce"]], ["GET", "https://api.example/things", "n-2"]);
    let jwk = sansal::jose::Jwk::parse(header["jwk"].to_string().as_bytes()).unwrap();
    assert_eq!(jwk.thumbprint(), thumbprint);
    let asked = server.requests().len();

    for (arguments, word) in [
        (["pop", "G T", url].as_slice(), "method"),
        (&["dpop", "GET", "api.example"], "address"),
        (&["pop", "GET", url, "--proof-key", &ca], "no PEM"),
        (&["dpop", "GET", url, "--managed-identity", "--resource", "r"], "cannot be used with"),
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains(word), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(server.requests().len(), asked, "nobody was asked");
}

#[test]
fn tokens_are_verified() {
    let (folder, authority) = (Folder::new("verify"), Authority::new("Lab CA"));
    let server = binding_provider(&authority);
    let issuer = server.url("https", "localhost", "/lab");
    let ca = folder.file("ca.pem", &authority.pem);
    let common = ["verify", "--issuer", &*issuer, "--audience", "api", "--ca", &*ca];
    let good = json!({"iss": issuer, "aud": "api", "sub": "s", "iat": 1_700_000_000, "exp": 9_999_999_999_u64, "scp": "read write"});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        jwt(&claims)
    };
    let run = |token: &str, more: &[&str]| sansal(&[&common[..], more].concat(), &[], token);
    let es256 = ["--algorithm", "ES256"];

    for text in [jwt(&good), format!("Bearer {}\n", jwt(&good)), json!({"access_token": jwt(&good)}).to_string()] {
        let ran = run(&text, &["--algorithm", "RS256", "ES256", "--scope", "read"]);
        let shown: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        assert_eq!((ran.code, &shown["verified"], &shown["claims"]), (0, &json!(true), &good));
    }
    let (message, _) = jwt(&good).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let mut lines = std::collections::BTreeSet::new();
    for (token, more, code) in [
        (format!("{message}.{}", url_encode(&[1; 64])), es256.as_slice(), 1),
        (jwt(&good), &[], 1), // RS256 alone
        (with("aud", json!("other")), &es256, 1),
        (with("iss", json!("https://elsewhere.example")), &es256, 1),
        (with("exp", json!(1)), &es256, 1),
        (jwt(&good), &["--algorithm", "ES256", "--scope", "admin"], 1),
        (jwt(&good), &["--algorithm", "ES256", "--nonce", "n"], 1),
        ("no token".to_owned(), &es256, 1),
    ] {
        let ran = run(&token, more);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{more:?} {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(lines.insert(ran.err.clone()), "the same line twice: {}", ran.err);
    }
    let ran = sansal(&["verify", "--audience", "api"], &[], &jwt(&good));
    assert_eq!(ran.code, 2, "{}", ran.err);
}
