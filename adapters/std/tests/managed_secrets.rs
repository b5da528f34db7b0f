//! Secrets planted in all variables, files and answers of managed identities: none comes out in logs, `Debug` or errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

#[path = "support/folder.rs"]
mod folder;
use std::fmt::Write as _;

use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::Request;
use sansal_std::sansal::managed::ManagedIdentityEnvironment;
use sansal_std::{HttpClient, HttpResponse, ManagedIdentity, ManagedIdentityClient, Secret};

use capture::Capture;
use folder::folder;

#[path = "support/capture.rs"]
mod capture;

/// An answer in which the source repeats the secret that it was shown.
#[derive(Clone, Copy)]
struct Answers(u16, &'static str);

impl HttpClient for Answers {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let shown = |names: &[&str]| {
            let header = request.headers.iter().find(|header| names.contains(&header.name));
            header.map(|header| header.value.expose().trim_start_matches("Basic ").to_owned())
        };
        let secret = shown(&["X-IDENTITY-HEADER", "secret", "Secret", "Authorization"]);
        let is_arc = request.endpoint.port() == Some(40342);
        if is_arc && secret.is_none() {
            let challenge = "Basic realm=/var/opt/azcmagent/tokens/one.key".to_owned();
            return Ok(HttpResponse {
                headers: vec![("WWW-Authenticate".to_owned(), challenge)],
                ..HttpResponse::new(401, "planted-body")
            });
        }
        Ok(HttpResponse::new(self.0, self.1.replace("ECHO", &secret.unwrap_or_default())))
    }
}

const ANSWERS: [Answers; 9] = [
    Answers(
        200,
        r#"{"access_token":"planted-token","expires_in":9999,"expires_on":2000000000,"token_type":"Bearer","refresh_token":"planted-refresh"}"#,
    ),
    Answers(200, r#"{"access_token":"planted-token"}"#),
    Answers(200, r#"{"access_token":"planted-token","expires_in":"planted","expires_on":"planted"}"#),
    Answers(400, r#"{"error":"odd","error_description":"not with ECHO","message":"not with ECHO"}"#),
    Answers(400, r#"{"error":{"code":"BadRequest","message":"not with ECHO","access_token":"planted-token"}}"#),
    Answers(500, r#"{"statusCode":500,"message":"not with ECHO"}"#),
    Answers(429, "not with ECHO"),
    Answers(200, "<html>planted-body</html>"),
    Answers(302, "planted-body"),
];

#[test]
fn nothing_planted_comes_out() {
    let dir = folder("arc");
    std::fs::write(dir.join("one.key"), "planted-arc-key").unwrap();
    let none = ManagedIdentityEnvironment { arc_token_dir: dir.to_str().map(str::to_owned), ..Default::default() };
    let endpoint = Some("https://10.0.0.4:2377/x?planted-query=1".to_owned());
    let header = Some(Secret::from("planted-identity-header"));
    let environments = [
        none.clone(),
        ManagedIdentityEnvironment { arc_agent_installed: true, ..none.clone() },
        ManagedIdentityEnvironment { azureps_host_environment: Some("cloud-shell/1.0".into()), ..none.clone() },
        ManagedIdentityEnvironment {
            identity_endpoint: endpoint.clone(),
            identity_header: header.clone(),
            ..none.clone()
        },
        ManagedIdentityEnvironment {
            identity_endpoint: endpoint.clone(),
            identity_header: header,
            identity_server_thumbprint: Some("00112233445566778899AABBCCDDEEFF00112233".into()),
            ..none.clone()
        },
        ManagedIdentityEnvironment {
            msi_endpoint: endpoint,
            msi_secret: Some(Secret::from("planted-msi-secret")),
            ..none.clone()
        },
        // What cannot be sent is not shown either.
        ManagedIdentityEnvironment {
            identity_endpoint: Some("http://planted-host.example/".into()),
            identity_header: Some(Secret::from("planted-\r\n")),
            ..none
        },
    ];
    for pii in [false, true] {
        let capture = Capture::default();
        let mut shown = String::new();
        let (mut tokens, mut errors) = (0, 0);
        capture.during(|| {
            for answer in ANSWERS {
                for environment in &environments {
                    let builder = ManagedIdentityClient::builder(ManagedIdentity::SystemAssigned)
                        .environment(environment.clone())
                        .http_client(answer)
                        .time(Fast::default())
                        .enable_pii_log(pii);
                    let _ = write!(shown, "{builder:?} {environment:?}");
                    let client = builder.build().unwrap();
                    let result = client.acquire_token_for_client("https://vault.azure.net");
                    let _ = writeln!(shown, "{client:?} {result:?}");
                    match result {
                        Ok(_) => tokens += 1,
                        Err(error) => {
                            errors += 1;
                            let _ = writeln!(shown, "{error}");
                        }
                    }
                }
            }
        });
        assert!(tokens == 6 && errors > 50, "{tokens} {errors}");
        let logged = capture.text();
        assert!(logged.lines().count() > 200 && logged.contains("169.254.169.254"), "{logged}");
        assert!(shown.contains("not with [hidden]"), "{shown}");
        for (what, text) in [("the log", &logged), ("Debug or an error", &shown)] {
            let at = text.find("planted").map(|at| &text[at.saturating_sub(200)..(at + 60).min(text.len())]);
            assert_eq!(at, None, "{what}, pii {pii}");
        }
    }
    std::fs::remove_dir_all(dir).unwrap();
}

/// Waits take no time here.
#[derive(Default)]
struct Fast(std::sync::atomic::AtomicU64);

impl sansal_std::Time for Fast {
    fn now(&self) -> sansal_std::sansal::time::Clock {
        let ms = self.0.load(std::sync::atomic::Ordering::SeqCst);
        sansal_std::sansal::time::Clock::new(
            sansal_std::sansal::time::Millis(ms),
            sansal_std::sansal::time::UnixTime(1_800_000_000),
        )
    }

    fn sleep(&self, span: sansal_std::sansal::time::Millis) {
        self.0.fetch_add(span.0, std::sync::atomic::Ordering::SeqCst);
    }
}
