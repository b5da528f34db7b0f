//! CPU that one token from the network costs the client, over one TLS connection that is kept alive: `sansal-std` beside
//! `oauth2` with `reqwest` and beside the bare exchange, in turns, in one run.
//! usage: cargo run --release --manifest-path tests/bench/network/Cargo.toml [-- TOKENS]
//!
//! The server is another process, so that only the client's threads count; their time is the kernel's
//! (`/proc/self/task/*/schedstat`). Tokens end too soon to be used twice. What `sansal` does beyond asking is counted too: it
//! looks into its cache, checks the answer and stores the new token in place of the old one. All use rustls with ring and trust
//! one root. Client and server have a processor each, which is kept awake or goes idle while it waits, or one for both; the
//! server signs each token, or answers at once.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a bench"
)]
#![allow(missing_docs, reason = "a program")]

mod awake;
mod clients;
mod server;

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use awake::Awake;
use clients::{Floor, Ours, Theirs};
use server::{Answers, Host};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--server") => server::serve(arguments[1].parse().unwrap()),
        Some("--awake") => awake::spin(),
        tokens => compare(tokens.map_or(2000, |tokens| tokens.parse().unwrap())),
    }
}

/// This process, and those that it starts, use this processor only.
pub fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).unwrap();
}

/// Nanoseconds on a processor of all threads of this process that live.
fn cpu() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let times = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    times.map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Microseconds of CPU for one of `count` tokens.
fn cost(count: usize, token: &mut dyn FnMut()) -> f64 {
    let before = cpu();
    (0..count).for_each(|_| token());
    (cpu() - before) as f64 / 1e3 / count as f64
}

const ROUNDS: usize = 7;

/// Where client and server run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Processors {
    /// One each, which something unimportant keeps awake.
    Awake,
    /// One each, which goes idle when there is nothing to do.
    Idle,
    /// One for both.
    Shared,
}

impl Processors {
    const fn told(self) -> &'static str {
        match self {
            Self::Awake => "a processor each, kept awake",
            Self::Idle => "a processor each, idle while it waits",
            Self::Shared => "one processor for both",
        }
    }
}

fn compare(tokens: usize) {
    let mine = sched_getaffinity(None).unwrap();
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|processor| mine.is_set(*processor)).collect();
    println!(
        "CPU per token from the network, keep-alive, us: the best and the median of {ROUNDS} rounds of {tokens} tokens"
    );
    for processors in [Processors::Awake, Processors::Idle, Processors::Shared] {
        let (own, other) = match (processors, all.as_slice()) {
            (Processors::Shared, [own, ..]) => (*own, *own),
            (_, [own, other, ..]) => (*own, *other),
            _ => continue,
        };
        for answers in [Answers::Prepared, Answers::Signed] {
            println!("{}, {}:", processors.told(), answers.told());
            let _awake = (processors == Processors::Awake).then(|| [Awake::on(own), Awake::on(other)]);
            // The server inherits its processor, and so do the threads of the clients theirs.
            stay_on(other);
            let host = Host::start(answers);
            stay_on(own);
            measure(&host, tokens);
        }
    }
}

fn measure(host: &Host, tokens: usize) {
    let (mut ours, mut theirs, mut floor) = (Ours::new(host), Theirs::new(host), Floor::new(host));
    let mut each: [(&str, &mut dyn FnMut()); 3] = [
        ("sansal-std", &mut || ours.token()),
        ("oauth2 + reqwest", &mut || theirs.token()),
        ("bare exchange", &mut || floor.token()),
    ];
    // Connections, metadata, warm caches.
    for (_, token) in &mut each {
        cost(50, *token);
    }
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, token), round) in each.iter_mut().zip(&mut rounds) {
            round.push(cost(tokens, *token));
        }
    }
    for ((name, _), mut round) in each.iter().zip(rounds) {
        round.sort_by(f64::total_cmp);
        println!("  {name:18} {:6.1} {:6.1}   all {round:.1?}", round[0], round[ROUNDS / 2]);
    }
}
