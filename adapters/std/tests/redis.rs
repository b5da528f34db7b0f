//! Hosts that share tokens in a real Redis server: what one writes the others have, nothing that was acknowledged is lost, and of all
//! hosts that need the same token one asks for it.
//!
//! They run where `redis-server` is (`tests/run caches` sees to that); elsewhere they say that they are left out, and fail where `CI`
//! is `true`.
#![cfg(all(unix, feature = "redis"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

mod support;
#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/sim.rs"]
mod sim;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use hosts::{Host, Redis, redis};
use sansal_sim::{CONTOSO_USER, Platform};
use sansal_std::sansal::ClientCredentials;
use sansal_std::sansal::authorization::AuthorizationRequest;
use sansal_std::sansal::cache::{Entry, TokenChange};
use sansal_std::sansal::client::Client;
use sansal_std::sansal::store::{Owner, Partition};
use sansal_std::{DataKey, Error, Lease, Persistence, RedisCache, SetupError, TokenSource};
use serde_json::json;
use sim::{Sim, USER_READ};

fn of(client_id: &str, owner: Owner) -> Partition {
    Partition { client_id: client_id.to_owned(), environment: "login.example.com".to_owned(), owner }
}

fn of_ada() -> Partition {
    of("c", Owner::Account("ada.t".to_owned()))
}

fn put(section: &str, name: &str, more: serde_json::Value) -> TokenChange {
    let mut entry = json!({"home_account_id": "ada.t", "environment": "login.example.com", "client_id": "c"});
    more.as_object().unwrap().iter().for_each(|(name, value)| entry[name] = value.clone());
    let entry = Entry::from_json(entry.to_string().as_bytes()).unwrap();
    TokenChange::Put { section: section.into(), key: name.into(), entry }
}

fn token(name: &str, cached_at: u64) -> TokenChange {
    put(
        "AccessToken",
        name,
        json!({"secret": format!("planted-{cached_at}"), "cached_at": cached_at.to_string(),
        "expires_on": "4000000000", "target": name, "realm": "t"}),
    )
}

fn refresh_token(time: u64) -> TokenChange {
    put("RefreshToken", "rt", json!({"secret": format!("planted-{time}"), "last_modification_time": time.to_string()}))
}

fn account() -> TokenChange {
    put("Account", "ada", json!({"client_id": null, "username": "ada", "authority_type": "MSSTS", "realm": "t"}))
}

fn remove(section: &str, key: &str) -> TokenChange {
    TokenChange::Remove { section: section.into(), key: key.into() }
}

/// What a load brought: a key and its secret, or that it is gone.
fn brought(changes: &[TokenChange]) -> BTreeMap<String, Option<String>> {
    let secret = |change: &TokenChange| change.entry().map(|entry| entry.text("secret").unwrap_or_default().to_owned());
    changes.iter().map(|change| (change.key().to_owned(), secret(change))).collect()
}

fn rows(all: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    all.iter().map(|(key, secret)| ((*key).to_owned(), secret.map(str::to_owned))).collect()
}

#[test]
fn what_one_host_writes_the_others_have() {
    if !redis() {
        return;
    }
    let redis = Redis::new("share");
    let key = || DataKey::new(&[7; 32]);
    let (a, b) = (redis.host().key(key()).build().unwrap(), redis.host().key(key()).build().unwrap());
    a.save(&[account(), refresh_token(1), token("x", 1)]).unwrap();
    let all = rows(&[("ada", Some("")), ("rt", Some("planted-1")), ("x", Some("planted-1"))]);
    assert_eq!(brought(&b.load(&of_ada())), all);
    assert!(b.load(&of_ada()).is_empty() && a.load(&of_ada()).is_empty(), "only what is new");
    // Others see what is theirs: an application what all share, another user nothing, everybody's what is the application's.
    let other = || redis.host().key(key()).build().unwrap();
    assert_eq!(brought(&other().load(&of("d", Owner::Account("ADA.T".into())))), rows(&[("ada", Some(""))]));
    assert!(other().load(&of("c", Owner::Account("grace.t".into()))).is_empty());
    assert!(other().load(&of("c", Owner::Application)).is_empty());
    assert_eq!(brought(&other().load(&of("C", Owner::Everyone))), all);
    // Changes and removals, each once.
    b.save(&[token("x", 2), remove("RefreshToken", "rt")]).unwrap();
    assert_eq!(brought(&a.load(&of_ada())), rows(&[("x", Some("planted-2")), ("rt", None)]));
    assert_eq!(brought(&other().load(&of_ada())), rows(&[("ada", Some("")), ("x", Some("planted-2"))]));
    let everyone = other();
    everyone.load(&of("c", Owner::Everyone));
    b.save(&[token("y", 3)]).unwrap();
    assert_eq!(brought(&everyone.load(&of("c", Owner::Everyone))), rows(&[("y", Some("planted-3"))]));

    // In Redis: an entry a key, which ends with its token; nothing that could be read.
    let keys = redis.cli(&["--raw", "keys", "sansal:e:*"]);
    assert_eq!(keys.lines().count(), 4);
    let seconds: BTreeSet<u64> = keys.lines().map(|key| redis.cli(&["ttl", key]).trim().parse().unwrap()).collect();
    let day = 24 * 3600;
    assert!(seconds.iter().any(|left| (6 * day..=7 * day).contains(left)), "the mark of what was removed: {seconds:?}");
    assert!(seconds.iter().any(|left| (89 * day..=90 * day).contains(left)), "the account: {seconds:?}");
    assert!(seconds.iter().any(|left| *left > 10_000 * day), "until the token ends: {seconds:?}");
    for file in fs::read_dir(redis.folder.join("appendonlydir")).unwrap() {
        let content = fs::read(file.unwrap().path()).unwrap();
        for secret in ["planted", "ada", "RefreshToken", "login.example.com"] {
            assert!(!content.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
        }
    }

    // Another key, or none: said, and nothing is touched.
    for foreign in [redis.host().key(DataKey::new(&[8; 32])), redis.host()] {
        let foreign = foreign.build().unwrap();
        assert!(foreign.load(&of_ada()).is_empty() && foreign.save(&[token("x", 9)]).is_err());
        assert!(foreign.trouble().unwrap().contains("another key"), "{:?}", foreign.trouble());
    }
    assert!(a.load(&of_ada()).len() == 1 && a.trouble().is_none(), "y");
    // Another prefix is another world.
    let own = redis.host().prefix("own").build().unwrap();
    assert!(own.load(&of("c", Owner::Everyone)).is_empty());
    own.save(&[token("x", 5)]).unwrap();
    assert!(redis.cli(&["--raw", "keys", "own:e:*"]).lines().count() == 1 && a.load(&of_ada()).is_empty());
    // A value that was altered is nobody's; it is written over.
    let name = redis.cli(&["--raw", "keys", "own:e:*"]);
    redis.cli(&["set", name.trim(), "garbage", "KEEPTTL"]);
    let next = redis.host().prefix("own").build().unwrap();
    assert!(next.load(&of_ada()).is_empty());
    next.save(&[token("x", 6)]).unwrap();
    assert_eq!(
        brought(&redis.host().prefix("own").build().unwrap().load(&of_ada())),
        rows(&[("x", Some("planted-6"))])
    );
}

#[test]
fn two_writers_lose_nothing() {
    if !redis() {
        return;
    }
    let redis = Redis::new("writers");
    let host = || redis.host().build().unwrap();
    let (a, b) = (host(), host());
    a.save(&[account(), refresh_token(10)]).unwrap();
    b.load(&of_ada());
    // Both change the same entry: the younger token wins, whoever writes last; who lost hears of it.
    b.save(&[refresh_token(30)]).unwrap();
    a.save(&[refresh_token(20), token("x", 20)]).unwrap();
    assert_eq!(brought(&a.load(&of_ada())), rows(&[("rt", Some("planted-30"))]));
    assert_eq!(brought(&b.load(&of_ada())), rows(&[("x", Some("planted-20"))]));
    b.save(&[refresh_token(40)]).unwrap();
    a.save(&[refresh_token(50)]).unwrap();
    assert!(a.load(&of_ada()).is_empty());
    assert_eq!(brought(&b.load(&of_ada())), rows(&[("rt", Some("planted-50"))]));
    // Nobody knew: both are new.
    let (c, d) = (host(), host());
    c.save(&[token("z", 7)]).unwrap();
    d.save(&[token("z", 6)]).unwrap();
    assert_eq!(brought(&host().load(&of_ada()))["z"].as_deref(), Some("planted-7"));
    // Who signs out while another host refreshes: the user stays signed out.
    a.load(&of_ada());
    b.load(&of_ada());
    let gone = [("Account", "ada"), ("RefreshToken", "rt"), ("AccessToken", "x"), ("AccessToken", "z")];
    b.save(&gone.map(|(section, key)| remove(section, key))).unwrap();
    a.save(&[refresh_token(60), token("x", 60)]).unwrap();
    assert!(host().load(&of_ada()).is_empty());
    assert!(a.load(&of_ada()).iter().all(|change| change.entry().is_none()));

    // What has ended is no obstacle, for whoever knew it and whoever did not.
    let soon = |name: &str, cached_at: u64, after: u64| {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + after;
        put(
            "AccessToken",
            name,
            json!({"secret": format!("planted-{cached_at}"), "cached_at": cached_at.to_string(),
            "expires_on": end.to_string(), "target": name, "realm": "t"}),
        )
    };
    let (c, d, e) = (host(), host(), host());
    c.save(&[soon("p", 1, 1), soon("q", 1, 1)]).unwrap();
    d.load(&of_ada());
    thread::sleep(Duration::from_millis(1200));
    d.save(&[soon("p", 2, 1000)]).unwrap();
    e.save(&[soon("q", 2, 1000)]).unwrap();
    assert_eq!(brought(&host().load(&of_ada())), rows(&[("p", Some("planted-2")), ("q", Some("planted-2"))]));
    c.save(&[remove("AccessToken", "p"), remove("AccessToken", "q")]).unwrap();
    c.load(&of_ada());
    c.save(&[remove("AccessToken", "p"), remove("AccessToken", "q")]).unwrap();

    // Many at once, each entry its own; and one that all of them write.
    let hosts: Vec<_> = (0..8).map(|_| host()).collect();
    thread::scope(|scope| {
        for (n, host) in hosts.iter().enumerate() {
            scope.spawn(move || {
                for m in 0..25 {
                    host.save(&[token(&format!("own-{n}-{m}"), 1), token("of all", 100 + (m * 8 + n) as u64)]).unwrap();
                }
            });
        }
    });
    let found = brought(&host().load(&of_ada()));
    assert_eq!((found.len(), found["of all"].as_deref()), (201, Some("planted-299")));
}

#[test]
fn addresses_and_passwords() {
    for bad in
        ["", "http://h", "redis://:hunter2@exa mple", "redis://:hunter2@h:99999", "redis://:hunter2@h/x", "rediss:"]
    {
        match RedisCache::builder(bad).build() {
            Err(error @ SetupError::Store(_)) => assert!(!error.to_string().contains("hunter2"), "{error}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
    if !redis() {
        return;
    }
    let redis = Redis::new("password");
    redis.cli(&["config", "set", "requirepass", "right"]);
    for (password, expected) in [("", Some("NOAUTH")), ("hunter2@", Some("Password")), ("right@", None)] {
        let separator = if password.is_empty() { "" } else { ":" };
        let host =
            RedisCache::builder(&format!("redis://{separator}{password}127.0.0.1:{}", redis.port)).build().unwrap();
        let is_saved = host.save(&[token("x", 1)]).is_ok();
        let trouble = host.trouble();
        assert_eq!((is_saved, trouble.is_none()), (expected.is_none(), expected.is_none()), "{password}: {trouble:?}");
        if let (Some(expected), Some(trouble)) = (expected, trouble) {
            assert!(trouble.contains(expected) && !trouble.contains("hunter2"), "{trouble}");
        }
        assert!(!format!("{host:?} {:?}", redis.host()).contains("hunter2"));
    }
}

#[test]
fn without_redis_it_goes_on_and_says_so() {
    if !redis() {
        return;
    }
    let mut redis = Redis::later("away");
    let a = redis.host().build().unwrap();
    let begun = Instant::now();
    assert!(a.load(&of_ada()).is_empty());
    assert!(a.save(&[account(), token("x", 1)]).is_err() && a.save(&[token("x", 2)]).is_err());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(a.trouble().is_some() && a.unwritten() == 2);
    assert!(a.lease_key().is_none() && a.leases().alone == 1);
    redis.start();
    let soon = |a: &RedisCache| {
        let begun = Instant::now();
        loop {
            let changes = a.load(&of_ada());
            if a.trouble().is_none() {
                return changes;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", a.trouble());
            thread::sleep(Duration::from_millis(10));
        }
    };
    assert!(soon(&a).is_empty() && a.unwritten() == 0);
    let b = redis.host().build().unwrap();
    assert_eq!(brought(&b.load(&of_ada())), rows(&[("ada", Some("")), ("x", Some("planted-2"))]));
    b.save(&[token("y", 1), remove("AccessToken", "x")]).unwrap();

    // Killed and begun again with what it has on disk: nothing is lost, nothing comes back.
    redis.kill();
    assert!(b.save(&[token("z", 1)]).is_err());
    redis.start();
    assert_eq!(brought(&soon(&a)), rows(&[("x", None), ("y", Some("planted-1"))]));
    assert!(soon(&b).is_empty());
    assert_eq!(brought(&soon(&a)), rows(&[("z", Some("planted-1"))]));
    let all = rows(&[("ada", Some("")), ("y", Some("planted-1")), ("z", Some("planted-1"))]);
    assert_eq!(brought(&redis.host().build().unwrap().load(&of_ada())), all);

    // Begun again with nothing, and emptied while it runs: the hosts bring what they know.
    redis.kill();
    fs::remove_dir_all(redis.folder.join("appendonlydir")).unwrap();
    redis.start();
    assert!(soon(&a).is_empty());
    assert_eq!(brought(&redis.host().build().unwrap().load(&of_ada())), all);
    redis.cli(&["flushall"]);
    b.save(&[token("y", 9)]).unwrap();
    b.load(&of_ada());
    a.load(&of_ada());
    let mut all = all;
    all.insert("y".into(), Some("planted-9".into()));
    assert_eq!(brought(&redis.host().build().unwrap().load(&of_ada())), all);
    assert_eq!(brought(&redis.host().build().unwrap().load(&of("c", Owner::Everyone))), all);
}

#[test]
fn leases_are_one_hosts_at_a_time_and_end() {
    if !redis() {
        return;
    }
    let redis = Redis::new("leases");
    let host = |span| redis.host().lease(Duration::from_millis(span)).build().unwrap();
    let (a, b) = (host(60_000), host(400));
    let scopes = |scope: &str| {
        let request = ClientCredentials::new(&[scope]).unwrap();
        let client = Client::builder("c").authority("https://login.microsoftonline.com/t").build().unwrap();
        // Under the key that both have in common it is the same for both.
        let [of_a, of_b] = [&a, &b].map(|host| request.key(&client, &host.lease_key().unwrap()));
        assert_eq!(of_a.as_bytes(), of_b.as_bytes());
        of_a
    };
    let (x, y) = (scopes("x"), scopes("y"));
    let lease = a.lease(&x);
    assert!(matches!(lease, Lease::Granted(_)));
    assert!(matches!(b.lease(&x), Lease::Busy(span) if span.0 < 100) && matches!(b.lease(&y), Lease::Granted(_)));
    drop(lease);
    let lease = b.lease(&x);
    assert!(matches!(lease, Lease::Granted(_)));
    // One whose host ends is over when its time is; what it gives back later is not another's.
    let begun = Instant::now();
    let next = loop {
        match a.lease(&x) {
            Lease::Busy(span) => thread::sleep(Duration::from_millis(span.0)),
            next => break next,
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
    };
    assert!(matches!(next, Lease::Granted(_)) && begun.elapsed() > Duration::from_millis(300));
    drop(lease);
    assert!(matches!(b.lease(&x), Lease::Busy(_)));
    let counts = (a.leases(), b.leases());
    assert_eq!((counts.0.granted, counts.1.granted, counts.0.alone), (2, 2, 0));
    assert!(counts.0.waited > 0 && counts.1.waited == 2);
}

/// Who uses an old refresh token ends the new one too: hosts that refresh at the same time must not.
#[test]
fn a_refresh_token_that_rotates_is_used_once_by_all_hosts() {
    if !redis() {
        return;
    }
    let redis = Redis::new("rotation");
    let sim = Sim::with(Platform::contoso(1).unwrap().rotate_refresh_tokens());
    let host = || sim.public().persistence(redis.host().key(DataKey::new(&[7; 32])).build().unwrap()).build().unwrap();
    let hosts: Vec<_> = (0..4).map(|_| host()).collect();
    let interactive = sim.interactive(CONTOSO_USER);
    let request = AuthorizationRequest::new(USER_READ, &interactive.redirect_uri()).unwrap();
    hosts[0].acquire_token_interactive_with(&interactive, &request).unwrap().stored().unwrap();
    let account = hosts[3].get_accounts(Some(CONTOSO_USER)).unwrap().remove(0);
    assert_eq!(hosts[3].acquire_token_silent(USER_READ, &account).unwrap().source(), TokenSource::Cache);
    let refreshed = || sim.sent().iter().filter(|grant| *grant == "refresh_token").count();
    for round in 1..=5 {
        sim.pass(3600);
        let tokens: Vec<String> = thread::scope(|scope| {
            let account = &account;
            let running: Vec<_> = hosts
                .iter()
                .map(|host| scope.spawn(move || host.acquire_token_silent(USER_READ, account).unwrap()))
                .collect();
            let tokens = running.into_iter().map(|thread| thread.join().unwrap().access_token().to_owned());
            tokens.collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
        assert_eq!(refreshed(), round);
    }
    // One host that begins now, and one sign-out for all.
    assert_eq!(host().acquire_token_silent(USER_READ, &account).unwrap().source(), TokenSource::Cache);
    hosts[1].remove_account(&account).unwrap().unwrap();
    for host in &hosts {
        assert!(host.get_accounts(None).unwrap().is_empty());
        assert!(matches!(host.acquire_token_silent(USER_READ, &account), Err(Error::InteractionRequired { .. })));
    }
}

/// Over TLS, with the roots that `SSL_CERT_FILE` names. Without the variable of an address it does nothing.
#[test]
fn over_tls() {
    let Ok(address) = env::var("SANSAL_TLS_REDIS") else { return };
    let host = RedisCache::builder(&address).build().unwrap();
    let saved = host.save(&[token("x", 1)]);
    println!("saved {} {:?}", saved.is_ok(), host.trouble());
}

#[test]
fn tls_is_checked() {
    if !redis() {
        return;
    }
    let mut redis = Redis::later("tls");
    let (good, other) = (support::Authority::new("good"), support::Authority::new("other"));
    let file = |name: &str, content: &[u8]| {
        let path = redis.folder.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (pem, good, other) = (
        file("server.pem", &good.identity(&["localhost"], 2100).pem()),
        file("good.pem", good.pem.as_bytes()),
        file("other.pem", other.pem.as_bytes()),
    );
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", "0", "--tls-auth-clients", "no", "--tls-port"]);
    command.arg(redis.port.to_string()).arg("--dir").arg(&redis.folder).arg("--tls-cert-file").arg(&pem);
    command.arg("--tls-key-file").arg(&pem).arg("--tls-ca-cert-file").arg(&good);
    redis.child = Some(command.stdout(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", redis.port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "redis-server does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    let said = |name: &str, roots: &Path| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "over_tls", "--nocapture", "--quiet"]).env("SSL_CERT_FILE", roots);
        command.env("SANSAL_TLS_REDIS", format!("rediss://{name}:{}", redis.port));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let saved = said("localhost", &good);
    assert!(saved.contains("saved true None"), "{saved}");
    for (case, saved) in [("another CA", said("localhost", &other)), ("another name", said("127.0.0.1", &good))] {
        assert!(saved.contains("saved false") && saved.contains("certificate"), "{case}: {saved}");
    }
}

// ---- hosts: this program once more ----

/// A host: threads that need tokens, a few new ones in each turn. Without the variables of a host it does nothing.
#[test]
fn host() {
    let Some(host) = Host::of_environment() else { return };
    let (client, begun) = (host.settings().build().unwrap(), Instant::now());
    thread::scope(|scope| {
        for at in 0..4 {
            let (client, host) = (&client, &host);
            scope.spawn(move || {
                for (due, wanted) in host.wanted(at) {
                    thread::sleep(due.saturating_sub(begun.elapsed()));
                    host.got(&wanted, &client.acquire_token_for_client(&[&wanted]).unwrap());
                }
            });
        }
    });
    host.end();
}

#[test]
fn of_two_hosts_one_asks_for_each_token() {
    if redis() {
        assert_eq!(hosts::of_two_hosts_one_asks_for_each_token(), hosts::RESOURCES);
    }
}

#[test]
fn nothing_is_lost_when_redis_is_killed_under_load() {
    if redis() {
        hosts::nothing_is_lost_when_redis_is_killed_under_load();
    }
}
