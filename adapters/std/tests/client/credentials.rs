//! Certificates, assertions and the environment as credentials, and those that cannot be used.

use super::*;

/// Header and claims of the assertion in a token request; its signature is checked with ring.
fn assertion(sent: &str) -> (Value, Value) {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
    let (_, rest) = sent.split_once("client_assertion=").unwrap();
    let text = rest.split('&').next().unwrap();
    let (input, signature) = text.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&url_decode(part).unwrap()).unwrap();
    let (header, claims) = (json(header), json(claims));
    let der = include_bytes!("../../../../tests/certs/rsa2048.key.pkcs8.der");
    let public = RsaKeyPair::from_pkcs8(der).unwrap().public().as_ref().to_vec();
    let signature = url_decode(signature).unwrap();
    match header["alg"].as_str().unwrap() {
        "RS256" => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(input.as_bytes(), &signature),
        "PS256" => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public).verify(input.as_bytes(), &signature),
        other => panic!("{other}"),
    }
    .unwrap();
    (header, claims)
}

#[test]
fn certificates_sign_by_ring() {
    let both = [KEY, CERTIFICATE.as_bytes()].concat();
    let encrypted = include_bytes!("../../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem");
    let sha1 = "2E9E65103F3507B7D386D6FFFF2A88B494B427D6";
    let cases = [
        ("one text", CertificateCredential::pem(&both), "PS256", 1),
        ("two texts", CertificateCredential::pem(KEY).certificate(CERTIFICATE), "PS256", 1),
        ("thumbprint alone", CertificateCredential::pem(KEY).thumbprint(sha1), "RS256", 0),
        ("both", CertificateCredential::pem(&both).thumbprint(sha1), "RS256", 1),
        (
            "encrypted",
            CertificateCredential::pem(encrypted).passphrase("oracle-pass").certificate(CERTIFICATE),
            "PS256",
            1,
        ),
    ];
    let pfx = || CertificateCredential::pfx(PFX).passphrase("oracle-pass");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/certs/rsa2048.modern.pfx");
    let from_file = CertificateCredential::file(file).unwrap().passphrase("oracle-pass");
    let of_pfx = [
        ("pfx", pfx(), "PS256", 0),
        ("pfx with leaf", pfx().x5c(X5c::Leaf), "PS256", 1),
        ("pfx with text", pfx().x5c(X5c::Text(CERTIFICATE.to_owned())), "PS256", 1),
        ("pfx and certificate", pfx().certificate(CERTIFICATE), "PS256", 1),
        // The reference ignores the thumbprint here.
        ("pfx and thumbprint", pfx().thumbprint(sha1), "PS256", 0),
        ("pfx from a file", from_file, "PS256", 0),
    ];
    for (name, certificate, alg, chain) in cases.into_iter().chain(of_pfx) {
        let script = Script::of([token("one")]);
        let client = builder(&script).certificate(certificate).client_claims(r#"{"x":"y"}"#).build().expect(name);
        client.acquire_token_for_client(&["s"]).expect(name);
        let (header, claims) = assertion(&script.token_requests()[0]);
        assert_eq!(header["alg"], alg, "{name}");
        assert_eq!(header["x5c"].as_array().map_or(0, Vec::len), chain, "{name}");
        assert_eq!(claims["aud"], "https://idp.example/t/token", "{name}");
        assert_eq!((&claims["iss"], &claims["x"]), (&"app".into(), &"y".into()), "{name}");
    }
    let script = Script::of([token("one")]);
    let client = builder(&script).pfx(PFX, Some(Secret::from("oracle-pass")), X5c::Leaf).build().unwrap();
    client.acquire_token_for_client(&["s"]).unwrap();
    let (header, _) = assertion(&script.token_requests()[0]);
    assert_eq!((&header["alg"], header["x5c"].as_array().map(Vec::len)), (&"PS256".into(), Some(1)));
}

#[test]
fn certificates_that_cannot_be_used() {
    use CertError as C;
    let key = || CertificateCredential::pem(KEY);
    let pfx = || CertificateCredential::pfx(PFX).passphrase("oracle-pass");
    let encrypted = || {
        CertificateCredential::pem(include_bytes!("../../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem"))
    };
    let other = include_str!("../../../../tests/certs/rsa4096.cert.pem");
    let cases = [
        (encrypted().certificate(CERTIFICATE), C::PassphraseMissing),
        (encrypted().certificate(CERTIFICATE).passphrase("wrong"), C::WrongPassphrase),
        (key().certificate(CERTIFICATE).passphrase("not needed"), C::NotEncrypted),
        (key(), C::NoThumbprint),
        (key().certificate(other), C::KeyMismatch),
        (key().certificate(other).thumbprint(&"0".repeat(40)), C::ThumbprintMismatch),
        (key().thumbprint("xyz"), C::BadThumbprint),
        (CertificateCredential::pem(CERTIFICATE.as_bytes()), C::CertificateInsteadOfPrivateKey),
        (CertificateCredential::pem(include_bytes!("../../../../tests/certs/ec256.key.pkcs8.pem")), C::NotRsa),
        (CertificateCredential::pfx(KEY), C::NotPfx),
        (CertificateCredential::pfx(PFX), C::PassphraseMissing),
        (pfx().passphrase("wrong"), C::WrongPassphrase),
        (pfx().thumbprint(&"0".repeat(40)), C::ThumbprintMismatch),
        (pfx().certificate(other), C::KeyMismatch),
        (
            pfx().x5c(X5c::Text(include_str!("../../../../tests/certs/rsa2048.key.pkcs8.pem").to_owned())),
            C::PrivateKeyInsteadOfCertificate,
        ),
        (
            CertificateCredential::pfx(include_bytes!("../../../../tests/certs/rsa2048.cert-only.pfx"))
                .passphrase("oracle-pass"),
            C::NoKeyInPfx,
        ),
    ];
    let mut lines = Vec::new();
    for (certificate, expected) in cases {
        match builder(&Script::default()).certificate(certificate).build() {
            Err(SetupError::Client(Error::Config(Config::Certificate(why)))) => assert_eq!(why, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
        lines.push(expected.to_string());
    }
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 12, "each has a line of its own");
    assert!(matches!(CertificateCredential::file("/nonexistent/a.pem"), Err(SetupError::File { .. })));
}

#[test]
fn what_does_not_fit_is_said_before_anything_is_sent() {
    let bare = || ConfidentialClient::builder("app").http_client(Script::default());
    let fails = |builder: ConfidentialClientBuilder| builder.build().unwrap_err().to_string();
    let lines = [
        fails(bare()),
        fails(bare().secret("")),
        fails(bare().secret("s").authority("http://login.microsoftonline.com/t")),
        fails(bare().secret("s").client_claims("[]")),
        fails(bare().secret("s").app_name("a\r\nb")),
        fails(bare().secret("s").proxy(ProxyChoice::None)),
        fails(ConfidentialClient::builder("").secret("s")),
        fails(ConfidentialClient::builder("app").secret("s").extra_roots(b"x")),
        fails(ConfidentialClient::builder("app").secret("s").proxy(ProxyChoice::Address(String::new()))),
    ];
    for (i, line) in lines.iter().enumerate() {
        assert!(!line.is_empty() && !line.contains('\n') && !lines[..i].contains(line), "{line}");
    }
}

#[test]
fn assertions() {
    let script = Script::of([token("one"), token("two"), token("three")]);
    let count = AtomicU64::new(0);
    let client = builder(&script)
        .assertion_callback(move |context| {
            assert_eq!((&*context.client_id, &*context.token_endpoint), ("app", "https://idp.example/t/token"));
            let n = count.fetch_add(1, Ordering::SeqCst);
            if n < 2 { Ok(Secret::from(format!("made-{n}"))) } else { Err(AskError::Denied) }
        })
        .build()
        .unwrap();
    for scope in ["a", "b"] {
        client.acquire_token_for_client(&[scope]).unwrap();
    }
    let sent = script.token_requests();
    assert!(sent[0].contains("client_assertion=made-0") && sent[1].contains("client_assertion=made-1"), "{sent:?}");
    match client.acquire_token_for_client(&["c"]) {
        Err(Error::Unanswered { ask: "client assertion", why: AskError::Denied }) => {}
        other => panic!("{other:?}"),
    }
    let client = builder(&script).assertion("ready-made").build().unwrap();
    client.acquire_token_for_client(&["s"]).unwrap();
    assert!(script.token_requests()[2].contains("client_assertion=ready-made"));
}

#[test]
fn the_environment_makes_a_client() {
    let dir = folder("environment");
    let pem = dir.join("app.pem");
    std::fs::write(&pem, [KEY, CERTIFICATE.as_bytes()].concat()).unwrap();
    let assertion = dir.join("assertion");
    std::fs::write(&assertion, "from-file\n").unwrap();
    let cases = [
        ("AZURE_CLIENT_SECRET", "planted-secret".to_owned(), "client_secret=planted-secret"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", pem.display().to_string(), "client_assertion=ey"),
        ("AZURE_FEDERATED_TOKEN_FILE", assertion.display().to_string(), "client_assertion=from-file"),
    ];
    for (variable, value, expected) in cases {
        let script = Script::of([token("one")]);
        let environment = Environment::from_lookup(|name| {
            Ok(match name {
                "AZURE_CLIENT_ID" => Some("app".to_owned()),
                "AZURE_TENANT_ID" => Some("t".to_owned()),
                "AZURE_AUTHORITY_HOST" => Some("https://idp.example/".to_owned()),
                name if name == variable => Some(value.clone()),
                _ => None,
            })
        });
        let builder = ConfidentialClient::from_environment(&environment.unwrap()).unwrap();
        let builder = builder.http_client(script.clone()).instance_discovery(InstanceDiscovery::Off);
        builder.build().unwrap().acquire_token_for_client(&["s"]).expect(variable);
        assert!(script.token_requests()[0].contains(expected), "{variable}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
    let absent = Environment { client_id: Some("a".into()), ..Environment::default() };
    let line = ConfidentialClient::from_environment(&absent).unwrap_err().to_string();
    assert!(line.contains("AZURE_TENANT_ID"), "{line}");
}
