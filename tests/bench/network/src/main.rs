//! CPU that one token from the network costs the client, over one TLS connection that is kept alive: `sansal-std` beside
//! `oauth2` with `reqwest`, in turns, in one run. usage: cargo run --release --manifest-path tests/bench/network/Cargo.toml [-- TOKENS]
//!
//! The server (`sansal-sim` on loopback) is another process, so that only the client's threads count; their time is the
//! kernel's (`/proc/self/task/*/schedstat`). Tokens end too soon to be used twice. What `sansal` does beyond asking is counted
//! too: it looks into its cache, checks the answer and stores the new token in place of the old one. Both use rustls with ring and trust one root.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a bench"
)]
#![allow(missing_docs, reason = "a program")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use oauth2::basic::BasicClient;
use oauth2::{ClientId, ClientSecret, Scope, TokenResponse, TokenUrl, reqwest};

use sansal::TokenSource;
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, Platform, Server};
use sansal_std::{ConfidentialClient, ProxyChoice};

const SCOPE: &str = "https://graph.microsoft.com/.default";
const PATH: &str = "realms/contoso";
/// Seconds: too short for a token to be used from a cache.
const LIFETIME: u64 = 60;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--server") => serve(),
        tokens => compare(tokens.map_or(2000, |tokens| tokens.parse().unwrap())),
    }
}

/// Says its issuer and its root, and serves until its input ends.
fn serve() {
    let server = Server::start(Platform::contoso(1).unwrap().issuer(PATH).lifetime(LIFETIME)).unwrap();
    println!("{}\n{}\n", server.authority(PATH), server.ca_pem().trim());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

struct Host {
    child: Child,
    issuer: String,
    ca: String,
}

impl Host {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        let mut child = command.arg("--server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let issuer = lines.next().unwrap();
        let ca = lines.take_while(|line| !line.is_empty()).map(|line| line + "\n").collect();
        Self { child, issuer, ca }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Nanoseconds on a processor of all threads of this process that live.
fn cpu() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let times = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    times.map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Microseconds of CPU for one of `count` tokens.
fn cost(count: usize, mut token: impl FnMut()) -> f64 {
    let before = cpu();
    (0..count).for_each(|_| token());
    (cpu() - before) as f64 / 1e3 / count as f64
}

fn compare(tokens: usize) {
    let host = Host::start();

    let builder = ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET).oidc_authority(&host.issuer);
    let builder = builder.extra_roots(host.ca.as_bytes()).only_extra_roots().proxy(ProxyChoice::None);
    let client = builder.build().unwrap();
    let mut ours = || {
        assert!(client.acquire_token_for_client(&[SCOPE]).unwrap().source() != TokenSource::Cache);
    };

    let root = reqwest::Certificate::from_pem(host.ca.as_bytes()).unwrap();
    let http =
        reqwest::blocking::Client::builder().add_root_certificate(root).tls_built_in_root_certs(false).no_proxy();
    let http = http.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let metadata = http.get(format!("{}/.well-known/openid-configuration", host.issuer)).send().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.bytes().unwrap()).unwrap();
    let endpoint = TokenUrl::new(metadata["token_endpoint"].as_str().unwrap().to_owned()).unwrap();
    let basic = BasicClient::new(ClientId::new(CONTOSO_CLIENT.into()))
        .set_client_secret(ClientSecret::new(CONTOSO_SECRET.into()))
        .set_token_uri(endpoint)
        .set_auth_type(oauth2::AuthType::RequestBody);
    let mut theirs = || {
        let answer = basic.exchange_client_credentials().add_scope(Scope::new(SCOPE.into())).request(&http).unwrap();
        assert!(!answer.access_token().secret().is_empty());
    };

    // Connections, metadata, warm caches.
    cost(50, &mut ours);
    cost(50, &mut theirs);
    let (mut best, mut rounds) = ([f64::INFINITY; 2], Vec::new());
    for _ in 0..5 {
        let round = [cost(tokens / 5, &mut ours), cost(tokens / 5, &mut theirs)];
        best = [best[0].min(round[0]), best[1].min(round[1])];
        rounds.push(round);
    }
    println!("CPU per token from the network, keep-alive, the best of 5 rounds of {} tokens:", tokens / 5);
    println!("  sansal-std            {:7.1} us", best[0]);
    println!("  oauth2 + reqwest      {:7.1} us", best[1]);
    println!("  sansal / oauth2       {:7.2}", best[0] / best[1]);
    println!("  all rounds            {rounds:.1?}");
}
