//! Secrets planted everywhere: none comes out in logs, `Debug` or errors. Names come out only if asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use std::fmt::Write as _;

use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::Request;
use sansal_std::{
    CertificateCredential, ClientCredentials, ConfidentialClient, ConfidentialClientBuilder, Environment, HttpClient,
    HttpResponse, ProxyChoice, Secret, UreqClient, WaitOptions,
};

use capture::Capture;

#[path = "support/capture.rs"]
mod capture;

/// Discovery, and then this answer, in which the server echoes the credential.
#[derive(Clone)]
struct Answers(Result<(u16, &'static str), SendError>);

impl HttpClient for Answers {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        if request.endpoint.path().ends_with("openid-configuration") {
            let metadata = r#"{"issuer":"https://idp.example/contoso","authorization_endpoint":"https://idp.example/a",
                "token_endpoint":"https://idp.example/contoso/token?planted-query=1","x":"planted-metadata"}"#;
            return Ok(HttpResponse::new(200, metadata));
        }
        let form = String::from_utf8_lossy(request.body.as_ref().unwrap().bytes.expose()).into_owned();
        let credential = |field: &str| {
            field.strip_prefix("client_secret=").or(field.strip_prefix("client_assertion=")).map(str::to_owned)
        };
        let credential = form.split('&').find_map(credential).unwrap();
        let answer = |(status, body): (u16, &str)| HttpResponse::new(status, body.replace("ECHO", &credential));
        self.0.map(|answered| HttpResponse { headers: cookies(), ..answer(answered) })
    }
}

fn cookies() -> Vec<(String, String)> {
    vec![("Set-Cookie".to_owned(), "planted-cookie".to_owned())]
}

const GOOD: &str = r#"{"access_token":"planted-token","refresh_token":"planted-refresh","expires_in":3600,"token_type":"Bearer","planted-member":"planted-extra"}"#;
const REFUSED: &str = r#"{"error":"invalid_client","error_description":"for ECHO no","x":"planted-extra"}"#;
const ODD: &str = r#"{"error":"Odd ECHO","error_description":"no","access_token":"planted-token"}"#;

fn builder() -> ConfidentialClientBuilder {
    ConfidentialClient::builder("the-app").oidc_authority("https://idp.example/contoso")
}

fn credentials() -> Vec<ConfidentialClientBuilder> {
    let encrypted = include_bytes!("../../../tests/certs/rsa2048.key.enc-pbes2-aes256-sha256.pem");
    let certificate = include_str!("../../../tests/certs/rsa2048.cert.pem");
    let key = CertificateCredential::pem(encrypted).certificate(certificate).passphrase("oracle-pass");
    vec![
        builder().secret("planted-secret-1"),
        builder().assertion("planted-assertion"),
        builder().assertion_callback(|_| Ok(Secret::from("planted-assertion"))),
        builder().certificate(key),
    ]
}

#[test]
fn nothing_planted_comes_out() {
    // Base64 of the private key's first number, and the passphrase.
    let pem = include_str!("../../../tests/certs/rsa2048.key.pkcs8.pem");
    let key_line = pem.lines().nth(1).unwrap();
    let answers = [
        Ok((200, GOOD)),
        Ok((401, REFUSED)),
        Ok((401, ODD)),
        Ok((500, "planted-body")),
        Ok((200, "planted-body")),
        Ok((302, "planted-body")),
        Err(SendError::NoAnswer),
    ];
    for pii in [false, true] {
        let capture = Capture::default();
        let mut shown = String::new();
        capture.during(|| {
            for answer in &answers {
                for builder in credentials() {
                    let builder = builder.http_client(Answers(*answer)).enable_pii_log(pii);
                    let builder = builder.client_claims(r#"{"c":"planted-claim"}"#);
                    let _ = write!(shown, "{builder:?}");
                    let client = builder.build().unwrap();
                    let request = ClientCredentials::new(&["planted-scope-is-no-secret"]).unwrap();
                    let request = request.forwarded_client_claims(r#"{"f":"planted-forwarded"}"#);
                    let result = client.acquire_token_for_client_with(&request);
                    let _ = write!(shown, "{client:?} {result:?}");
                    if let Err(error) = result {
                        let _ = write!(shown, "{error}");
                    }
                }
            }
        });
        let logged = capture.text();
        assert!(logged.lines().count() > answers.len() * 4 * 3, "{logged}");
        assert_eq!(logged.matches("[acquire]\n").count(), answers.len() * credentials().len(), "a span for each call");
        for secret in [
            "planted-secret",
            "planted-assertion",
            "planted-token",
            "planted-refresh",
            "planted-extra",
            "planted-cookie",
            "planted-body",
            "planted-metadata",
            "planted-query",
            "planted-claim",
            "planted-forwarded",
            "client_assertion=",
            "eyJ",
            "oracle-pass",
            key_line,
        ] {
            assert!(!logged.contains(secret), "{secret} in the log, pii {pii}:\n{logged}");
            assert!(!shown.contains(secret), "{secret} in Debug or an error:\n{shown}");
        }
        for name in ["the-app", "contoso"] {
            assert_eq!(logged.contains(name), pii, "{name}:\n{logged}");
        }
        assert_eq!(logged.contains("Odd"), pii, "the server's words:\n{logged}");
        assert!(logged.contains("idp.example") && logged.contains("status=401") && logged.contains("invalid_client"));
    }
}

#[test]
fn debug_of_all_types() {
    let environment = Environment::from_lookup(|name| Ok(Some(format!("planted-{name}")))).unwrap_err();
    let secret_only = |name: &str| name == "AZURE_CLIENT_SECRET" || name == "AZURE_CLIENT_CERTIFICATE_PASSWORD";
    let filled = Environment::from_lookup(|name| Ok(secret_only(name).then(|| "planted".to_owned()))).unwrap();
    let choice = ProxyChoice::Address("http://user:planted@p.example:1".into());
    let proxy = UreqClient::builder().proxy(choice.clone());
    let response = HttpResponse { headers: cookies(), ..HttpResponse::new(200, "planted") };
    let certificate = CertificateCredential::pem(b"planted").passphrase("planted");
    let wait = WaitOptions { auth_uri: Some("https://login.example/?state=planted".into()), ..Default::default() };
    let texts = [
        environment.to_string(),
        format!("{wait:?}"),
        format!("{filled:?}"),
        format!("{choice:?}"),
        format!("{proxy:?}"),
        format!("{:?}", proxy.build().unwrap()),
        format!("{response:?}"),
        format!("{certificate:?}"),
        format!("{:?}", certificate_error()),
    ];
    for text in texts {
        assert!(!text.contains("planted"), "{text}");
    }
}

fn certificate_error() -> String {
    let certificate = CertificateCredential::pem(b"planted").passphrase("planted");
    builder().certificate(certificate).build().unwrap_err().to_string()
}
