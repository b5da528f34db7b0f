//! The fault table: every request of client credentials, over real HTTP, with everything that can go wrong on its way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use sansal_sim::{CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_SECRET, Fault, On, Platform, Server, What};
use sansal_std::sansal::Endpoint;
use sansal_std::sansal::client::{InstanceDiscovery, Retries, Settings};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::time::Millis;
use sansal_std::{CertificateCredential, ConfidentialClient, Error, ProxyChoice};

const SCOPES: &[&str] = &["https://graph.microsoft.com/.default"];
const LONG: Duration = Duration::from_secs(3600);

/// How an acquisition has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Token,
    NoAnswer,
    TooLarge,
    BadResponse,
    Busy(u16, Option<u64>),
}

fn faults() -> [(&'static str, What, End); 13] {
    let status = |code, retry_after| What::Status { code, retry_after };
    [
        ("no answer", What::NoAnswer, End::NoAnswer),
        ("reset", What::Reset, End::NoAnswer),
        ("cut body", What::CutBody, End::NoAnswer),
        ("500", status(500, None), End::Busy(500, None)),
        ("503", status(503, Some(9)), End::Busy(503, Some(9))),
        ("429", status(429, Some(7)), End::Busy(429, Some(7))),
        ("HTML", What::Html, End::BadResponse),
        ("10 MB", What::Oversize(10_000_000), End::TooLarge),
        ("302", What::Redirect("https://evil.example/".to_owned()), End::BadResponse),
        ("garbage", What::Garbage, End::BadResponse),
        // MSAL reads what is JSON whatever it is called, and so do we.
        ("wrong content type", What::WrongContentType, End::Token),
        ("slow drip", What::SlowDrip(LONG), End::NoAnswer),
        ("late", What::Delay(LONG), End::NoAnswer),
    ]
}

fn client(server: &Server, path: &str, certificate: bool, patience: Millis) -> ConfidentialClient {
    let builder = ConfidentialClient::builder(CONTOSO_CLIENT);
    let builder = match certificate {
        true => builder.certificate(CertificateCredential::pem(format!("{CLIENT_KEY}{CLIENT_CERTIFICATE}").as_bytes())),
        false => builder.secret(CONTOSO_SECRET),
    };
    let builder = match path.starts_with("realms/") {
        true => builder.oidc_authority(&server.authority(path)),
        false => builder.authority(&server.authority(path)),
    };
    let discovery = Endpoint::parse(&server.instance_discovery()).unwrap();
    let settings = Settings {
        instance_discovery: InstanceDiscovery::Custom(discovery),
        attempt_timeout: patience,
        retries: Retries::NONE,
        ..Settings::default()
    };
    let builder = builder.settings(settings).extra_roots(server.ca_pem().as_bytes()).only_extra_roots();
    builder.proxy(ProxyChoice::None).build().unwrap()
}

fn end(error: &Error) -> Option<End> {
    Some(match error {
        Error::Unreachable { why: SendError::NoAnswer, .. } => End::NoAnswer,
        Error::Unreachable { why: SendError::TooLarge, .. } => End::TooLarge,
        Error::BadResponse { .. } => End::BadResponse,
        Error::Throttled { status, retry_after, .. } => End::Busy(*status, *retry_after),
        _ => return None,
    })
}

#[test]
fn every_request_with_every_fault() {
    let mut cases = 0;
    let mut wrong = Vec::new();
    for (path, requests) in [
        ("contoso.onmicrosoft.com", &[On::Instance, On::Metadata, On::Token][..]),
        ("adfs", &[On::Metadata, On::Token]),
        ("realms/contoso", &[On::Metadata, On::Token]),
    ] {
        for (certificate, on) in [false, true].into_iter().flat_map(|c| requests.iter().map(move |on| (c, on))) {
            for (name, what, expected) in faults() {
                let server = Server::start(Platform::contoso(1).unwrap().issuer("realms/contoso")).unwrap();
                server.platform().fault(Fault::new(on.clone(), what).always());
                let patience = if expected == End::NoAnswer { Millis(400) } else { Millis::from_secs(60) };
                let client = client(&server, path, certificate, patience);
                let case = format!("{path}, certificate: {certificate}, {on:?}: {name}");
                let result = client.acquire_token_for_client(SCOPES);
                let (ended, shown) = match &result {
                    Ok(token) => (Some(End::Token), format!("{token:?}")),
                    Err(error) => (end(error), format!("{error:?} {error}")),
                };
                if ended != Some(expected) {
                    wrong.push(format!("{case}: {shown}"));
                }
                assert!(!shown.contains(CONTOSO_SECRET) && !shown.contains("eyJ"), "{case}: {shown}");
                let stored = client.with_token_cache(|tokens| String::from_utf8(tokens.to_json().to_vec()).unwrap());
                assert_eq!(stored.contains("eyJ"), expected == End::Token, "{case}");
                // Nothing is asked for after a step that failed.
                if *on != On::Token {
                    assert_eq!(server.platform().issued() > 0, expected == End::Token, "{case}");
                }
                cases += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{cases} cases of the fault table");
    assert!(cases >= 100, "{cases}");
}
