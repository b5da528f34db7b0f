//! Many tasks, one client, a slow scripted server: each token is asked for once, whoever gives up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sansal_std::{Error, Event, Granted, HttpResponse, Lease, Metrics, Persistence, Time, TokenSource};
use sansal_tokio::sansal::cache::{Limits, TokenCache, TokenChange};
use sansal_tokio::sansal::error::{CommitError, SendError};
use sansal_tokio::sansal::http::{Request, form};
use sansal_tokio::sansal::keys::{AcquireKey, ProcessKey};
use sansal_tokio::sansal::store::Partition;
use sansal_tokio::sansal::time::{Clock, Millis, UnixTime};
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
    refresh_in: AtomicU64,
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
        let aging = match self.0.refresh_in.load(Ordering::SeqCst) {
            0 => String::new(),
            seconds => format!(r#","refresh_in":{seconds}"#),
        };
        let text = format!(r#"{{"access_token":"for {scope}","token_type":"Bearer","expires_in":3600{aging}}}"#);
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
async fn who_waited_for_a_failure_shares_it_and_the_next_one_asks() {
    let slow = Slow::default();
    slow.0.failing.store(1, Ordering::SeqCst);
    let client = client(&slow);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.acquire_token_for_client(&["s"]).await })
        })
        .collect();
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Unreachable { why: SendError::NoAnswer, .. }), "{error:?}");
    }
    assert_eq!(slow.asked(), [1]);
    assert_eq!(client.acquire_token_for_client(&["s"]).await.unwrap().access_token(), "for s");
    assert_eq!((slow.asked(), slow.0.most.load(Ordering::SeqCst)), (vec![2], 1));
}

/// Nothing can be found in the cache afterwards: the answer itself is shared.
#[tokio::test]
async fn a_store_without_room_still_asks_once() {
    let slow = Slow::default();
    let settings = sansal_std::ConfidentialClient::builder("app").oidc_authority("https://idp.example/t").secret("s");
    let settings = settings.cache_limits(Limits { entries: Some(0), bytes: None });
    let client = ConfidentialClient::with_http_client(settings, slow.clone()).unwrap();
    let calls = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.acquire_token_for_client(&["s"]).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().access_token(), "for s");
    }
    assert_eq!(slow.asked(), [1]);
}

/// Xorshift: schedules must be the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Random arrivals, cancellations and failures, in tokio's paused time: never two requests for one key at the same time, never
/// another's token, every call ends, and nothing is left behind.
#[tokio::test(start_paused = true)]
async fn many_schedules() {
    for seed in 1..=300_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let slow = Slow::default();
        slow.0.failing.store(usize::try_from(dice.roll(12)).unwrap(), Ordering::SeqCst);
        let client = client(&slow);
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let (arrives, gives_up, scope) = (dice.roll(900), dice.roll(600), format!("s{}", dice.roll(4)));
                let (client, patient) = (client.clone(), dice.roll(2) == 0);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(arrives)).await;
                    let scopes = [&scope];
                    let call = client.acquire_token_for_client(&scopes);
                    let patience = Duration::from_millis(if patient { 100_000 } else { gives_up });
                    match tokio::time::timeout(patience, call).await {
                        Ok(Ok(token)) => assert_eq!(token.access_token(), format!("for {scope}")),
                        Ok(Err(error)) => assert!(matches!(error, Error::Unreachable { .. }), "{error:?}"),
                        Err(_) => assert!(!patient, "a call that was to wait did not end"),
                    }
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        client.close().await;
        assert!(slow.0.in_flight.lock().unwrap().values().all(|count| *count == 0), "seed {seed}");
        assert_eq!(slow.0.most.load(Ordering::SeqCst), 1, "seed {seed}");
        for n in 0..4 {
            let scope = format!("s{n}");
            slow.0.failing.store(0, Ordering::SeqCst);
            let token = client.acquire_token_for_client(&[&scope]).await.unwrap();
            assert_eq!(token.access_token(), format!("for {scope}"), "seed {seed}");
        }
    }
}

/// A clock that can be set.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Time for Hand {
    fn now(&self) -> Clock {
        let seconds = self.0.load(Ordering::SeqCst);
        Clock { mono: Millis::from_secs(seconds), wall: Some(UnixTime(1_700_000_000 + seconds)) }
    }

    fn sleep(&self, _: Millis) {}
}

#[tokio::test]
async fn a_token_that_ages_is_answered_at_once_and_renewed_behind() {
    let (slow, hand) = (Slow::default(), Hand::default());
    slow.0.refresh_in.store(600, Ordering::SeqCst);
    let settings = sansal_std::ConfidentialClient::builder("app").oidc_authority("https://idp.example/t").secret("s");
    let client = ConfidentialClient::with_http_client(settings.time(hand.clone()), slow.clone()).unwrap();
    let first = client.acquire_token_for_client(&["s"]).await.unwrap();
    assert_eq!(first.source(), TokenSource::IdentityProvider);
    hand.0.store(1000, Ordering::SeqCst);
    // The first refresh fails; no call notices, none waits, and none begins another before some time has passed.
    slow.0.failing.store(1, Ordering::SeqCst);
    for _ in 0..20 {
        let call = client.acquire_token_for_client(&["s"]);
        let token = tokio::time::timeout(Duration::from_millis(100), call).await.unwrap().unwrap();
        assert_eq!(token.source(), TokenSource::Cache);
    }
    client.idle().await;
    assert_eq!(slow.asked(), [2]);
    let _ = client.acquire_token_for_client(&["s"]).await.unwrap();
    client.idle().await;
    assert_eq!(slow.asked(), [2]);
    hand.0.store(1100, Ordering::SeqCst);
    let aged = client.acquire_token_for_client(&["s"]).await.unwrap();
    assert_eq!(aged.expires_on(), first.expires_on());
    client.close().await;
    assert_eq!(slow.asked(), [3]);
    let renewed = client.acquire_token_for_client(&["s"]).await.unwrap();
    assert_eq!((renewed.source(), slow.asked()), (TokenSource::Cache, vec![3]));
    assert!(renewed.expires_on() > first.expires_on());
    // After `close` nothing is renewed behind a call.
    hand.0.store(2000, Ordering::SeqCst);
    let _ = client.acquire_token_for_client(&["s"]).await.unwrap();
    client.idle().await;
    assert_eq!(slow.asked(), [3]);
}

/// Remembers what was saved, slowly.
#[derive(Clone, Default)]
struct Kept(Arc<AtomicUsize>);

impl Persistence for Kept {
    fn save(&self, changes: &[TokenChange]) -> Result<(), CommitError> {
        std::thread::sleep(Duration::from_millis(100));
        self.0.fetch_add(changes.len(), Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn close_waits_for_what_was_given_up() {
    let (slow, kept) = (Slow::default(), Kept::default());
    let settings = sansal_std::ConfidentialClient::builder("app").oidc_authority("https://idp.example/t").secret("s");
    let client = ConfidentialClient::with_http_client(settings.persistence(kept.clone()), slow.clone()).unwrap();
    let call = client.acquire_token_for_client(&["s"]);
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    assert_eq!(kept.0.load(Ordering::SeqCst), 0);
    client.close().await;
    assert!(kept.0.load(Ordering::SeqCst) > 0);
    assert_eq!(client.acquire_token_for_client(&["s"]).await.unwrap().source(), TokenSource::Cache);
    assert_eq!(slow.asked(), [1]);
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

/// How often each kind of event was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<String, usize>>>);

impl Metrics for Told {
    fn on(&self, event: &Event) {
        let name = match event {
            Event::Refreshed { renewed } => format!("refreshed {renewed}"),
            Event::Requested { answered, .. } => format!("requested {answered}"),
            Event::Evicted { entries } => format!("evicted {entries}"),
            Event::Waited { .. } => "waited".to_owned(),
            other => format!("{other:?}"),
        };
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }
}

#[tokio::test]
async fn a_service_counts() {
    let (slow, hand, told) = (Slow::default(), Hand::default(), Told::default());
    slow.0.refresh_in.store(600, Ordering::SeqCst);
    let settings = sansal_std::ConfidentialClient::builder("app").oidc_authority("https://idp.example/t").secret("s");
    let settings = settings.time(hand.clone()).metrics(told.clone());
    let client = ConfidentialClient::with_http_client(
        settings.cache_limits(Limits { entries: Some(2), bytes: None }),
        slow.clone(),
    )
    .unwrap();
    let calls = (0..10).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.acquire_token_for_client(&["s"]).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    for _ in 0..5 {
        client.acquire_token_for_client(&["s"]).await.unwrap();
    }
    let expected = |pairs: &[(&str, usize)]| {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<BTreeMap<_, _>>()
    };
    let seen = || told.0.lock().unwrap().clone();
    // Metadata and a token were requested.
    assert_eq!(seen(), expected(&[("Hit", 5), ("Miss", 1), ("requested true", 2), ("waited", 9)]));
    hand.0.store(1000, Ordering::SeqCst);
    slow.0.failing.store(1, Ordering::SeqCst);
    client.acquire_token_for_client(&["s"]).await.unwrap();
    client.idle().await;
    hand.0.store(1100, Ordering::SeqCst);
    client.acquire_token_for_client(&["s"]).await.unwrap();
    client.idle().await;
    let seen_now = seen();
    for (name, count) in [("Miss", 1), ("refreshed false", 1), ("refreshed true", 1), ("requested false", 1)] {
        assert_eq!(seen_now.get(name), Some(&count), "{name}: {seen_now:?}");
    }
    for n in 0..4 {
        client.acquire_token_for_client(&[format!("other{n}")]).await.unwrap();
    }
    assert!(seen().keys().any(|name| name.starts_with("evicted")), "{:?}", seen());
}
