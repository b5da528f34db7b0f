//! Every kind of client, asynchronous: users, managed identities, proofs, client certificates; on one thread, which nothing blocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sansal_sim::managed::{ManagedIdentities, Server as Metadata};
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_USER, Platform};
use sansal_std::sansal::authorization::AuthorizationRequest;
use sansal_std::sansal::cache::TokenChange;
use sansal_std::sansal::device_code::PollOptions;
use sansal_std::sansal::error::{AskError, CommitError, SendError, TlsReason};
use sansal_std::sansal::flow::Partition;
use sansal_std::sansal::http::{Body, Request, form};
use sansal_std::sansal::key::KeyName;
use sansal_std::sansal::managed::ManagedIdentityEnvironment;
use sansal_std::sansal::time::Millis;
use sansal_std::sansal::{ClientCredentials, Endpoint, ManagedIdentity, Silent};
use sansal_std::{
    CertificateCredential, Environment, Error, HttpResponse, Interactive, Link, LinkAnswer, NoBrowser, OpenBrowser,
    Persistence, ProxyChoice, TokenCacheFile, TokenSource, UreqClient,
};
use sansal_tokio::{
    ConfidentialClient, DefaultChain, HttpClient, ManagedIdentityClient, PublicClient, ReqwestClient, Sending,
    sansal_std,
};

use sim::{AUTHORITY, Sim, USER_READ, new_file};
use support::{Authority, Server, respond};

#[path = "../../std/tests/support/sim.rs"]
mod sim;
#[path = "../../std/tests/support/mod.rs"]
mod support;

/// The platform, which answers at once.
struct Now(Sim);

impl HttpClient for Now {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move { sansal_std::HttpClient::send(&self.0, request) })
    }
}

fn public(sim: &Sim) -> PublicClient {
    let settings = sansal_std::PublicClient::builder(CONTOSO_PUBLIC).authority(AUTHORITY).time(sim.clone());
    PublicClient::with_http_client(settings, Now(sim.clone())).unwrap()
}

#[tokio::test]
async fn a_user_signs_in_while_the_runtime_goes_on() {
    let sim = Sim::with(Platform::contoso(1).unwrap().rotate_refresh_tokens());
    let client = public(&sim);
    let interactive = Arc::new(sim.interactive(CONTOSO_USER));
    let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let count = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let token = client.acquire_token_interactive_with(interactive, &request).await.unwrap();
    other.abort();
    assert!(turns.load(Ordering::SeqCst) > 10, "another task ran on the same thread");
    assert_eq!(token.source(), TokenSource::IdentityProvider);
    let account = client.get_accounts(None).await.unwrap().remove(0);
    assert_eq!(client.acquire_token_silent(USER_READ, &account).await.unwrap().source(), TokenSource::Cache);
    sim.pass(4000);
    let renewed = client.acquire_token_silent(USER_READ, &account).await.unwrap();
    assert_eq!(renewed.source(), TokenSource::IdentityProvider);
    // Of many that force a refresh at the same time one asks; rotating refresh tokens are not lost.
    let before = sim.sent().len();
    let forced = Silent::new(&account, USER_READ).unwrap().force_refresh(true);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (client, forced) = (client.clone(), forced.clone());
            tokio::spawn(async move { client.acquire_token_silent_with(&forced).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().source(), TokenSource::IdentityProvider);
    }
    assert_eq!(sim.sent().len(), before + 1);
    client.remove_account(&account).await.unwrap().unwrap();
    assert!(client.get_accounts(None).await.unwrap().is_empty());
    let after = client.acquire_token_silent(USER_READ, &account).await;
    assert!(matches!(after, Err(Error::InteractionRequired { .. })), "{after:?}");
}

/// A browser whose user does nothing.
struct Idle(std::sync::Mutex<std::sync::mpsc::Sender<()>>);

impl OpenBrowser for Idle {
    fn open(&self, _: &str) -> Result<(), NoBrowser> {
        self.0.lock().unwrap().send(()).unwrap();
        Ok(())
    }
}

#[tokio::test]
async fn a_sign_in_that_is_given_up_stops_listening() {
    let sim = Sim::new();
    let client = public(&sim);
    let (opened, open) = channel();
    let interactive = Interactive::bind(None).unwrap().browser(Idle(std::sync::Mutex::new(opened)));
    let (port, cancel, interactive) = (interactive.port(), interactive.cancel_handle(), Arc::new(interactive));
    let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    let call = client.acquire_token_interactive_with(interactive, &request);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    open.try_recv().unwrap();
    assert!(cancel.is_cancelled());
    // Nothing is left that the end of the runtime would have to wait for.
    tokio::time::timeout(Duration::from_secs(5), client.close()).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());

    let interactive = Interactive::bind(None).unwrap().browser(Idle(std::sync::Mutex::new(channel().0)));
    let interactive = Arc::new(interactive.timeout(Duration::from_millis(50)));
    let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    let late = client.acquire_token_interactive_with(interactive, &request).await;
    assert!(matches!(late, Err(Error::Unanswered { why: AskError::TimedOut, .. })), "{late:?}");
}

#[tokio::test]
async fn device_code_password_and_a_file_that_outlives_the_client() {
    let sim = Sim::new();
    let path = new_file("tokio");
    let settings = || {
        let file = TokenCacheFile::open(&path).unwrap();
        sansal_std::PublicClient::builder(CONTOSO_PUBLIC).authority(AUTHORITY).time(sim.clone()).persistence(file)
    };
    let client = PublicClient::with_http_client(settings(), Now(sim.clone())).unwrap();
    let mut flow = client.initiate_device_flow(USER_READ).await.unwrap();
    assert!(sim.platform().approve_device(flow.user_code(), CONTOSO_USER));
    assert!(flow.message().unwrap().contains(flow.user_code()));
    let token = client.acquire_token_by_device_flow(&mut flow, &PollOptions::default()).await.unwrap();
    assert_eq!(token.source(), TokenSource::IdentityProvider);
    client.close().await;
    drop(client);
    let client = PublicClient::with_http_client(settings(), Now(sim.clone())).unwrap();
    let account = client.get_accounts(Some(CONTOSO_USER)).await.unwrap().remove(0);
    let again = client.acquire_token_silent(USER_READ, &account).await.unwrap();
    assert_eq!((again.source(), again.access_token()), (TokenSource::Cache, token.access_token()));
    let by_password = client.acquire_token_by_username_password(CONTOSO_USER, CONTOSO_PASSWORD, USER_READ).await;
    assert_eq!(by_password.unwrap().source(), TokenSource::IdentityProvider);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

/// Counts how often the file is asked for.
#[derive(Clone)]
struct Counted(Arc<TokenCacheFile>, Arc<AtomicUsize>);

impl Persistence for Counted {
    fn load(&self, partition: &Partition) -> Vec<TokenChange> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.load(partition)
    }

    fn is_current(&self) -> bool {
        self.0.is_current()
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        self.0.save(changes)
    }
}

#[tokio::test]
async fn a_file_that_nobody_has_changed_is_not_read_for_a_hit() {
    let (sim, path) = (Sim::new(), new_file("unchanged"));
    let client = || {
        let file = Counted(Arc::new(TokenCacheFile::open(&path).unwrap()), Arc::default());
        let settings =
            sansal_std::ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET).authority(AUTHORITY);
        let settings = settings.time(sim.clone()).persistence(file.clone());
        (ConfidentialClient::with_http_client(settings, Now(sim.clone())).unwrap(), file)
    };
    let ((client, file), (other, other_file)) = (client(), client());
    let source = async |client: &ConfidentialClient| {
        client.acquire_token_for_client(&["https://graph.microsoft.com/.default"]).await.unwrap().source()
    };
    assert_eq!(source(&other).await, TokenSource::IdentityProvider);
    assert_eq!(source(&client).await, TokenSource::Cache);
    // What was written a moment ago may be written again without its times telling. Then they do.
    for _ in 0..100 {
        if file.is_current() && other_file.is_current() {
            break;
        }
        assert_eq!((source(&client).await, source(&other).await), (TokenSource::Cache, TokenSource::Cache));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let reads = file.1.load(Ordering::SeqCst);
    for _ in 0..50 {
        assert_eq!(source(&client).await, TokenSource::Cache);
    }
    assert_eq!(file.1.load(Ordering::SeqCst), reads, "the file is what it was");
    // What another process takes out is out.
    other.remove_tokens_for_client().await.unwrap().unwrap();
    assert!(!file.is_current());
    assert_eq!(source(&client).await, TokenSource::IdentityProvider);
    assert!(file.1.load(Ordering::SeqCst) > reads);
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_managed_identity_by_reqwest() {
    let server = Metadata::start(ManagedIdentities::new()).unwrap();
    let environment =
        ManagedIdentityEnvironment { pod_identity_authority_host: Some(server.url("")), ..Default::default() };
    let settings = sansal_std::ManagedIdentityClient::builder(ManagedIdentity::SystemAssigned).environment(environment);
    let client = ManagedIdentityClient::new(settings).unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.acquire_token_for_client("https://vault.azure.net").await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().token_type(), "Bearer");
    }
    assert_eq!(server.identities().issued(), 1);
    let again = client.acquire_token_for_client("https://vault.azure.net").await.unwrap();
    assert_eq!(again.source(), TokenSource::Cache);
    let challenged = client.acquire_token_with_claims_challenge("https://vault.azure.net", "{}").await.unwrap();
    assert_eq!(challenged.source(), TokenSource::IdentityProvider);
    client.close().await;
}

/// A provider that binds every token by DPoP.
struct Binds;

impl HttpClient for Binds {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            if request.endpoint.path().ends_with("openid-configuration") {
                return Ok(HttpResponse::new(
                    200,
                    r#"{"issuer":"https://idp.example/t","token_endpoint":"https://idp.example/t/token",
                    "authorization_endpoint":"https://idp.example/t/auth"}"#,
                ));
            }
            assert!(request.headers.iter().any(|header| header.name == "DPoP"), "a proof");
            let body = String::from_utf8_lossy(request.body.as_ref().unwrap().bytes.expose()).into_owned();
            assert!(form::decode(&body).is_some());
            Ok(HttpResponse::new(200, r#"{"access_token":"bound","token_type":"DPoP","expires_in":3600}"#))
        })
    }
}

#[tokio::test]
async fn proofs_are_those_of_the_blocking_client() {
    let settings = sansal_std::ConfidentialClient::builder("app").oidc_authority("https://idp.example/t").secret("s");
    let client = ConfidentialClient::with_http_client(settings, Binds).unwrap();
    let request = ClientCredentials::new(&["read"]).unwrap().bound(&client.dpop().unwrap());
    let token = client.acquire_token_for_client_with(&request).await.unwrap();
    let bound = client.bound_token(token).unwrap();
    let url = "https://resource.example/things";
    let first = bound.headers("GET", url).unwrap();
    assert_eq!((first[0].0, first[0].1.expose(), first[1].0), ("Authorization", "DPoP bound", "DPoP"));
    assert_ne!(first[1].1.expose(), bound.headers("GET", url).unwrap()[1].1.expose(), "each proof is made anew");
    let payload = |proof: &str| {
        let part = proof.split('.').nth(1).unwrap().to_owned();
        String::from_utf8(sansal_std::sansal::base64::url_decode(&part).unwrap()).unwrap()
    };
    assert!(bound.learn(url, &[("DPoP-Nonce", "fresh")]).unwrap());
    let proof = bound.dpop_proof("GET", url).unwrap();
    assert!(payload(proof.expose()).contains(r#""nonce":"fresh""#) && payload(proof.expose()).contains(url));
    let again = client.acquire_token_for_client_with(&request).await.unwrap();
    assert_eq!(again.source(), TokenSource::Cache);
}

/// RFC 8705 s2: as the client on `ureq` does it, case by case.
#[tokio::test]
async fn client_certificates_by_reqwest() {
    let (servers, clients, strangers) = (Authority::new("servers"), Authority::new("clients"), Authority::new("x"));
    let identity = servers.identity(&["localhost"], 2100);
    let server = Server::mutual_tls(&identity, &clients, |_, stream| respond(stream, "200 OK", "", "{}"));
    let name = |text: &str| KeyName(text.to_owned());
    let pem = |authority: &Authority, until| CertificateCredential::pem(&authority.identity(&["app"], until).pem());
    let builder = UreqClient::builder().extra_roots(servers.pem.as_bytes()).only_extra_roots().proxy(ProxyChoice::None);
    let builder = builder.client_certificate(name("good"), &pem(&clients, 2100)).unwrap();
    let builder = builder.client_certificate(name("stranger"), &pem(&strangers, 2100)).unwrap();
    let client = ReqwestClient::new(builder.transport().unwrap()).unwrap();
    let refused = Err(SendError::Tls(TlsReason::ClientCertificate));
    for (certificate, expected) in [
        (Some("good"), Ok(200)),
        (None, refused),
        (Some("stranger"), refused),
        (Some("good"), Ok(200)),
        (None, refused),
        (Some("unknown"), Err(SendError::Tls(TlsReason::Other))),
    ] {
        let mut request = post(&server.url("https", "localhost", "/"));
        request.client_cert = certificate.map(name);
        let answer = client.send(&request).await.map(|response| response.status);
        assert_eq!(answer, expected, "{certificate:?}");
    }
    assert_eq!(server.requests().len(), 2);
    let mut plain = post("http://127.0.0.1:9/");
    plain.client_cert = Some(name("good"));
    assert_eq!(client.send(&plain).await.unwrap_err(), SendError::Tls(TlsReason::Other), "no TLS, no certificate");
}

/// Allocations of this thread while a call is answered that is ready at once.
fn allocations<T>(call: impl Future<Output = Result<T, Error>>) -> (T, u64) {
    let mut result = None;
    let counted = allocation_counter::measure(|| {
        let call = pin!(call);
        result = match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(token) => token.ok(),
            Poll::Pending => None,
        };
    });
    (result.expect("an answer at once"), counted.count_total)
}

#[tokio::test]
async fn a_hit_allocates_the_token_and_nothing_else() {
    let sim = Sim::new();
    let settings = sansal_std::ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET).authority(AUTHORITY);
    let client = ConfidentialClient::with_http_client(settings.time(sim.clone()), Now(sim.clone())).unwrap();
    let scopes = ["https://graph.microsoft.com/.default"];
    client.acquire_token_for_client(&scopes).await.unwrap();
    let users = public(&sim);
    let interactive = Arc::new(sim.interactive(CONTOSO_USER));
    let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    users.acquire_token_interactive_with(interactive, &request).await.unwrap();
    let account = users.get_accounts(None).await.unwrap().remove(0);
    let server = Metadata::start(ManagedIdentities::new()).unwrap();
    let environment =
        ManagedIdentityEnvironment { pod_identity_authority_host: Some(server.url("")), ..Default::default() };
    let settings = sansal_std::ManagedIdentityClient::builder(ManagedIdentity::SystemAssigned).environment(environment);
    let machine = ManagedIdentityClient::new(settings).unwrap();
    machine.acquire_token_for_client("https://vault.azure.net").await.unwrap();
    for _ in 0..3 {
        let hits = [
            ("application", allocations(client.acquire_token_for_client(&scopes))),
            ("user", allocations(users.acquire_token_silent(USER_READ, &account))),
            ("managed identity", allocations(machine.acquire_token_for_client("https://vault.azure.net"))),
        ];
        for (who, (token, count)) in hits {
            assert_eq!(token.source(), TokenSource::Cache, "{who}");
            // The text of the access token. Its type is `Bearer`, which is no copy; nothing else that it has is on the heap.
            assert_eq!(count, 1, "{who}");
        }
    }
    // What is counted as hits reaches the server with the next request, as with a machine that looked into the cache.
    sim.pass(4000);
    let renewed = users.acquire_token_silent(USER_READ, &account).await.unwrap();
    assert_eq!(renewed.source(), TokenSource::IdentityProvider);
}

fn post(url: &str) -> Request {
    let form = Body::form([("grant_type", "client_credentials")].into_iter());
    Request::post(Endpoint::parse(url).unwrap(), form, 10_000, Millis::from_secs(20))
}

#[tokio::test]
async fn a_chain_finds_what_is_there_and_stays_with_it() {
    let server = Metadata::start(ManagedIdentities::new()).unwrap();
    let environment =
        ManagedIdentityEnvironment { pod_identity_authority_host: Some(server.url("")), ..Default::default() };
    let scopes = ["https://vault.azure.net/.default"];
    let builder = || sansal_std::DefaultChain::builder().environment(Environment::default());
    let chain = DefaultChain::new(builder().managed_identity_environment(environment)).unwrap();
    assert_eq!(chain.found(), None);
    assert_eq!(chain.acquire_token(&scopes).await.unwrap().source(), TokenSource::IdentityProvider);
    assert_eq!(chain.acquire_token(&scopes).await.unwrap().source(), TokenSource::Cache);
    assert_eq!((chain.found(), server.identities().issued()), (Some(Link::ManagedIdentity), 1));
    chain.close().await;
    let url = server.url("");
    drop(server);
    let nobody = ManagedIdentityEnvironment { pod_identity_authority_host: Some(url), ..Default::default() };
    let chain = DefaultChain::new(builder().managed_identity_environment(nobody)).unwrap();
    let error = chain.acquire_token(&scopes).await.unwrap_err();
    assert_eq!(error.answers().len(), 3);
    assert!(error.answers().iter().all(|(_, answer)| matches!(answer, LinkAnswer::NotThere(_))), "{error}");
}
