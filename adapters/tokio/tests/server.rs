//! `ReqwestClient` over real TLS against the simulated platform: every fault must end as it does with `sansal-std`'s client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, CONTOSO_TENANT, Fault, On, Platform, Resource, Server, What};
use sansal_std::{ConfidentialClientBuilder, Error, ProxyChoice, Token, TokenSource};
use sansal_tokio::sansal::client::{InstanceDiscovery, Retries, Settings};
use sansal_tokio::sansal::error::{SendError, TlsReason};
use sansal_tokio::sansal::time::Millis;
use sansal_tokio::{ConfidentialClient, TokenValidator, sansal_std};

const SCOPES: [&str; 1] = ["https://graph.microsoft.com/.default"];
const PATH: &str = "realms/contoso";
const LONG: Duration = Duration::from_secs(3600);

fn server() -> Server {
    Server::start(Platform::contoso(1).unwrap().issuer(PATH)).unwrap()
}

fn settings(server: &Server, patience: Millis) -> ConfidentialClientBuilder {
    let settings = Settings { retries: Retries::NONE, attempt_timeout: patience, ..Settings::default() };
    sansal_std::ConfidentialClient::builder(CONTOSO_CLIENT)
        .secret(CONTOSO_SECRET)
        .oidc_authority(&server.authority(PATH))
        .settings(settings)
        .extra_roots(server.ca_pem().as_bytes())
        .only_extra_roots()
        .proxy(ProxyChoice::None)
}

fn shown(result: &Result<Token, Error>) -> String {
    match result {
        Ok(_) => "a token".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn a_token_over_tls_and_then_from_the_cache() {
    let server = server();
    let client = ConfidentialClient::new(settings(&server, Millis::from_secs(30))).unwrap();
    let token = client.acquire_token_for_client(&SCOPES).await.unwrap();
    assert_eq!(token.source(), TokenSource::IdentityProvider);
    let again = client.acquire_token_for_client(&SCOPES).await.unwrap();
    assert_eq!((again.source(), again.access_token()), (TokenSource::Cache, token.access_token()));
    assert_eq!(server.platform().asked(&On::Token), 1);
    client.remove_tokens_for_client().await.unwrap().unwrap();
    let third = client.acquire_token_for_client(&SCOPES).await.unwrap();
    assert_eq!(third.source(), TokenSource::IdentityProvider);
    assert_eq!(server.platform().asked(&On::Token), 2);
}

#[tokio::test]
async fn every_fault_ends_as_with_the_blocking_client() {
    let status = |code, retry_after| What::Status { code, retry_after };
    let faults = [
        What::NoAnswer,
        What::Reset,
        What::CutBody,
        status(500, None),
        status(503, Some(9)),
        status(429, Some(7)),
        What::Html,
        What::Oversize(10_000_000),
        What::Redirect("https://evil.example/".to_owned()),
        What::Garbage,
        What::WrongContentType,
        What::SlowDrip(LONG),
        What::Delay(LONG),
    ];
    let mut count = 0;
    for on in [On::Metadata, On::Token] {
        for what in &faults {
            let server = server();
            let patience = match what {
                What::NoAnswer | What::SlowDrip(_) | What::Delay(_) => Millis(500),
                _ => Millis::from_secs(30),
            };
            let case = format!("{what:?} on {on:?}");
            let fault = || Fault::new(on.clone(), what.clone());
            server.platform().fault(fault());
            let blocking = settings(&server, patience).build().unwrap();
            let theirs = tokio::task::spawn_blocking(move || blocking.acquire_token_for_client(&SCOPES)).await.unwrap();
            server.platform().clear_faults();
            server.platform().fault(fault());
            let client = ConfidentialClient::new(settings(&server, patience)).unwrap();
            let ours = client.acquire_token_for_client(&SCOPES).await;
            assert_eq!(shown(&ours), shown(&theirs), "{case}");
            assert!(!shown(&ours).contains(CONTOSO_SECRET) && !shown(&ours).contains("eyJ"), "{case}");
            let stored = client.with_token_cache(|tokens| String::from_utf8(tokens.to_json().to_vec()).unwrap());
            assert_eq!(stored.contains("eyJ"), ours.is_ok(), "{case}");
            // Afterwards it is as if nothing had been, but for answers that are remembered (section 10 of the reference).
            server.platform().clear_faults();
            let next = client.acquire_token_for_client(&SCOPES).await;
            assert!(next.is_ok() || matches!(next, Err(Error::Throttled { .. })), "{case}: {next:?}");
            count += 1;
        }
    }
    println!("{count} cases");
}

#[tokio::test]
async fn who_is_not_trusted_or_not_there_gets_nothing() {
    let server = server();
    let other = Server::start(Platform::contoso(2).unwrap().issuer(PATH)).unwrap();
    let wrong_roots = sansal_std::ConfidentialClient::builder(CONTOSO_CLIENT)
        .secret(CONTOSO_SECRET)
        .oidc_authority(&server.authority(PATH))
        .extra_roots(other.ca_pem().as_bytes())
        .only_extra_roots()
        .proxy(ProxyChoice::None);
    let error = ConfidentialClient::new(wrong_roots).unwrap().acquire_token_for_client(&SCOPES).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: SendError::Tls(TlsReason::UnknownIssuer), .. }), "{error:?}");
    assert_eq!(server.platform().asked(&On::Any), 0);
    let client = ConfidentialClient::new(settings(&server, Millis::from_secs(30))).unwrap();
    drop(server);
    let error = client.acquire_token_for_client(&SCOPES).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { why: SendError::NotSent, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_tasks_over_loopback_and_a_hundred_requests() {
    let resources: Vec<String> = (0..100).map(|n| format!("api://resource-{n}")).collect();
    let platform = resources.iter().fold(Platform::contoso(1).unwrap().issuer(PATH), |platform, identifier| {
        platform.resource(Resource::new(identifier).audience(identifier))
    });
    let server = Server::start(platform).unwrap();
    server.platform().fault(Fault::new(On::Token, What::Delay(Duration::from_millis(300))).always());
    let client = ConfidentialClient::new(settings(&server, Millis::from_secs(60))).unwrap();
    let tasks: Vec<_> = (0..10_000)
        .map(|n| {
            let (client, resource) = (client.clone(), resources[n % 100].clone());
            tokio::spawn(async move {
                let token = client.acquire_token_for_client(&[format!("{resource}/.default")]).await.unwrap();
                let payload = token.access_token().split('.').nth(1).unwrap().to_owned();
                let claims = sansal_tokio::sansal::base64::url_decode(&payload).unwrap();
                let audience = format!(r#""aud":"{resource}""#);
                assert!(String::from_utf8(claims).unwrap().contains(&audience), "another's token");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(server.platform().asked(&On::Token), 100);
    assert_eq!(server.platform().issued(), 100);
    client.close().await;
}

#[tokio::test]
async fn a_resource_server_asks_for_keys_once() {
    let server = Server::start(Platform::contoso(1).unwrap()).unwrap();
    let authority = server.authority(CONTOSO_TENANT);
    let client = sansal_std::ConfidentialClient::builder(CONTOSO_CLIENT)
        .secret(CONTOSO_SECRET)
        .authority(&authority)
        .instance_discovery(InstanceDiscovery::Off)
        .extra_roots(server.ca_pem().as_bytes())
        .only_extra_roots()
        .proxy(ProxyChoice::None);
    let client = ConfidentialClient::new(client).unwrap();
    let token = client.acquire_token_for_client(&SCOPES).await.unwrap();
    let settings = sansal_std::TokenValidator::builder("https://graph.microsoft.com")
        .authority(&authority)
        .issuer(&format!("{authority}/v2.0"))
        .instance_discovery(InstanceDiscovery::Off)
        .extra_roots(server.ca_pem().as_bytes())
        .only_extra_roots()
        .proxy(ProxyChoice::None);
    let validator = TokenValidator::new(settings).unwrap();
    let header = format!("Bearer {}", token.access_token());
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (validator, header) = (validator.clone(), header.clone());
            tokio::spawn(async move { validator.validate_authorization(&header).await.is_ok() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert_eq!(server.platform().asked(&On::Keys), 1);
    for bad in ["Bearer nonsense".to_owned(), header.replace("Bearer", "Basic"), format!("{header}A")] {
        let error = validator.validate_authorization(&bad).await.unwrap_err();
        assert!(matches!(error, Error::Token(_)), "{error:?}");
    }
    assert_eq!(server.platform().asked(&On::Keys), 1);
}

#[cfg(feature = "azure_core")]
mod azure {
    //! Our clients in a pipeline of Azure's SDK, whose requests end in memory.

    use std::sync::{Arc, Mutex};

    use azure_core::credentials::TokenCredential;
    use azure_core::error::ErrorKind;
    use azure_core::http::headers::{AUTHORIZATION, Headers};
    use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
    use azure_core::http::{
        AsyncRawResponse, ClientOptions, Context, HttpClient, Method, Pipeline, Request, RetryOptions, StatusCode,
        Transport,
    };
    use sansal_sim::managed::{ManagedIdentities, Server as Metadata};
    use sansal_tokio::sansal::ManagedIdentity;
    use sansal_tokio::sansal::account::Account;
    use sansal_tokio::sansal::managed::ManagedIdentityEnvironment;
    use sansal_tokio::{ManagedIdentityClient, UserCredential};

    use super::*;

    /// A service that notes who comes.
    #[derive(Debug, Default)]
    struct Vault(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl HttpClient for Vault {
        async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
            let who = request.headers().get_optional_str(&AUTHORIZATION).unwrap_or_default();
            self.0.lock().unwrap().push(who.to_owned());
            Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), "a secret"))
        }
    }

    /// One request through a new pipeline of this credential; and who came to the service.
    async fn ask(credential: Arc<dyn TokenCredential>, scope: &str) -> (azure_core::Result<()>, Vec<String>) {
        let vault = Arc::new(Vault::default());
        let options = ClientOptions {
            transport: Some(Transport::new(vault.clone())),
            retry: RetryOptions::none(),
            ..Default::default()
        };
        let policy = Arc::new(BearerTokenAuthorizationPolicy::new(credential, [scope]));
        let pipeline = Pipeline::new(Some("test"), None, options, Vec::new(), vec![policy], None);
        let mut answers = Vec::new();
        for _ in 0..2 {
            let mut request = Request::new("https://vault.example/secrets/x".parse().unwrap(), Method::Get);
            answers.push(pipeline.send(&Context::default(), &mut request, None).await.map(drop));
        }
        let who = vault.0.lock().unwrap().clone();
        (answers.into_iter().collect(), who)
    }

    #[tokio::test]
    async fn requests_of_the_sdk_carry_our_tokens() {
        let server = server();
        let client = ConfidentialClient::new(settings(&server, Millis::from_secs(30))).unwrap();
        let (done, who) = ask(Arc::new(client.clone()), SCOPES[0]).await;
        done.unwrap();
        let token = client.acquire_token_for_client(&SCOPES).await.unwrap();
        assert_eq!(token.source(), TokenSource::Cache);
        assert_eq!(who, vec![format!("Bearer {}", token.access_token()); 2]);
        assert_eq!(server.platform().issued(), 1);
        let given = client.get_token(&SCOPES, None).await.unwrap();
        assert_eq!(given.expires_on.unix_timestamp(), i64::try_from(token.expires_on().0).unwrap());

        let metadata = Metadata::start(ManagedIdentities::new()).unwrap();
        let environment =
            ManagedIdentityEnvironment { pod_identity_authority_host: Some(metadata.url("")), ..Default::default() };
        let machine = sansal_std::ManagedIdentityClient::builder(ManagedIdentity::SystemAssigned);
        let machine = ManagedIdentityClient::new(machine.environment(environment)).unwrap();
        let (done, who) = ask(Arc::new(machine.clone()), "https://vault.azure.net/.default").await;
        done.unwrap();
        let token = machine.acquire_token_for_client("https://vault.azure.net").await.unwrap();
        assert_eq!(who, vec![format!("Bearer {}", token.access_token()); 2]);
        assert_eq!(metadata.identities().issued(), 1);
    }

    #[tokio::test]
    async fn failures_say_what_we_say() {
        let server = server();
        let wrong = settings(&server, Millis::from_secs(30)).secret("planted-wrong-secret");
        let client = ConfidentialClient::new(wrong).unwrap();
        let ours = client.acquire_token_for_client(&SCOPES).await.unwrap_err();
        let nobody = Account::with_home_account_id("u.t", "login.example");
        let user = UserCredential::new(&client, nobody.clone());
        let silent = client.acquire_token_silent(&["User.Read"], &nobody).await.unwrap_err();
        let credentials: [(Arc<dyn TokenCredential>, &str, String); 2] =
            [(Arc::new(client), SCOPES[0], ours.to_string()), (Arc::new(user), "User.Read", silent.to_string())];
        for (credential, scope, expected) in credentials {
            let (done, who) = ask(credential, scope).await;
            let error = done.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Credential, "{error:?}");
            assert!(format!("{error}").contains(&expected), "{error} / {expected}");
            assert!(!format!("{error} {error:?}").contains("planted"), "{error:?}");
            let source = error.into_inner().unwrap().downcast::<Error>().unwrap();
            assert_eq!(source.to_string(), expected);
            assert_eq!(who, Vec::<String>::new(), "nothing was sent without a token");
        }
    }
}
