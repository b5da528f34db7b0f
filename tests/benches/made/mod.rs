//! What the benches of the token cache share: entries, an order that looks random, the best of several rounds.

pub(crate) mod peers;

use std::time::Instant;

use sansal::cache::{Entry, TokenChange};
use sansal::json::Members;

pub(crate) const CLIENT: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";
pub(crate) const HOST: &str = "login.microsoftonline.com";
pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const SAMPLE: usize = 4096;

pub(crate) fn entry(members: &[(&str, &str)]) -> Entry {
    let mut all = Members::new();
    members.iter().for_each(|(name, value)| all.set(name, *value));
    Entry::from(all)
}

pub(crate) fn put(section: &str, (key, entry): (String, Entry)) -> TokenChange {
    TokenChange::Put { section: section.into(), key, entry }
}

/// Numbers below `end` that look random and are the same in every run (Marsaglia's xorshift64).
pub(crate) fn sample(end: usize) -> Vec<usize> {
    let mut state = 0x5eed_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % end
    };
    (0..SAMPLE).map(|_| next()).collect()
}

/// Nanoseconds for one of `count` operations: the best round of those that fit into some time.
pub(crate) fn best(count: usize, mut round: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut rounds = 0;
    while rounds < 40 || start.elapsed().as_millis() < 300 {
        let begin = Instant::now();
        round();
        best = best.min(begin.elapsed().as_nanos() as f64 / count as f64);
        rounds += 1;
    }
    best
}

/// The best of three rounds; of a hundred when there is little to do.
#[allow(dead_code, reason = "one of the benches has whole caches")]
pub(crate) fn best_of_three(count: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..if count < 1000 { 100 } else { 3 } {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed().as_nanos() as f64 / count as f64);
    }
    best
}

/// The user with this number, as a cache has it.
pub(crate) fn account(n: usize) -> (String, Entry) {
    let (home, name) = (format!("{n:08x}.{TENANT}"), format!("u{n}@lab"));
    let members = [
        ("home_account_id", home.as_str()),
        ("environment", HOST),
        ("realm", TENANT),
        ("local_account_id", "690222be-ff1a-4d56-abd1-7e4f7d38e474"),
        ("username", name.as_str()),
        ("authority_type", "MSSTS"),
    ];
    (format!("{home}-{HOST}-{TENANT}"), entry(&members))
}
