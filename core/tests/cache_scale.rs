//! The token cache at scale: `find` allocates nothing, storing allocates the same however many tokens there are, and
//! every sequence of operations answers as a naive list does.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test")]

use allocation_counter::{AllocationInfo, measure};
use sansal::cache::{Entry, Found, Lookup, Matching, Scheme, TokenCache, TokenChange, TokenEvent};
use sansal::time::UnixTime;
use sansal::token::TokenResponse;

const NOW: UnixTime = UnixTime(1_700_000_000);

#[derive(Clone, Copy, Debug)]
enum Distribution {
    /// Each token is for a resource of its own.
    Distinct,
    /// One scope is in all tokens, beside one of its own.
    Shared,
}

fn put(distribution: Distribution, n: usize) -> TokenChange {
    let target = match distribution {
        Distribution::Distinct => format!("api://{n:08x}/Read api://{n:08x}/Write"),
        Distribution::Shared => format!("User.Read api://{n:08x}/Write"),
    };
    let text = format!(
        r#"{{"credential_type":"AccessToken","environment":"login.example","client_id":"c","realm":"r",
        "home_account_id":"u.t","secret":"{n}","target":"{target}","token_type":"Bearer","expires_on":"{}"}}"#,
        NOW.0 + 3600 + n as u64 % 100
    );
    let key = format!("u.t-login.example-accesstoken-c-r-{target}").to_lowercase();
    TokenChange::Put { section: "AccessToken".into(), key, entry: Entry::from_json(text.as_bytes()).unwrap() }
}

fn lookup<'a>(scopes: &'a [&'a str]) -> Lookup<'a> {
    Lookup {
        client_id: Some("c"),
        environment: "Login.Example",
        realm: "r",
        home_account_id: Some("u.t"),
        scopes,
        ext_cache_key: None,
        scheme: Scheme::Bearer,
        matching: Matching::Tolerant,
    }
}

/// What a look-up with these scopes finds, which must be a token of this number; or nothing.
fn found(cache: &TokenCache, scopes: &[&str], expected: Option<&str>) -> AllocationInfo {
    let mut answer = None;
    let cost = measure(|| {
        answer = match cache.find(&lookup(scopes), NOW) {
            Found::Fresh(entry) => Some(entry.secret()),
            _ => None,
        };
    });
    assert_eq!(answer, expected, "{scopes:?}");
    cost
}

#[test]
fn allocations() {
    assert!(measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total > 0, "the counter counts");
    for distribution in [Distribution::Distinct, Distribution::Shared] {
        let mut most = Vec::new();
        for size in [1, 1_000, 100_000] {
            let mut cache = TokenCache::new();
            cache.apply((0..size).map(|n| put(distribution, n)).collect());

            let middle = size / 2;
            let (own, secret) = (format!("api://{middle:08x}/Write"), format!("{middle}"));
            let other = match distribution {
                Distribution::Distinct => format!("API://{middle:08x}/read"),
                Distribution::Shared => "user.read".into(),
            };
            let finds: &[(&[&str], Option<&str>)] = &[
                (&[&own, &other], Some(&secret)), // exact
                (&[&own], Some(&secret)),         // a part
                (
                    &["USER.READ", &own, &own],
                    match distribution {
                        Distribution::Distinct => None,
                        Distribution::Shared => Some(&secret),
                    },
                ),
                (&["User.Read", "api://none"], None), // miss
                (&["api://none"], None),
                (&["\u{c4}rger"], None), // not ASCII
            ];
            for (scopes, expected) in finds {
                let cost = found(&cache, scopes, *expected);
                assert_eq!(cost.count_total, 0, "{distribution:?} {size} {scopes:?}: {cost:?}");
            }

            // Storing: memory of the index grows by doubling, so a few of these are one allocation that is large.
            let changes: Vec<_> = (size..size + 200).map(|n| put(distribution, n)).collect();
            let counts = changes.into_iter().map(|change| measure(|| cache.apply(Vec::from([change]))).count_total);
            most.push(counts.max().unwrap());
        }
        println!("{distribution:?}: at most {most:?} allocations to put one token at 1, 1 000, 100 000");
        assert!(most.iter().all(|count| *count <= 32), "{distribution:?} {most:?}");
    }
}

#[test]
fn what_a_response_costs_to_record() {
    let response = TokenResponse::parse(br#"{"access_token":"at","expires_in":3600}"#).unwrap();
    let mut costs = Vec::new();
    for size in [1, 1_000, 20_000] {
        let mut cache = TokenCache::new();
        cache.apply((0..size).map(|n| put(Distribution::Distinct, n)).collect());
        let event = TokenEvent {
            client_id: Some("c"),
            scopes: &["s"],
            token_endpoint: Some("https://login.example/r/oauth2/v2.0/token"),
            grant_type: "client_credentials",
            ..TokenEvent::new(&response)
        };
        let mut changes = Vec::new();
        costs.push(measure(|| changes = cache.record(&event, NOW).unwrap()).count_total);
        assert_eq!(changes.len(), 2);
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
}

#[test]
fn evicting_costs_what_is_evicted() {
    let mut cache = TokenCache::new();
    cache.apply((0..20_000).map(|n| put(Distribution::Shared, n)).collect());
    for entries in [20_000, 19_999, 19_990] {
        let limits = sansal::cache::Limits { entries: Some(entries), bytes: None };
        let mut changes = Vec::new();
        let cost = measure(|| changes = cache.over_budget(limits)).count_total as usize;
        assert_eq!(changes.len(), 20_000 - entries);
        assert!(cost <= 2 * changes.len() + 4, "{cost}");
    }
}

/// Random scripts; `fuzz/` looks for cleverer ones.
#[cfg(feature = "fuzzing")]
#[test]
fn as_a_naive_list_answers() {
    let mut state = 0x5eed_u64;
    for _ in 0..180 {
        let script: Vec<u8> = (0..1_000)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        sansal::fuzzing::cache_ops(&script);
    }
}
