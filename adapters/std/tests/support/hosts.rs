//! Hosts that share tokens in a real Redis server, each a process: what any client of ours that has a `RedisCache` must do there. A test
//! program that uses it has a test `host`, which does nothing unless [`Host::of_environment`] gives it something to do.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, On, Platform, Resource, Server};
use sansal_std::sansal::client::InstanceDiscovery;
use sansal_std::sansal::store::{Owner, Partition};
use sansal_std::{
    ConfidentialClient, ConfidentialClientBuilder, DataKey, Persistence, ProxyChoice, RedisCache, RedisCacheBuilder,
    Token, TokenSource,
};

use crate::sim::folder;

/// Whether there is a Redis, with a word about it if there is none.
pub(crate) fn redis() -> bool {
    let is_there = Command::new("redis-server").arg("--version").output().is_ok();
    if !is_there {
        assert!(!env::var("CI").is_ok_and(|ci| ci == "true"), "no redis-server: run tests/run caches");
        eprintln!("left out: no redis-server; tests/run caches brings it");
    }
    is_there
}

/// A server of its own on loopback, that writes to disk before it acknowledges.
pub(crate) struct Redis {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) child: Option<Child>,
}

impl Redis {
    /// Its address is taken, and nobody is there yet.
    pub(crate) fn later(name: &str) -> Self {
        let folder = folder(name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port, child: None }
    }

    pub(crate) fn new(name: &str) -> Self {
        let mut redis = Self::later(name);
        redis.start();
        redis
    }

    pub(crate) fn start(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--port").arg(self.port.to_string()).arg("--dir").arg(&self.folder);
        self.child = Some(command.stdout(Stdio::null()).spawn().unwrap());
        let begun = Instant::now();
        while self.cli(&["ping"]).trim() != "PONG" {
            assert!(begun.elapsed() < Duration::from_secs(30), "redis-server does not begin");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// With SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(arguments);
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn host(&self) -> RedisCacheBuilder {
        RedisCache::builder(&self.url())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn of(client_id: &str, owner: Owner) -> Partition {
    Partition { client_id: client_id.to_owned(), environment: "login.example.com".to_owned(), owner }
}

/// Tokens that are needed.
pub(crate) const RESOURCES: usize = 120;

/// What a process is told that is to be a host.
pub(crate) struct Host {
    authority: String,
    roots: Vec<u8>,
    tokens: RedisCache,
    until: usize,
    span: u64,
}

impl Host {
    /// Nothing, if this process is not to be one.
    pub(crate) fn of_environment() -> Option<Self> {
        let variable = |name: &str| env::var(format!("SANSAL_HOST_{name}")).ok();
        let redis = variable("REDIS")?;
        let tokens = RedisCache::builder(&redis).key(DataKey::new(&[7; 32])).timeout(Duration::from_secs(10));
        Some(Self {
            authority: variable("AUTHORITY")?,
            roots: fs::read(variable("ROOTS")?).unwrap(),
            tokens: tokens.build().unwrap(),
            until: variable("UNTIL")?.parse().unwrap(),
            span: variable("SPAN")?.parse().unwrap(),
        })
    }

    /// Of its client.
    pub(crate) fn settings(&self) -> ConfidentialClientBuilder {
        ConfidentialClient::builder(CONTOSO_CLIENT)
            .secret(CONTOSO_SECRET)
            .authority(&self.authority)
            .instance_discovery(InstanceDiscovery::Off)
            .extra_roots(&self.roots)
            .only_extra_roots()
            .proxy(ProxyChoice::None)
            .persistence(self.tokens.clone())
    }

    /// When, counted from the beginning, one of its workers needs a token, and for what. What time it is says which tokens are needed:
    /// all hosts need the same ones, at the same time.
    pub(crate) fn wanted(&self, at: usize) -> impl Iterator<Item = (Duration, String)> + use<> {
        let (span, until) = (self.span, self.until);
        (0..until).map(move |n| {
            let due = Duration::from_millis(span * n as u64 / until as u64);
            (due, format!("https://r{}.example/.default", (n + at) % until))
        })
    }

    /// Says what it got.
    pub(crate) fn got(&self, scope: &str, token: &Token) {
        let source = if token.source() == TokenSource::Cache { "cache" } else { "server" };
        let is_acknowledged = token.stored().is_ok() && source == "server";
        println!("got {scope} {source} {is_acknowledged} {}", self.tokens.leases().alone);
    }

    /// Says that it is done.
    pub(crate) fn end(&self) {
        println!("end {} {}", self.tokens.leases().alone, self.tokens.leases().waited);
    }
}

#[derive(Default)]
struct Said {
    from_server: usize,
    acknowledged: BTreeSet<String>,
    alone: u64,
    waited: u64,
    ended: usize,
}

/// Two hosts at one Redis; `meanwhile` happens to it.
fn two_hosts(redis: &mut Redis, span: u64, meanwhile: impl FnOnce(&mut Redis)) -> (Said, usize) {
    let resources = (0..RESOURCES).map(|n| Resource::new(&format!("https://r{n}.example")));
    let platform = resources.fold(Platform::contoso(1).unwrap(), Platform::resource);
    let server = Server::start(platform).unwrap();
    let roots = redis.folder.join("ca.pem");
    fs::write(&roots, server.ca_pem()).unwrap();
    let said = Arc::new(Mutex::new(Said::default()));
    let begin = |redis: &Redis| host_at(redis, &server, &roots, span);
    let mut hosts: Vec<Child> = (0..2).map(|_| begin(redis)).collect();
    let listening: Vec<_> = hosts
        .iter_mut()
        .map(|host| {
            let (lines, said) = (BufReader::new(host.stdout.take().unwrap()).lines(), said.clone());
            thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let mut said = said.lock().unwrap();
                    match *line.split(' ').collect::<Vec<_>>() {
                        ["got", scope, source, acknowledged, _] => {
                            said.from_server += usize::from(source == "server");
                            if acknowledged == "true" {
                                said.acknowledged.insert(scope.to_owned());
                            }
                        }
                        ["end", alone, waited] => {
                            said.alone += alone.parse::<u64>().unwrap();
                            said.waited += waited.parse::<u64>().unwrap();
                            said.ended += 1;
                        }
                        _ => {}
                    }
                }
            })
        })
        .collect();
    meanwhile(redis);
    for mut host in hosts {
        assert!(host.wait().unwrap().success());
    }
    listening.into_iter().for_each(|listens| listens.join().unwrap());
    let asked = server.platform().asked(&On::Token);
    (Arc::into_inner(said).unwrap().into_inner().unwrap(), asked)
}

fn host_at(redis: &Redis, server: &Server, roots: &Path, span: u64) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "host", "--nocapture", "--quiet"]).stdout(Stdio::piped());
    let set = [
        ("REDIS", redis.url()),
        ("AUTHORITY", server.authority(sansal_sim::CONTOSO_TENANT)),
        ("ROOTS", roots.to_str().unwrap().to_owned()),
        ("UNTIL", RESOURCES.to_string()),
        ("SPAN", span.to_string()),
    ];
    command.envs(set.map(|(name, value)| (format!("SANSAL_HOST_{name}"), value)));
    command.spawn().unwrap()
}

fn in_redis(redis: &Redis) -> BTreeSet<String> {
    let host = redis.host().key(DataKey::new(&[7; 32])).build().unwrap();
    let changes = host.load(&of(CONTOSO_CLIENT, Owner::Application));
    changes.iter().filter_map(|change| Some(change.entry()?.text("target")?.to_owned())).collect()
}

/// Gives how many calls said that their token came from the server.
pub(crate) fn of_two_hosts_one_asks_for_each_token() -> usize {
    let mut redis = Redis::new("hosts");
    let (said, asked) = two_hosts(&mut redis, 1500, |_| {});
    println!(
        "{asked} token requests for {RESOURCES} tokens, by two hosts of four threads; {} waits for a lease",
        said.waited
    );
    assert_eq!((said.ended, said.alone), (2, 0));
    assert_eq!((asked, said.acknowledged.len()), (RESOURCES, RESOURCES));
    assert!(in_redis(&redis).is_superset(&said.acknowledged) && said.waited > 0);
    said.from_server
}

pub(crate) fn nothing_is_lost_when_redis_is_killed_under_load() {
    let mut redis = Redis::new("killed");
    let mut kills = 0;
    let (said, asked) = two_hosts(&mut redis, 5000, |redis| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(4500) {
            thread::sleep(Duration::from_millis(400 + kills * 37 % 100));
            redis.kill();
            thread::sleep(Duration::from_millis(60 * (kills % 3)));
            redis.start();
            kills += 1;
        }
    });
    let (found, alone) = (in_redis(&redis), said.alone);
    println!(
        "Redis killed {kills} times: {asked} token requests for {RESOURCES} tokens, {alone} times a host went on alone; {} tokens \
         acknowledged, {} in Redis",
        said.acknowledged.len(),
        found.len()
    );
    assert_eq!(said.ended, 2);
    let lost: Vec<_> = said.acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(kills > 2 && said.acknowledged.len() > RESOURCES / 4, "{kills} {}", said.acknowledged.len());
    // One for each token, but for those that a host asked for alone.
    assert!(asked >= RESOURCES && asked as u64 <= RESOURCES as u64 + alone, "{asked} {alone}");
}
