//! One cache file and many processes: killed in the middle of a write, MSAL Python with MSAL Extensions among them, and files that
//! go from one library to the other.
//!
//! What needs MSAL Python runs where `SANSAL_MSAL` names a Python that has it (`tests/run caches` sees to that); elsewhere it
//! says that it is left out, and fails where `CI` is `true`. `SANSAL_HAMMER_SECONDS` makes the hammering longer.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

#[path = "support/folder.rs"]
mod folder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use folder::folder;
use sansal_std::sansal::cache::{Entry, TokenCache, TokenChange};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::Request;
use sansal_std::sansal::silent::Silent;
use sansal_std::sansal::store::{Owner, Partition};
use sansal_std::{HttpClient, HttpResponse, Persistence, PublicClient, TokenCacheFile, TokenSource};
use serde_json::{Value, json};

/// A worker keeps as many entries in the file.
const KEPT: usize = 40;

fn everything() -> Partition {
    Partition { client_id: String::new(), environment: String::new(), owner: Owner::Everyone }
}

fn seconds() -> u64 {
    env::var("SANSAL_HAMMER_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// The Python that has MSAL, or `None` with a word about it.
fn python() -> Option<String> {
    let named = env::var("SANSAL_MSAL").ok();
    let (elsewhere, ci) = (named.as_deref() == Some("elsewhere"), env::var("CI").is_ok_and(|ci| ci == "true"));
    match named.filter(|_| !elsewhere) {
        Some(path) => Some(path),
        None => {
            assert!(elsewhere || !ci, "no MSAL Python: run tests/run caches");
            eprintln!("left out: no MSAL Python; tests/run caches brings it");
            None
        }
    }
}

fn neighbour(python: &str, arguments: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/lab/msal_neighbour.py");
    let mut command = Command::new(python);
    command.arg(script).args(arguments);
    command
}

// ---- a worker: this program once more ----

/// Without the variables of a worker it works for a moment on a file of its own.
#[test]
fn worker() {
    let (path, name) = match (env::var_os("SANSAL_WORKER_FILE"), env::var("SANSAL_WORKER_NAME")) {
        (Some(path), Ok(name)) => (PathBuf::from(path), name),
        _ => {
            let path = folder("worker").join("tokens.json");
            let acknowledged = work(&path, "alone", 5, |_| {});
            let text = fs::read(&path).unwrap();
            let file = TokenCache::from_json(&text).unwrap();
            assert_eq!((acknowledged, TokenCache::new().changes_to(&file).len()), (5, 5 + 1));
            return;
        }
    };
    work(&path, &name, usize::MAX, |line| println!("{line}"));
}

/// Puts entries and removes old ones, and says what it is about to do and what is done.
fn work(path: &Path, name: &str, most: usize, say: impl Fn(&str)) -> usize {
    let file = TokenCacheFile::open(path).unwrap();
    let (mut number, mut acknowledged) = (0_usize, 0);
    while number < most {
        number += 1;
        let mut changes = vec![put(&format!("{name}-{number}"), number), put("everybody", number)];
        let old = number.checked_sub(KEPT).filter(|old| *old > 0).map(|old| key(&format!("{name}-{old}")));
        if let Some(old) = &old {
            say(&format!("removing {old}"));
            changes.push(TokenChange::Remove { section: "AccessToken".into(), key: old.clone() });
        }
        let begun = Instant::now();
        let saved = file.save(&changes);
        // Ten times as long for the others, on whatever disk this is.
        let pause = (begun.elapsed() * 10).min(Duration::from_millis(1500));
        if saved.is_ok() {
            acknowledged += 1;
            say(&format!("ack {}", key(&format!("{name}-{number}"))));
        } else {
            say("failed to write");
        }
        if number.is_multiple_of(3) {
            say(&format!("loaded {}", file.load(&everything()).len()));
        }
        thread::sleep(pause + Duration::from_millis(number as u64 * 7 % 60));
    }
    acknowledged
}

fn key(scope: &str) -> String {
    format!("-login.example.com-accesstoken-hammer-tenant-{scope}")
}

fn put(scope: &str, number: usize) -> TokenChange {
    let secret = format!("{number}-{}", "x".repeat(1500));
    let entry = json!({
        "credential_type": "AccessToken", "secret": secret, "home_account_id": null, "environment": "login.example.com",
        "client_id": "hammer", "target": scope, "realm": "tenant", "token_type": "Bearer", "cached_at": number.to_string(),
        "expires_on": "4000000000", "extended_expires_on": "4000000000",
    });
    let entry = Entry::from_json(entry.to_string().as_bytes()).unwrap();
    TokenChange::Put { section: "AccessToken".into(), key: key(scope), entry }
}

// ---- the hammering ----

/// What workers have said.
#[derive(Default)]
struct Said {
    /// Entries whose being there was acknowledged, and whose removal was not begun.
    there: BTreeSet<String>,
    acknowledged: usize,
    failed: Vec<String>,
    /// The most entries of ours that a neighbour has seen.
    seen: usize,
}

struct Worker {
    child: Child,
    listens: JoinHandle<()>,
}

impl Worker {
    fn begin(mut command: Command, said: &Arc<Mutex<Said>>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (lines, said) = (BufReader::new(child.stdout.take().unwrap()).lines(), said.clone());
        let listens = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = said.lock().unwrap();
                match line.split_once(' ') {
                    Some(("ack", key)) => {
                        said.acknowledged += 1;
                        said.there.insert(key.to_owned());
                    }
                    Some(("removing", key)) => drop(said.there.remove(key)),
                    Some(("saw", count)) => said.seen = said.seen.max(count.parse().unwrap()),
                    Some(("failed", _)) => said.failed.push(line),
                    _ => {}
                }
            }
        });
        Self { child, listens }
    }

    fn ours(path: &Path, name: &str, said: &Arc<Mutex<Said>>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "worker", "--nocapture", "--quiet"]);
        command.env("SANSAL_WORKER_FILE", path).env("SANSAL_WORKER_NAME", name);
        Self::begin(command, said)
    }

    /// With SIGKILL. Comes back when all that it said has been heard.
    fn kill(mut self) -> u32 {
        let id = self.child.id();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.listens.join().unwrap();
        id
    }
}

/// Eight processes at one file, one of ours after the other killed and replaced.
fn hammer(name: &str, python: Option<&str>) {
    let path = folder(name).join("tokens.json");
    let said = Arc::new(Mutex::new(Said::default()));
    let begun = Instant::now();
    let mut worker_number = 0;
    let mut next = || {
        worker_number += 1;
        Worker::ours(&path, &format!("w{worker_number}"), &said)
    };
    let ours = if python.is_some() { 7 } else { 8 };
    let mut workers: Vec<Worker> = (0..ours).map(|_| next()).collect();
    let time = seconds();
    let neighbour = python.map(|python| {
        let seconds = time.to_string();
        Worker::begin(neighbour(python, &["hammer", path.to_str().unwrap(), &seconds]), &said)
    });
    let lock = path.with_extension("json.lockfile");
    let (mut kills, mut while_writing, mut reads) = (0_usize, 0_usize, 0_usize);
    while begun.elapsed() < Duration::from_secs(time) {
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(15 + kills as u64 % 17));
            // MSAL Extensions write into the file; alone, ours can be read at any time, without a lock.
            if python.is_none() && path.exists() {
                let text = fs::read(&path).unwrap();
                assert!(!text.is_empty() && TokenCache::from_json(&text).is_ok(), "unreadable after {reads} reads");
                reads += 1;
            }
        }
        // Every other time whoever has the lock, if that is one of ours: in the middle of a write.
        let holder = || fs::read_to_string(&lock).ok()?.split(' ').next()?.parse::<u32>().ok();
        let is_aimed = kills % 2 == 0;
        let aimed = (0..2000).filter(|_| is_aimed).find_map(|_| {
            thread::sleep(Duration::from_micros(100));
            let id = holder()?;
            workers.iter().position(|worker| worker.child.id() == id)
        });
        let at = aimed.unwrap_or(kills % workers.len());
        let id = std::mem::replace(&mut workers[at], next()).kill();
        kills += 1;
        while_writing += usize::from(holder() == Some(id));
    }
    for worker in workers {
        worker.kill();
    }
    if let Some(mut neighbour) = neighbour {
        neighbour.child.wait().unwrap();
        neighbour.listens.join().unwrap();
    }
    let said = Arc::into_inner(said).unwrap().into_inner().unwrap();
    // As the next process finds it.
    let file = TokenCacheFile::open(&path).unwrap();
    assert!(file.damaged().is_none());
    let found: BTreeMap<String, bool> =
        file.load(&everything()).iter().map(|change| (change.key().to_owned(), change.entry().is_some())).collect();
    let lost: Vec<_> = said.there.iter().filter(|key| found.get(*key) != Some(&true)).collect();
    let names = fs::read_dir(path.parent().unwrap()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    println!(
        "{name}: {time} s, {} writes acknowledged, {} of their entries to be there, {} found, {kills} processes killed, {while_writing} of \
         them while they had the lock, {reads} reads without it, {} writes failed; MSAL Python saw {} entries of ours",
        said.acknowledged,
        said.there.len(),
        found.len(),
        said.failed.len(),
        said.seen
    );
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    // MSAL Extensions give up after ten seconds, and say so; ours do not in that time.
    let ours: Vec<_> = said.failed.iter().filter(|line| !line.contains("LockError")).collect();
    assert!(ours.is_empty() && (python.is_some() || said.failed.is_empty()), "{ours:?}");
    assert_eq!(names, ["tokens.json"], "no lock, no half-written file, no damaged one");
    assert!(kills > 5 && said.acknowledged > 20 && found.len() > 20);
    assert!(while_writing > 0, "nobody was killed in the middle");
    if python.is_some() {
        let theirs = said.there.iter().filter(|key| key.contains("-py")).count();
        println!("{theirs} entries of MSAL Python's");
        assert!(theirs > 1 && said.seen > 5, "MSAL Python wrote {theirs} and saw {}", said.seen);
    }
}

#[test]
fn nothing_is_lost_when_processes_are_killed() {
    hammer("ours", None);
}

#[test]
fn nothing_is_lost_beside_msal_extensions() {
    if let Some(python) = python() {
        hammer("both", Some(&python));
    }
}

// ---- files from one library to the other ----

/// Answers for the platform: one token, and the endpoints.
struct Answers(&'static str);

impl HttpClient for Answers {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let authority = "https://login.microsoftonline.com/tenant-of-both";
        let body = if request.body.is_some() {
            json!({"access_token": self.0, "refresh_token": "rt-from-rust", "expires_in": 3600, "token_type": "Bearer",
                "scope": "User.Read", "foci": "1"})
        } else {
            json!({"issuer": format!("{authority}/v2.0"), "token_endpoint": format!("{authority}/oauth2/v2.0/token"),
                "authorization_endpoint": format!("{authority}/oauth2/v2.0/authorize"),
                "device_authorization_endpoint": format!("{authority}/oauth2/v2.0/devicecode"),
                "jwks_uri": format!("{authority}/discovery/v2.0/keys")})
        };
        Ok(HttpResponse::new(200, body.to_string()))
    }
}

fn run(mut command: Command) -> String {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The members that MSAL Python's neighbour script added to everything, and its section.
fn assert_unknown_members(file: &Value, sections: &[&str]) {
    assert_eq!(file["UnknownSection"], json!({"k": {"v": 1.5}, "l": [true]}));
    for section in sections {
        for (key, entry) in file[section].as_object().unwrap() {
            assert_eq!(entry["unknown_member"], json!({"kept": [1, null, "x"]}), "{section} {key}");
        }
    }
}

#[test]
fn files_go_both_ways() {
    let Some(python) = python() else { return };
    let path = folder("both-ways").join("tokens.json");
    let name = path.to_str().unwrap();
    run(neighbour(&python, &["write", name]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let client = PublicClient::builder("client-of-both")
        .authority("https://login.microsoftonline.com/tenant-of-both")
        .http_client(Answers("from-rust"))
        .persistence(TokenCacheFile::open(&path).unwrap())
        .build()
        .unwrap();
    // Theirs is used by us: from the cache, then its refresh token.
    let account = client.get_accounts(Some("ada@example.com")).unwrap().remove(0);
    let token = client.acquire_token_silent(&["User.Read"], &account).unwrap();
    assert_eq!((token.access_token(), token.source()), ("from-python", TokenSource::Cache));
    let forced = Silent::new(&account, &["User.Read"]).unwrap().force_refresh(true);
    let token = client.acquire_token_silent_with(&forced).unwrap();
    token.stored().unwrap();
    assert_eq!((token.access_token(), token.source()), ("from-rust", TokenSource::IdentityProvider));

    // Ours is used by them, and nothing that neither of us knows has gone.
    let said = run(neighbour(&python, &["read", name]));
    let line = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    assert_eq!((line("token "), line("user ")), ("from-rust", "ada@example.com"));
    let file: Value = serde_json::from_str(line("content ")).unwrap();
    assert_unknown_members(&file, &["Account", "RefreshToken", "IdToken", "AppMetadata"]);
    let refresh = file["RefreshToken"].as_object().unwrap();
    assert_eq!(refresh.values().map(|entry| entry["secret"].as_str().unwrap()).collect::<Vec<_>>(), ["rt-from-rust"]);
}

/// A file of MSAL Extensions that was cut while it was written: it empties the file first.
#[test]
fn a_file_that_is_cut_is_salvaged() {
    let path = folder("cut").join("tokens.json");
    let file = TokenCacheFile::open(&path).unwrap();
    let mut text = String::new();
    for number in 0..20 {
        file.save(&[put(&format!("s{number}"), number)]).unwrap();
    }
    // Another process knows half of it.
    let other = TokenCacheFile::open(&path).unwrap();
    assert_eq!(other.load(&everything()).len(), 20);
    let whole = fs::read(&path).unwrap();
    for (cut, expected) in [(whole.len() / 2, 9..=11), (0, 0..=0), (whole.len() - 1, 20..=20)] {
        let path = path.with_file_name(format!("cut-{cut}.json"));
        fs::write(&path, &whole[..cut]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let opened = TokenCacheFile::open(&path).unwrap();
        let entries = opened.load(&everything()).len();
        assert!(expected.contains(&entries), "{cut}: {entries}");
        assert_eq!(opened.damaged().is_some(), cut > 0);
        assert_eq!(opened.salvaged(), if cut > 0 { entries } else { 0 });
        let _ = write!(text, "{entries} ");
        // It is whole again for everybody.
        assert_eq!(TokenCacheFile::open(&path).unwrap().load(&everything()).len(), entries);
        if let Some(kept) = opened.damaged() {
            assert_eq!(fs::read(kept).unwrap(), &whole[..cut]);
        }
    }
    // Who had read it before puts back what was lost.
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(other.load(&everything()).is_empty());
    assert_eq!((other.salvaged(), TokenCacheFile::open(&path).unwrap().load(&everything()).len()), (20, 20));
}
