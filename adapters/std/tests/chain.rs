//! Workload identity and the default chain against the simulated platform and the simulated sources, and their examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

#[path = "support/neighbour.rs"]
mod neighbour;
mod support;

#[allow(dead_code, unreachable_pub, reason = "its main needs a real machine")]
#[path = "../examples/managed_identity.rs"]
mod managed_identity;
#[allow(dead_code, unreachable_pub, reason = "its main needs real surroundings")]
#[path = "../examples/workload_identity.rs"]
mod workload_identity;

use std::path::{Path, PathBuf};
use std::time::Duration;

use neighbour::Neighbour;
use neighbour::folder;
use sansal_sim::managed::TOKEN;
use sansal_sim::{CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_SECRET, Fault, On, Platform, Server, What};
use sansal_std::sansal::Endpoint;
use sansal_std::sansal::client::{InstanceDiscovery, Retries, Settings};
use sansal_std::sansal::error::{AskError, Error, SendError};
use sansal_std::sansal::http::Request;
use sansal_std::sansal::managed::{ManagedIdentityEnvironment, ManagedIdentitySource as Source};
use sansal_std::{
    ConfidentialClient, DefaultChain, DefaultChainBuilder, Environment, HttpClient, HttpResponse, Link, LinkAnswer,
    ProxyChoice, Secret, TokenSource, UreqClient,
};
use support::respond;

const GRAPH: &str = "https://graph.microsoft.com/.default";

/// The platform and everything that must be known to use it.
struct Contoso {
    server: Server,
    folder: PathBuf,
}

impl Contoso {
    fn new(name: &str) -> Self {
        let server = Server::start(Platform::contoso(1).unwrap()).unwrap();
        Self { server, folder: folder(name) }
    }

    fn settings(&self) -> Settings {
        let discovery = Endpoint::parse(&self.server.instance_discovery()).unwrap();
        Settings {
            instance_discovery: InstanceDiscovery::Custom(discovery),
            retries: Retries::NONE,
            ..Settings::default()
        }
    }

    fn http(&self) -> UreqClient {
        let builder = UreqClient::builder().extra_roots(self.server.ca_pem().as_bytes()).only_extra_roots();
        builder.proxy(ProxyChoice::None).build().unwrap()
    }

    /// What Kubernetes sets: never a credential, but a file with one.
    fn environment(&self, file: &Path) -> Environment {
        Environment {
            client_id: Some(CONTOSO_CLIENT.to_owned()),
            authority: Some(self.server.authority("contoso.onmicrosoft.com")),
            federated_token_file: Some(file.to_owned()),
            ..Environment::default()
        }
    }

    /// A token that the application's federated credential trusts: the sim's stands for any other issuer.
    fn assertion(&self) -> String {
        let stub = Recorder::default();
        let client = ConfidentialClient::builder(CONTOSO_CLIENT)
            .authority(&self.server.authority("contoso.onmicrosoft.com"))
            .settings(self.settings())
            .certificate(sansal_std::CertificateCredential::pem(format!("{CLIENT_KEY}{CLIENT_CERTIFICATE}").as_bytes()))
            .http_client(stub.over(self.http()))
            .build()
            .unwrap();
        let _ = client.acquire_token_for_client(&[GRAPH]).unwrap_err();
        let sent = stub.0.lock().unwrap().clone();
        let field = |form: &str| form.split('&').find_map(|f| f.strip_prefix("client_assertion=").map(str::to_owned));
        sent.iter().find_map(|form| field(form)).unwrap()
    }
}

impl Drop for Contoso {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Keeps token requests for itself.
#[derive(Clone, Default)]
struct Recorder(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl Recorder {
    fn over(&self, http: UreqClient) -> impl HttpClient + use<> {
        struct Over(Recorder, UreqClient);
        impl HttpClient for Over {
            fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
                let Some(body) = &request.body else { return self.1.send(request) };
                self.0.0.lock().unwrap().push(String::from_utf8(body.bytes.expose().to_vec()).unwrap());
                Err(SendError::Cancelled)
            }
        }
        Over(self.clone(), http)
    }
}

#[test]
fn the_token_file_is_read_for_each_request() {
    let contoso = Contoso::new("file");
    let file = contoso.folder.join("token");
    let client = || {
        let builder = workload_identity::kubernetes(&contoso.environment(&file)).unwrap();
        builder.settings(contoso.settings()).http_client(contoso.http()).build().unwrap()
    };
    let client = client();
    // Not there yet: the pod has just started.
    let error = client.acquire_token_for_client(&[GRAPH]).unwrap_err();
    assert!(matches!(error, Error::Unanswered { why: AskError::NotFound, .. }), "{error:?}");
    std::fs::write(&file, "not.a.token\n").unwrap();
    let error = client.acquire_token_for_client(&[GRAPH]).unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    // Renewed: the same client sends the new one.
    std::fs::write(&file, contoso.assertion()).unwrap();
    let token = client.acquire_token_for_client(&[GRAPH]).unwrap();
    assert_eq!(token.source(), TokenSource::IdentityProvider);
    assert_eq!(client.acquire_token_for_client(&[GRAPH]).unwrap().source(), TokenSource::Cache);
}

#[test]
fn tokens_of_pipelines() {
    let contoso = Contoso::new("pipelines");
    let assertion = contoso.assertion();
    let job = support::Server::plain(move |request, stream| {
        if !request.contains("uthorization: Bearer job-token") {
            return respond(stream, "401 Unauthorized", "", "{}");
        }
        let member = if request.starts_with("GET") { "value" } else { "oidcToken" };
        respond(stream, "200 OK", "", &format!("{{\"{member}\":\"{assertion}\"}}"))
    });
    let plain = || UreqClient::builder().proxy(ProxyChoice::None).build().unwrap();
    let builder = || {
        ConfidentialClient::builder(CONTOSO_CLIENT)
            .authority(&contoso.server.authority("contoso.onmicrosoft.com"))
            .settings(contoso.settings())
            .http_client(contoso.http())
    };
    for (token, ok) in [("job-token", true), ("other", false)] {
        let (secret, url, http) = (Secret::from(token), job.url("http", "127.0.0.1", "/oidc?x=1"), plain());
        let github = builder().assertion_callback(move |_| workload_identity::github_actions(&http, &url, &secret));
        let (secret, url, http) = (Secret::from(token), job.url("http", "127.0.0.1", "/oidc?x=1"), plain());
        let azure = builder().assertion_callback(move |_| workload_identity::azure_pipelines(&http, &url, &secret));
        for client in [github, azure] {
            let result = client.build().unwrap().acquire_token_for_client(&[GRAPH]);
            match result {
                Ok(_) => assert!(ok),
                Err(error) => {
                    assert!(!ok && matches!(error, Error::Unanswered { why: AskError::Denied, .. }), "{error}")
                }
            }
        }
    }
    let asked = job.requests();
    assert_eq!(asked.len(), 4);
    assert!(asked[0].starts_with("GET /oidc?x=1&audience=api%3A%2F%2FAzureADTokenExchange "), "{}", asked[0]);
}

/// Requests for the platform go there, all others to a neighbour.
struct Both(UreqClient, neighbour::Here);

impl HttpClient for Both {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        if request.endpoint.host() == "localhost" && request.endpoint.is_https() {
            self.0.send(request)
        } else {
            self.1.send(request)
        }
    }
}

fn chain(contoso: &Contoso, neighbour: &Neighbour, environment: Environment) -> DefaultChainBuilder {
    DefaultChain::builder()
        .environment(environment)
        .managed_identity_environment(neighbour.environment())
        .settings(contoso.settings())
        .probe(Duration::from_millis(500))
        .http_client(Both(contoso.http(), neighbour.http()))
}

#[test]
fn the_first_link_that_is_there_serves() {
    let contoso = Contoso::new("first");
    let neighbour = Neighbour::new(Source::DefaultToVm);
    let file = contoso.folder.join("token");
    std::fs::write(&file, contoso.assertion()).unwrap();
    let workload = contoso.environment(&file);
    let secret = Environment { client_secret: Some(Secret::from(CONTOSO_SECRET)), ..workload.clone() };
    let nothing = Environment::default();
    for (environment, link) in
        [(secret, Link::Environment), (workload, Link::WorkloadIdentity), (nothing, Link::ManagedIdentity)]
    {
        let asked = neighbour.asked();
        let chain = chain(&contoso, &neighbour, environment).build().unwrap();
        assert_eq!(chain.found(), None);
        let token = managed_identity::by_chain(&chain, "https://graph.microsoft.com").unwrap();
        assert_eq!(chain.found(), Some(link));
        assert_eq!(token.access_token().starts_with(TOKEN), link == Link::ManagedIdentity);
        assert_eq!(neighbour.asked() > asked, link == Link::ManagedIdentity, "{link:?}");
        let again = chain.acquire_token(&[GRAPH]).unwrap();
        assert_eq!((again.source(), again.access_token()), (TokenSource::Cache, token.access_token()));
    }
}

#[test]
fn a_link_that_fails_ends_the_search() {
    let contoso = Contoso::new("fails");
    let neighbour = Neighbour::new(Source::DefaultToVm);
    let wrong = Environment {
        client_secret: Some(Secret::from("planted-wrong-secret")),
        ..contoso.environment(Path::new("/nowhere"))
    };
    let error = chain(&contoso, &neighbour, wrong.clone()).build().unwrap().acquire_token(&[GRAPH]).unwrap_err();
    assert!(matches!(error.failure(), Some(Error::Refused(refusal)) if refusal.error() == "invalid_client"), "{error}");
    assert_eq!((error.answers().len(), neighbour.asked()), (1, 0));
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("environment: failed") && !shown.contains("planted"), "{shown}");

    let two = Environment { certificate_path: Some("/nowhere.pem".into()), ..wrong };
    let error = chain(&contoso, &neighbour, two).build().unwrap().acquire_token(&[GRAPH]).unwrap_err();
    assert!(matches!(error.answers(), [(Link::Environment, LinkAnswer::Unusable(_))]), "{error}");
    assert!(error.to_string().contains("contradict"), "{error}");
}

#[test]
fn nothing_is_there() {
    let contoso = Contoso::new("nothing");
    let neighbour = Neighbour::new(Source::DefaultToVm);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = ManagedIdentityEnvironment {
        pod_identity_authority_host: Some(format!("http://127.0.0.1:{port}")),
        ..ManagedIdentityEnvironment::default()
    };
    let builder = chain(&contoso, &neighbour, Environment::default()).managed_identity_environment(nobody);
    let error = builder.build().unwrap().acquire_token(&[GRAPH]).unwrap_err();
    let links: Vec<Link> = error.answers().iter().map(|(link, _)| *link).collect();
    assert_eq!(links, [Link::Environment, Link::WorkloadIdentity, Link::ManagedIdentity]);
    assert!(error.answers().iter().all(|(_, answer)| matches!(answer, LinkAnswer::NotThere(_))), "{error}");
    let shown = error.to_string();
    for words in ["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "127.0.0.1: cannot connect"] {
        assert!(shown.contains(words), "{shown}");
    }
    assert!(error.failure().is_none());
    // Silence is not waited for.
    neighbour.identities.lock().unwrap().fault(Fault::new(On::Token, What::NoAnswer).always());
    let chain = chain(&contoso, &neighbour, Environment::default()).probe(Duration::from_millis(200)).build().unwrap();
    let error = chain.acquire_token(&[GRAPH]).unwrap_err();
    assert!(matches!(error.answers(), [_, _, (_, LinkAnswer::NotThere(_))]), "{error}");
    assert_eq!(neighbour.server.requests().len(), 1);
    // Several resources at once are nothing that a managed identity could give.
    neighbour.identities.lock().unwrap().clear_faults();
    let error = chain.acquire_token(&["https://a/.default", "https://b/.default"]).unwrap_err();
    assert!(matches!(error.failure(), Some(Error::Config(_))), "{error}");
}
