//! Many tasks, one client, a slow scripted server: each token is asked for once, whoever gives up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sansal_std::{Granted, HttpResponse, Lease, Persistence};
use sansal_tokio::sansal::cache::{TokenCache, TokenChange};
use sansal_tokio::sansal::error::{CommitError, SendError};
use sansal_tokio::sansal::http::{Request, form};
use sansal_tokio::sansal::keys::{AcquireKey, ProcessKey};
use sansal_tokio::sansal::store::Partition;
use sansal_tokio::sansal::time::Millis;
use sansal_tokio::{ConfidentialClient, HttpClient, Sending, sansal_std};

const METADATA: &str = r#"{"issuer":"https://idp.example/t","authorization_endpoint":"https://idp.example/t/auth",
    "token_endpoint":"https://idp.example/t/token"}"#;

/// Answers after a while, with a token that names its scope; the first `failing` token requests get no answer.
#[derive(Clone, Default)]
struct Slow(Arc<Seen>);

#[derive(Default)]
struct Seen {
    failing: AtomicUsize,
    by_scope: Mutex<BTreeMap<String, usize>>,
    in_flight: Mutex<BTreeMap<String, usize>>,
    most: AtomicUsize,
}

impl Slow {
    async fn answer(&self, request: &Request) -> Result<HttpResponse, SendError> {
        if request.endpoint.path().ends_with("openid-configuration") {
            return Ok(HttpResponse::new(200, METADATA));
        }
        let body = String::from_utf8_lossy(request.body.as_ref().unwrap().bytes.expose()).into_owned();
        let fields = form::decode(&body).unwrap();
        let scope = fields.iter().find(|(name, _)| name == "scope").unwrap().1.expose().to_owned();
        *self.0.by_scope.lock().unwrap().entry(scope.clone()).or_default() += 1;
        let now = {
            let mut all = self.0.in_flight.lock().unwrap();
            let one = all.entry(scope.clone()).or_default();
            *one += 1;
            *one
        };
        self.0.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
        *self.0.in_flight.lock().unwrap().get_mut(&scope).unwrap() -= 1;
        let fails = self.0.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(SendError::NoAnswer);
        }
        let text = format!(r#"{{"access_token":"for {scope}","token_type":"Bearer","expires_in":3600}}"#);
        Ok(HttpResponse::new(200, text))
    }

    fn asked(&self) -> Vec<usize> {
        self.0.by_scope.lock().unwrap().values().copied().collect()
    }
}

impl HttpClient for Slow {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(self.answer(request))
    }
}

fn client(slow: &Slow) -> ConfidentialClient {
    let settings = sansal_std::ConfidentialClient::builder("app").oidc_authority("https://idp.example/t").secret("s");
    ConfidentialClient::with_http_client(settings, slow.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_tasks_and_a_hundred_tokens_are_a_hundred_requests() {
    let slow = Slow::default();
    let client = client(&slow);
    let tasks: Vec<_> = (0..10_000)
        .map(|n| {
            let (client, scope) = (client.clone(), format!("s{}", n % 100));
            tokio::spawn(async move {
                let token = client.acquire_token_for_client(&[&scope]).await.unwrap();
                assert_eq!(token.access_token(), format!("for {scope}"));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(slow.asked(), [1; 100]);
}

#[tokio::test]
async fn a_leader_that_gives_up_leaves_its_request_to_the_others() {
    let slow = Slow::default();
    let client = client(&slow);
    for _ in 0..5 {
        let leader = client.acquire_token_for_client(&["s"]);
        assert!(tokio::time::timeout(Duration::from_millis(20), leader).await.is_err());
    }
    assert_eq!(client.acquire_token_for_client(&["s"]).await.unwrap().access_token(), "for s");
    assert_eq!(slow.asked(), [1]);
}

#[tokio::test]
async fn after_a_failure_the_next_one_asks() {
    let slow = Slow::default();
    slow.0.failing.store(2, Ordering::SeqCst);
    let client = client(&slow);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.acquire_token_for_client(&["s"]).await.is_ok() })
        })
        .collect();
    let mut good = 0;
    for task in tasks {
        good += usize::from(task.await.unwrap());
    }
    assert_eq!((good, slow.asked(), slow.0.most.load(Ordering::SeqCst)), (18, vec![3], 1));
}

/// A store that processes share, with leases; each has a memory of its own of what it was told.
#[derive(Clone, Default)]
struct Elsewhere {
    tokens: Arc<Mutex<TokenCache>>,
    leases: Arc<Mutex<BTreeSet<[u8; 32]>>>,
    told: Arc<Mutex<TokenCache>>,
}

impl Elsewhere {
    fn another(&self) -> Self {
        Self { told: Arc::default(), ..self.clone() }
    }
}

/// The same for all processes.
struct Fixed;

impl sansal_tokio::sansal::entropy::Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), sansal_tokio::sansal::entropy::NoEntropy> {
        out.fill(7);
        Ok(())
    }
}

impl Persistence for Elsewhere {
    fn load(&self, _: &Partition) -> Vec<TokenChange> {
        let (tokens, mut told) = (self.tokens.lock().unwrap(), self.told.lock().unwrap());
        let changes = told.changes_to(&tokens);
        told.apply(changes.clone());
        changes
    }

    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        let (mut tokens, mut told) = (self.tokens.lock().unwrap(), self.told.lock().unwrap());
        tokens.apply(changes.to_vec());
        told.apply(changes.to_vec());
        Ok(())
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn lease_key(&self) -> Option<ProcessKey> {
        ProcessKey::new(&mut Fixed).ok()
    }

    fn lease(&self, key: &AcquireKey) -> Lease {
        let key = *key.as_bytes();
        if !self.leases.lock().unwrap().insert(key) {
            return Lease::Busy(Millis(5));
        }
        let leases = self.leases.clone();
        Lease::Granted(Granted::new(move || assert!(leases.lock().unwrap().remove(&key))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_processes_that_share_a_store_one_asks() {
    let (slow, elsewhere) = (Slow::default(), Elsewhere::default());
    let settings = || {
        let settings = sansal_std::ConfidentialClient::builder("app").secret("s").persistence(elsewhere.another());
        settings.oidc_authority("https://idp.example/t")
    };
    let asynchronous: Vec<_> =
        (0..3).map(|_| ConfidentialClient::with_http_client(settings(), slow.clone()).unwrap()).collect();
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let (client, scope) = (asynchronous[n % 3].clone(), format!("s{}", n % 5));
            tokio::spawn(async move {
                let token = client.acquire_token_for_client(&[&scope]).await.unwrap();
                assert_eq!(token.access_token(), format!("for {scope}"));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((slow.asked(), slow.0.most.load(Ordering::SeqCst)), (vec![1; 5], 1));
    // Whoever gives up while others wait gives its lease back when its request has come to an end.
    let leader = asynchronous[0].acquire_token_for_client(&["abandoned"]);
    assert!(tokio::time::timeout(Duration::from_millis(50), leader).await.is_err());
    asynchronous[1].acquire_token_for_client(&["abandoned"]).await.unwrap();
    assert_eq!(slow.asked(), [1; 6]);
    for _ in 0..100 {
        if elsewhere.leases.lock().unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a lease was not given back");
}
