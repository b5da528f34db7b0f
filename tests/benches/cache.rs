//! What the token cache costs, in one run and as ratios: against a bare `HashMap` probe of the same key, and against
//! MSAL Python and msal-node where they are installed. usage: cargo bench -p sansal-tests --bench cache [-- SIZE...]
//!
//! Distributions: `distinct`, each token for a resource of its own; `shared`, one scope in all tokens and one of their
//! own. All tokens lie in one partition: same client, tenant and account. Times are the best of several rounds over 4096
//! look-ups in random order, so that large caches pay for the processor's cache as they do in life.
//! `--instructions SIZE LOOPS` only does LOOPS exact hits; `tests/bench/instructions` counts them. `--memory SIZE` tells what a token
//! takes in memory that is resident.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a bench"
)]
#![allow(missing_docs, reason = "a program")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use sansal::cache::{ACCOUNT_TYPES, Entry, Found, Lookup, Matching, Scheme, TokenCache, TokenChange};
use sansal::json::Members;
use sansal::time::UnixTime;

use made::peers::peers;
use made::{CLIENT, HOST, SAMPLE, TENANT, account, best, best_of_three, entry, put, sample};

mod made;

const NOW: UnixTime = UnixTime(1_700_000_000);
const HOME: &str = "690222be-ff1a-4d56-abd1-7e4f7d38e474.11111111-2222-3333-4444-555555555555";

#[derive(Clone, Copy, PartialEq)]
enum Distribution {
    Distinct,
    Shared,
}

impl Distribution {
    fn name(self) -> &'static str {
        if self == Self::Distinct { "distinct" } else { "shared" }
    }

    fn scopes(self, n: usize) -> [String; 2] {
        match self {
            Self::Distinct => [format!("api://{n:08x}/Files.Read"), format!("api://{n:08x}/Files.Write")],
            Self::Shared => ["User.Read".into(), format!("api://{n:08x}/Files.Write")],
        }
    }
}

fn token(distribution: Distribution, n: usize) -> (String, Entry) {
    let mut scopes = distribution.scopes(n);
    scopes.sort();
    let target = scopes.join(" ");
    let members = [
        ("credential_type", "AccessToken"),
        ("secret", &format!("{n:064}")),
        ("home_account_id", HOME),
        ("environment", HOST),
        ("client_id", CLIENT),
        ("target", &target),
        ("realm", TENANT),
        ("token_type", "Bearer"),
        ("cached_at", "1700000000"),
        ("expires_on", &(NOW.0 + 3600 + n as u64 % 3600).to_string()),
        ("extended_expires_on", "1700009000"),
    ];
    let key = format!("{HOME}-{HOST}-accesstoken-{CLIENT}-{TENANT}-{target}").to_lowercase();
    (key, entry(&members))
}

fn filled(distribution: Distribution, size: usize) -> TokenCache {
    let mut cache = TokenCache::new();
    for n in 0..size {
        cache.apply(Vec::from([put("AccessToken", token(distribution, n))]));
    }
    cache
}

/// What a process that reads a cache of so many tokens takes more than before: one that has done nothing else.
fn memory(size: usize) {
    let path = std::env::temp_dir().join(format!("sansal-bench-{}.json", std::process::id()));
    std::fs::write(&path, filled(Distribution::Distinct, size).to_json().as_slice()).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    assert!(child.args(["--resident", path.to_str().unwrap(), &size.to_string()]).status().unwrap().success());
    std::fs::remove_file(path).unwrap();
}

fn resident(path: &str, size: f64) {
    let pages = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<f64>().unwrap()
    };
    let json = std::fs::read(path).unwrap();
    let before = pages();
    let cache = TokenCache::from_json(&json).unwrap();
    let more = (pages() - before) * 4096.0;
    println!("{:.0} bytes of memory a token, {:.0} in the file", more / size, json.len() as f64 / size);
    drop(cache);
}

fn lookup<S>(scopes: &[S]) -> Lookup<'_, S> {
    Lookup {
        client_id: Some(CLIENT),
        environment: HOST,
        realm: TENANT,
        home_account_id: Some(HOME),
        scopes,
        ext_cache_key: None,
        scheme: Scheme::Bearer,
        matching: Matching::Tolerant,
    }
}

#[inline(never)]
fn hit_loop<S: AsRef<str>>(cache: &TokenCache, wanted: &[Vec<S>]) {
    for scopes in wanted {
        let found = cache.find(&lookup(black_box(scopes)), NOW);
        assert!(matches!(black_box(found), Found::Fresh(_)));
    }
}

fn find_ns<S: AsRef<str>>(cache: &TokenCache, wanted: &[Vec<S>], is_hit: bool) -> f64 {
    best(wanted.len(), || {
        for scopes in wanted {
            let found = cache.find(&lookup(black_box(scopes)), NOW);
            assert_eq!(black_box(found).entry().is_some(), is_hit);
        }
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, size, loops] = arguments.as_slice()
        && mode == "--instructions"
    {
        let (size, loops): (usize, usize) = (size.parse().unwrap(), loops.parse().unwrap());
        let cache = filled(Distribution::Distinct, size);
        let wanted: Vec<_> = sample(size).iter().map(|n| Vec::from(Distribution::Distinct.scopes(*n))).collect();
        return hit_loop(&cache, &wanted[..loops.min(SAMPLE)]);
    }
    if let [mode, size] = arguments.as_slice()
        && mode == "--memory"
    {
        return memory(size.parse().unwrap());
    }
    if let [mode, path, size] = arguments.as_slice()
        && mode == "--resident"
    {
        return resident(path, size.parse().unwrap());
    }
    let sizes: Vec<usize> = match arguments.as_slice() {
        [] => vec![1, 1_000, 10_000, 100_000, 1_000_000],
        given => given.iter().map(|size| size.parse().expect("a number of tokens")).collect(),
    };
    println!("ns for each; in brackets: times a bare HashMap probe (insert: times HashMap::insert) of the same key");
    println!(
        "{:>9} {:>8} {:>7} {:>15} {:>15} {:>15} {:>15} {:>15} {:>11} {:>11}",
        "", "tokens", "probe", "hit", "hit, 1 scope", "subset hit", "miss", "insert", "write/token", "load/token"
    );
    let mut ours = Vec::new();
    for distribution in [Distribution::Distinct, Distribution::Shared] {
        for size in &sizes {
            let figures = tokens(distribution, *size);
            if distribution == Distribution::Distinct {
                ours.extend(figures.map(|(what, ns)| (what, *size, ns)));
            }
        }
    }
    for size in &sizes {
        ours.extend(accounts(*size).map(|(what, ns)| (what, *size, ns)));
    }
    for size in &sizes {
        ended(*size);
    }
    for size in &sizes {
        ours.push(("merge", *size, merge(*size)));
    }
    peers(&sizes, &ours);
}

/// A scope that all tokens share, of which all but the last have ended and were not removed.
fn ended(size: usize) {
    let mut cache = filled(Distribution::Shared, size);
    let all = |n| {
        let (key, old) = token(Distribution::Shared, n);
        let mut members = Members::new();
        old.members().for_each(|(name, value)| members.set(name, value.clone()));
        members.set("expires_on", (NOW.0 - 1).to_string());
        put("AccessToken", (key, Entry::from(members)))
    };
    (0..size - 1).for_each(|n| cache.apply(Vec::from([all(n)])));
    let ns = find_ns(&cache, &vec![vec!["User.Read"]; if size > 1 { SAMPLE } else { 1 }], true);
    println!("ended    {size:>9}   subset hit behind {} tokens that have ended {ns:>6.0} ns", size - 1);
}

/// Two processes that each have put ten tokens into a cache that both knew; nanoseconds for the whole.
fn merge(size: usize) -> f64 {
    let base = filled(Distribution::Distinct, size);
    let with = |from: usize| {
        let mut cache = filled(Distribution::Distinct, size);
        cache.apply((from..from + 10).map(|n| put("AccessToken", token(Distribution::Distinct, n))).collect());
        cache
    };
    let (ours, theirs) = (with(size), with(size + 10));
    let changes = base.changes_to(&ours);
    let whole = best_of_three(size, || assert_eq!(theirs.merge(&base, &ours).len(), 10));
    let delta = best_of_three(1, || assert_eq!(theirs.merge_changes(&base, &changes).len(), 10));
    println!("merge    {size:>9}   {whole:>6.0} ns/token   a known delta of ten {:>6.1} us", delta / 1000.0);
    whole * size as f64
}

fn tokens(distribution: Distribution, size: usize) -> [(&'static str, f64); 6] {
    let numbers = sample(size);
    let map: HashMap<String, Entry> = (0..size).map(|n| token(distribution, n)).collect();
    let keys: Vec<String> = numbers.iter().map(|n| token(distribution, *n).0).collect();
    let probe = best(SAMPLE, || {
        for key in &keys {
            assert!(black_box(map.get(black_box(key))).is_some());
        }
    });
    let map_insert = {
        let mut map = map;
        best_insert(
            size,
            |n| token(distribution, n),
            |one, map| drop(map.insert(one.0, one.1)),
            |map| {
                for n in size..size + 1000 {
                    map.remove(&token(distribution, n).0);
                }
            },
            &mut map,
        )
    };

    let mut cache = filled(distribution, size);
    let exact: Vec<_> = numbers.iter().map(|n| Vec::from(distribution.scopes(*n))).collect();
    let hit = find_ns(&cache, &exact, true);
    let own: Vec<_> = numbers.iter().map(|n| vec![distribution.scopes(*n)[1].clone()]).collect();
    let subset = find_ns(&cache, &own, true);
    let none: Vec<_> = numbers.iter().map(|n| vec![distribution.scopes(*n)[0].clone(), format!("x{n}")]).collect();
    let miss = find_ns(&cache, &none, false);
    let insert = best_insert(
        size,
        |n| Vec::from([put("AccessToken", token(distribution, n))]),
        |one, cache| cache.apply(one),
        |cache| {
            let remove = |n| TokenChange::Remove { section: "AccessToken".into(), key: token(distribution, n).0 };
            cache.apply((size..size + 1000).map(remove).collect());
        },
        &mut cache,
    );
    let mut text = None;
    let write = best_of_three(size, || text = Some(cache.to_json()));
    drop(cache);
    let text = text.unwrap();
    let load = best_of_three(size, || drop(black_box(TokenCache::from_json(&text).unwrap())));
    drop(text);
    // Most requests of daemons: one scope, `.default`.
    let single = {
        let mut cache = TokenCache::new();
        let target = |n: usize| format!("api://{n:08x}/.default");
        for n in 0..size {
            let (key, mut members) = (format!("{n}"), Members::new());
            token(distribution, n).1.members().for_each(|(name, value)| members.set(name, value.clone()));
            members.set("target", target(n));
            cache.apply(Vec::from([put("AccessToken", (key, Entry::from(members)))]));
        }
        let wanted: Vec<_> = numbers.iter().map(|n| vec![target(*n)]).collect();
        find_ns(&cache, &wanted, true)
    };
    let times = |ns: f64, base: f64| format!("{ns:.0} ({:.1}x)", ns / base);
    println!(
        "{:>9} {size:>8} {probe:>7.0} {:>15} {:>15} {:>15} {:>15} {:>15} {write:>11.0} {load:>11.0}",
        distribution.name(),
        times(hit, probe),
        times(single, probe),
        times(subset, probe),
        times(miss, probe),
        times(insert, map_insert),
    );
    let whole = size as f64;
    [
        ("hit", single),
        ("subset hit", subset),
        ("miss", miss),
        ("insert", insert),
        ("serialize", write * whole),
        ("load", load * whole),
    ]
}

/// Nanoseconds to put one of a thousand new tokens, which are then removed again.
fn best_insert<T, M>(
    size: usize,
    make: impl Fn(usize) -> T,
    insert: impl Fn(T, &mut M),
    remove: impl Fn(&mut M),
    into: &mut M,
) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let new: Vec<T> = (size..size + 1000).map(&make).collect();
        let begin = Instant::now();
        new.into_iter().for_each(|one| insert(one, into));
        best = best.min(begin.elapsed().as_nanos() as f64 / 1000.0);
        remove(into);
    }
    best
}

fn accounts(size: usize) -> [(&'static str, f64); 2] {
    let mut cache = TokenCache::new();
    for n in 0..size {
        cache.apply(Vec::from([put("Account", account(n))]));
    }
    let all = best_of_three(size, || assert_eq!(cache.accounts(&[HOST], None, &ACCOUNT_TYPES).len(), size));
    let name = format!("U{}@lab", size / 2);
    let one = best_of_three(size, || assert_eq!(cache.accounts(&[HOST], Some(&name), &ACCOUNT_TYPES).len(), 1));
    println!("accounts {size:>9}   list {all:>6.0} ns/account   by user name {one:>6.0} ns/account");
    [("list accounts", all * size as f64), ("account by user name", one * size as f64)]
}
