//! What a token costs through the asynchronous client, for many tasks, as ratios to a bare `HashMap` probe of the same key by as many
//! tasks in the same run. usage: cargo bench -p sansal-tests --bench tokio [-- SIZE...]
//!
//! `one`: all tokens are the application's, in one partition. `many`: one token for each of as many users. 65 536 calls in random
//! order, by 1 to 64 tasks on as many threads as there are processors; the best of several rounds. Times are those of all processors
//! together, so that others on the machine are not counted: what grows with the tasks is what they pay for each other. The client
//! reads the system's clock for each call; the token is copied out, and wiped when it is dropped.
//! `with copy` is a bare probe of a map that holds the tokens' texts, and copies the one that it finds.
//! `acquire` is a call that the cache cannot answer: a machine, a server in memory that answers at once, the token stored; it is
//! compared with `HashMap::insert`.

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
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use made::peers::peers;
use made::{CLIENT, HOST, SAMPLE, TENANT, account, best, entry, put, sample};
use sansal::account::Account;
use sansal::cache::{Entry, TokenCache};
use sansal::http::Request;
use sansal_tokio::sansal_std::HttpResponse;
use sansal_tokio::{ConfidentialClient, HttpClient, Sending, sansal_std};
use tokio::runtime::Runtime;

mod made;

const TASKS: [usize; 5] = [1, 2, 4, 16, 64];
const CALLS: usize = 16 * SAMPLE;

/// What a map holds beside its key: as much as an entry does, without what an entry owns.
type Held = [usize; 3];

#[derive(Clone, Copy, PartialEq)]
enum Partitions {
    One,
    Many,
}

impl Partitions {
    fn scopes(self, n: usize) -> [String; 2] {
        match self {
            Self::One => [format!("api://{n:08x}/.default"), format!("api://{n:08x}/Also")],
            Self::Many => ["User.Read".into(), "Mail.Read".into()],
        }
    }

    /// Whose the token is.
    fn account(self, n: usize) -> Option<Account> {
        (self == Self::Many).then(|| Account::with_home_account_id(&format!("{n:08x}.{TENANT}"), HOST))
    }

    fn token(self, n: usize, now: u64, length: usize) -> (String, Entry) {
        let (home, target) = match self {
            Self::One => (String::new(), self.scopes(n).join(" ")),
            Self::Many => (format!("{n:08x}.{TENANT}"), self.scopes(n).join(" ")),
        };
        let members = [
            ("credential_type", "AccessToken"),
            ("secret", &format!("{n:0length$}")),
            ("home_account_id", &home),
            ("environment", HOST),
            ("client_id", CLIENT),
            ("target", &target),
            ("realm", TENANT),
            ("token_type", "Bearer"),
            ("cached_at", &now.to_string()),
            ("expires_on", &(now + 86_000).to_string()),
        ];
        (format!("{home}-{HOST}-accesstoken-{CLIENT}-{TENANT}-{target}").to_lowercase(), entry(&members))
    }
}

/// A server without a network.
struct AtOnce;

impl HttpClient for AtOnce {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        let base = format!("https://{HOST}/{TENANT}");
        let answer = match request.endpoint.path().ends_with("/token") {
            true => format!(r#"{{"token_type":"Bearer","expires_in":86399,"access_token":"{}"}}"#, "A".repeat(1500)),
            false => format!(
                r#"{{"issuer":"{base}/v2.0","authorization_endpoint":"{base}/oauth2/v2.0/authorize",
                "token_endpoint":"{base}/oauth2/v2.0/token"}}"#
            ),
        };
        Box::pin(async { Ok(HttpResponse::new(200, answer)) })
    }
}

fn client(tokens: TokenCache) -> ConfidentialClient {
    let settings = sansal_std::ConfidentialClient::builder(CLIENT)
        .authority(&format!("https://{HOST}/{TENANT}"))
        .secret("s")
        .token_cache(tokens);
    ConfidentialClient::with_http_client(settings, AtOnce).unwrap()
}

/// Nanoseconds for one call: of all processors together, and of the wall clock.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// One round of `calls` by so many tasks at the same time. `call` is given what it is to do, a part of all that there is.
fn round<F>(runtime: &Runtime, tasks: usize, calls: usize, call: impl Fn(std::ops::Range<usize>) -> F) -> Cost
where
    F: Future<Output = ()> + Send + 'static,
{
    let share = calls / tasks;
    let (begin, before) = (Instant::now(), cpu());
    runtime.block_on(async {
        let all: Vec<_> = (0..tasks).map(|task| tokio::spawn(call(task * share..(task + 1) * share))).collect();
        for one in all {
            one.await.unwrap();
        }
    });
    let wall = begin.elapsed().as_nanos() as f64;
    // Threads are charged when they go to sleep.
    std::thread::sleep(Duration::from_micros(300));
    Cost { cpu: (cpu() - before) as f64 / calls as f64, wall: wall / calls as f64 }
}

/// Nanoseconds that the threads of this process have had of processors (proc(5), schedstat).
fn cpu() -> u64 {
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
    let all = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| of(task.unwrap()));
    all.map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// The best of the rounds that fit into some time.
fn least(mut round: impl FnMut() -> Cost) -> Cost {
    let begin = Instant::now();
    let mut least = Cost { cpu: f64::INFINITY, wall: f64::INFINITY };
    let mut rounds = 0;
    while rounds < 12 || begin.elapsed() < Duration::from_millis(250) {
        let Cost { cpu, wall } = round();
        least = Cost { cpu: least.cpu.min(cpu), wall: least.wall.min(wall) };
        rounds += 1;
    }
    least
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn filled(partitions: Partitions, size: usize, length: usize) -> TokenCache {
    let mut cache = TokenCache::new();
    let now = now();
    for n in 0..size {
        cache.apply(Vec::from([put("AccessToken", partitions.token(n, now, length))]));
        if partitions == Partitions::Many {
            cache.apply(Vec::from([put("Account", account(n))]));
        }
    }
    cache
}

/// Hits as they are without a runtime: each call is ready when it is asked for the first time.
#[inline(never)]
fn hit_loop(client: &ConfidentialClient, wanted: &[(Vec<String>, Option<Account>)], loops: usize) {
    let mut context = Context::from_waker(Waker::noop());
    for (scopes, account) in wanted.iter().cycle().take(loops) {
        let scopes = black_box(scopes);
        let result = match account {
            None => pin!(client.acquire_token_for_client(scopes)).poll(&mut context),
            Some(account) => pin!(client.acquire_token_silent(scopes, account)).poll(&mut context),
        };
        assert!(matches!(result, Poll::Ready(Ok(_))));
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [mode, partitions @ .., size, loops] = arguments.as_slice()
        && mode == "--instructions"
    {
        let partitions = if partitions.is_empty() { Partitions::One } else { Partitions::Many };
        let (size, loops): (usize, usize) = (size.parse().unwrap(), loops.parse().unwrap());
        let client = client(filled(partitions, size, 64));
        let call = |n| (Vec::from(partitions.scopes(n)), partitions.account(n));
        return hit_loop(&client, &sample(size).into_iter().map(call).collect::<Vec<_>>(), loops);
    }
    let arguments = arguments.into_iter();
    let mut sizes: Vec<usize> = arguments.map(|size| size.parse().expect("a number of tokens")).collect();
    if sizes.is_empty() {
        sizes = vec![1, 100, 10_000, 100_000, 1_000_000];
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_time().build().unwrap();
    println!(
        "{cores} processors; ns of a processor for each; in brackets: times a bare HashMap probe by as many tasks (acquire:"
    );
    println!("times HashMap::insert); last: how many times as many calls two tasks do in the same time as one");
    print!("{:>5} {:>8} {:<11}", "", "tokens", "");
    TASKS.iter().for_each(|tasks| print!("{:>15}", format!("{tasks} tasks")));
    println!("{:>12}", "2 beside 1");
    let mut ours = Vec::new();
    for partitions in [Partitions::One, Partitions::Many] {
        for size in &sizes {
            ours.extend(figures(&runtime, partitions, *size, 64).into_iter().map(|(what, ns)| (what, *size, ns)));
        }
    }
    println!("tokens of 1500 bytes:");
    figures(&runtime, Partitions::One, 10_000.min(sizes.iter().copied().max().unwrap_or(1)), 1500);
    peers(&sizes, &ours);
}

fn figures(runtime: &Runtime, partitions: Partitions, size: usize, length: usize) -> Vec<(&'static str, f64)> {
    let name = if partitions == Partitions::One { "one" } else { "many" };
    let order = Arc::new(sample(size));
    let keys: Arc<Vec<String>> = Arc::new(order.iter().map(|n| partitions.token(*n, 0, 1).0).collect());
    let mut map: HashMap<String, Held> = (0..size).map(|n| (partitions.token(n, 0, 1).0, [n; 3])).collect();
    let new: Vec<_> = (size..size + 1000).map(|n| (partitions.token(n, 0, 1).0, [n; 3])).collect();
    let new_keys: Vec<String> = new.iter().map(|(key, _)| key.clone()).collect();
    let insert = {
        let mut least = f64::INFINITY;
        for _ in 0..8 {
            let new = new.clone();
            let begin = Instant::now();
            map.extend(new);
            least = least.min(begin.elapsed().as_nanos() as f64 / 1000.0);
            new_keys.iter().for_each(|key| assert!(map.remove(key).is_some()));
        }
        least
    };
    let map = Arc::new(map);
    let probe = TASKS.map(|tasks| {
        least(|| {
            round(runtime, tasks, CALLS, |part| {
                let (map, keys) = (map.clone(), keys.clone());
                async move {
                    for n in part {
                        assert!(black_box(map.get(black_box(&keys[n % SAMPLE]))).is_some());
                    }
                }
            })
        })
    });
    drop(map);
    let texts: HashMap<String, String> =
        (0..size).map(|n| (partitions.token(n, 0, 1).0, format!("{n:0length$}"))).collect();
    let texts = Arc::new(texts);
    let copy = TASKS.map(|tasks| {
        least(|| {
            round(runtime, tasks, CALLS, |part| {
                let (texts, keys) = (texts.clone(), keys.clone());
                async move {
                    for n in part {
                        assert!(black_box(texts.get(black_box(&keys[n % SAMPLE])).cloned()).is_some());
                    }
                }
            })
        })
    });
    drop(texts);
    let line = |what: &str, all: [Cost; 5], base: [f64; 5]| {
        print!("{name:>5} {size:>8} {what:<11}");
        all.iter().zip(base).for_each(|(cost, base)| {
            print!("{:>15}", format!("{:.0} ({:.1}x)", cost.cpu, cost.cpu / base));
        });
        println!("{:>12}", format!("{:.2}x", all[0].wall / all[1].wall));
    };
    let bare = probe.map(|cost| cost.cpu);
    line("probe", probe, bare);
    line("with copy", copy, bare);

    let client = client(filled(partitions, size, length));
    let accounts: Arc<Vec<Account>> = Arc::new(order.iter().filter_map(|n| partitions.account(*n)).collect());
    let mut figures = Vec::new();
    // The one exact scope set comes first; the other is a part of it.
    for (what, count) in [("hit", 2), ("subset hit", 1)] {
        let scopes: Arc<Vec<Vec<String>>> =
            Arc::new(order.iter().map(|n| partitions.scopes(*n)[..count].to_vec()).collect());
        let all = TASKS.map(|tasks| {
            least(|| {
                round(runtime, tasks, CALLS, |part| {
                    let (client, scopes, accounts) = (client.clone(), scopes.clone(), accounts.clone());
                    async move {
                        for n in part {
                            let scopes = black_box(&scopes[n % SAMPLE]);
                            let token = match accounts.get(n % SAMPLE) {
                                None => client.acquire_token_for_client(scopes).await,
                                Some(account) => client.acquire_token_silent(scopes, account).await,
                            };
                            black_box(token.unwrap());
                        }
                    }
                })
            })
        });
        line(what, all, bare);
        figures.push((what, all[0].cpu));
    }
    if partitions == Partitions::Many {
        let list = best(size, || assert_eq!(runtime.block_on(client.get_accounts(None)).unwrap().len(), size));
        println!("{name:>10} {size:>8} list accounts {list:>8.0} ns/account");
        figures.push(("list accounts", list * size as f64));
    } else {
        let next = Arc::new(AtomicUsize::new(0));
        let all = TASKS.map(|tasks| {
            least(|| {
                round(runtime, tasks, 256, |part| {
                    let (client, next) = (client.clone(), next.clone());
                    async move {
                        for _ in part {
                            let scope = format!("api://new{}/.default", next.fetch_add(1, Ordering::Relaxed));
                            black_box(client.acquire_token_for_client(&[scope]).await.unwrap());
                        }
                    }
                })
            })
        });
        line("acquire", all, [insert; 5]);
        figures.push(("acquire", all[0].cpu));
    }
    figures
}
