//! Where tokens are kept besides files in plain text: an encrypted file whose key is in a Secret Service, caches that MSAL Extensions
//! keep there.
//!
//! They run where `tests/lab/with-keyring` has begun a session (`tests/run caches` sees to that); elsewhere they say that they are
//! left out, and fail where `CI` is `true`.
#![cfg(all(target_os = "linux", feature = "keyring"))]
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
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs};

use folder::folder;
use sansal_std::sansal::cache::{Entry, TokenCache, TokenChange};
use sansal_std::sansal::error::SendError;
use sansal_std::sansal::http::Request;
use sansal_std::sansal::silent::Silent;
use sansal_std::sansal::store::{Owner, Partition};
use sansal_std::{
    AzureCli, AzureCliError, DataKey, HttpClient, HttpResponse, KeyringError, LibsecretCache, Persistence,
    PublicClient, SetupError, TokenCacheFile, TokenSource,
};
use serde_json::{Value, json};

const SERVICE: &str = "sansal tests";

/// Whether there is a Secret Service, with a word about it if there is none.
fn keyring() -> bool {
    let is_there = env::var_os("SANSAL_KEYRING").is_some();
    if !is_there {
        assert!(!env::var("CI").is_ok_and(|ci| ci == "true"), "no Secret Service: run tests/run caches");
        eprintln!("left out: no Secret Service; tests/run caches brings it");
    }
    is_there
}

fn everything() -> Partition {
    Partition { client_id: String::new(), environment: String::new(), owner: Owner::Everyone }
}

fn key(scope: &str) -> String {
    format!("-login.example.com-accesstoken-c-tenant-{scope}")
}

fn put(scope: &str) -> TokenChange {
    let entry = json!({
        "credential_type": "AccessToken", "secret": format!("planted-{scope}"), "home_account_id": null, "client_id": "c",
        "environment": "login.example.com", "target": scope, "realm": "tenant", "token_type": "Bearer", "cached_at": "1",
        "expires_on": "4000000000", "extended_expires_on": "4000000000",
    });
    let entry = Entry::from_json(entry.to_string().as_bytes()).unwrap();
    TokenChange::Put { section: "AccessToken".into(), key: key(scope), entry }
}

fn keys(changes: &[TokenChange]) -> BTreeSet<String> {
    changes.iter().filter(|change| change.entry().is_some()).map(|change| change.key().to_owned()).collect()
}

fn open(path: &Path, user: &str) -> Result<TokenCacheFile, KeyringError> {
    TokenCacheFile::open_with_secret_service(path, SERVICE, user)
}

// ---- an encrypted file, its key in the Secret Service ----

#[test]
fn the_key_is_in_the_secret_service_and_the_tokens_are_in_the_file() {
    if !keyring() {
        return;
    }
    let path = folder("keyring").join("tokens.bin");
    let file = open(&path, "one").unwrap();
    file.save(&[put("a"), put("b")]).unwrap();
    let content = fs::read(&path).unwrap();
    assert!(DataKey::is_encrypted(&content));
    assert!(!content.windows(7).any(|bytes| bytes == b"planted"), "in plain text");
    // Another process finds the same key.
    assert_eq!(keys(&open(&path, "one").unwrap().load(&everything())), BTreeSet::from([key("a"), key("b")]));
    // So does a tool that others wrote.
    let found = Command::new("secret-tool").args(["lookup", "service", SERVICE, "username", "one"]).output().unwrap();
    let key = DataKey::from_text(&String::from_utf8(found.stdout).unwrap()).unwrap();
    let text = key.decrypt_file(&content).unwrap();
    assert!(String::from_utf8_lossy(&text).contains("planted-a"));
    assert_eq!(DataKey::from_secret_service(SERVICE, "one").unwrap().unwrap().to_text(), key.to_text());
    assert!(DataKey::from_secret_service(SERVICE, "nobody").unwrap().is_none());
}

#[test]
fn what_cannot_be_decrypted_is_left_as_it_is() {
    if !keyring() {
        return;
    }
    let path = folder("refused").join("tokens.bin");
    open(&path, "right").unwrap().save(&[put("a")]).unwrap();
    let content = fs::read(&path).unwrap();
    let mut changed = content.clone();
    *changed.last_mut().unwrap() ^= 1;
    let encryption = |error: KeyringError| match error {
        KeyringError::File(SetupError::Encryption { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    DataKey::made_in_secret_service(SERVICE, "other").unwrap();
    let cases: [(&str, &[u8], &str, &str); 6] = [
        ("another key", &content, "other", "by another key"),
        ("a bit", &changed, "right", "changed or cut off"),
        ("cut off", &content[..content.len() - 20], "right", "changed or cut off"),
        ("cut off in its head", &content[..30], "right", "changed or cut off"),
        ("almost nothing left", &content[..5], "right", "changed or cut off"),
        ("plain text", b"{\"AccessToken\":{}}", "right", "not encrypted"),
    ];
    for (name, there, user, expected) in cases {
        fs::write(&path, there).unwrap();
        let why = encryption(open(&path, user).unwrap_err());
        assert!(why.contains(expected), "{name}: {why}");
        assert_eq!(fs::read(&path).unwrap(), there, "{name}");
    }
    // Without the key there is a way to say so, and none to lose it.
    fs::write(&path, &content).unwrap();
    match TokenCacheFile::open(&path) {
        Err(SetupError::Encryption { why, .. }) => assert!(why.contains("needs its key"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(open(&path, "gone").unwrap_err(), KeyringError::KeyIsGone));
    assert!(DataKey::from_secret_service(SERVICE, "gone").unwrap().is_none(), "made a new key");
    let stored = Command::new("secret-tool")
        .args(["store", "--label", "x", "service", SERVICE, "username", "no key"])
        .stdin(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"hunter2")?;
            child.wait()
        });
    assert!(stored.unwrap().success());
    assert!(matches!(open(&path, "no key").unwrap_err(), KeyringError::NotAKey));
    assert_eq!(fs::read(&path).unwrap(), content);

    // Damaged while it is in use: this process says so and keeps what it knows, the file stays.
    let file = open(&path, "right").unwrap();
    assert_eq!(file.load(&everything()).len(), 1);
    fs::write(&path, &changed).unwrap();
    assert!(file.load(&everything()).is_empty());
    assert!(file.save(&[put("b")]).is_err());
    assert_eq!(fs::read(&path).unwrap(), changed);
    // Mended, it goes on.
    fs::write(&path, &content).unwrap();
    file.save(&[put("b")]).unwrap();
    assert_eq!(keys(&open(&path, "right").unwrap().load(&everything())).len(), 2);
}

/// Without the variables of a worker it does nothing.
#[test]
fn worker() {
    let (Some(path), Ok(name)) = (env::var_os("SANSAL_STORES_FILE"), env::var("SANSAL_STORES_WORKER")) else { return };
    match open(Path::new(&path), "shared") {
        Ok(file) => (0..5).for_each(|n| file.save(&[put(&format!("{name}-{n}"))]).unwrap()),
        Err(why) => {
            eprintln!("{why}");
            std::process::exit(3);
        }
    }
}

fn worker_on(path: &Path, name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "worker", "--nocapture", "--quiet"]);
    command.env("SANSAL_STORES_FILE", path).env("SANSAL_STORES_WORKER", name).stdout(Stdio::null());
    command
}

#[test]
fn processes_that_begin_together_make_one_key() {
    if !keyring() {
        return;
    }
    let path = folder("together").join("tokens.bin");
    let begin = |n: usize| worker_on(&path, &format!("w{n}")).spawn().unwrap();
    let workers: Vec<_> = (0..4).map(begin).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    let found = keys(&open(&path, "shared").unwrap().load(&everything()));
    let expected: BTreeSet<String> = (0..20).map(|n| key(&format!("w{}-{}", n / 5, n % 5))).collect();
    assert_eq!(found, expected);
}

#[test]
fn without_a_secret_service_nothing_is_written() {
    if !keyring() {
        return;
    }
    let path = folder("headless").join("tokens.bin");
    // A bus that is not there; one on which nobody keeps secrets.
    let gone =
        |command: &mut Command| command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent").output().unwrap();
    let begun = Instant::now();
    let output = gone(&mut worker_on(&path, "w"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    for expected in
        ["no secret store can be used", "gnome-keyring", "open_encrypted", "plain text by TokenCacheFile::open"]
    {
        assert!(said.contains(expected), "{said}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    let worker = worker_on(&path, "w");
    let mut alone = Command::new("dbus-run-session");
    alone.arg("--").arg(worker.get_program()).args(worker.get_args());
    alone.envs(worker.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdout(Stdio::null());
    // Where its configuration would start one, it would be another than ours.
    alone.env("HOME", path.parent().unwrap()).env("XDG_RUNTIME_DIR", path.parent().unwrap());
    alone.env("XDG_DATA_DIRS", "/nonexistent");
    let output = alone.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no secret store can be used"), "{said}");
    assert!(!path.exists());
}

// ---- caches that MSAL Extensions keep in the Secret Service ----

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

/// Whether there is a Python with MSAL Extensions and `gi`, with a word about it if there is none.
fn python() -> bool {
    let is_there = env::var_os("SANSAL_MSAL").is_some_and(|path| path != "elsewhere");
    if !is_there {
        assert!(!env::var("CI").is_ok_and(|ci| ci == "true"), "no MSAL Python: run tests/run caches");
        eprintln!("left out: no MSAL Python; tests/run caches brings it");
    }
    is_there
}

fn neighbour(command: &str, signal: &Path, more: &[&str]) -> String {
    // MSAL Extensions try the Secret Service with an item that all processes share, write and remove.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let python = env::var_os("SANSAL_MSAL").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/lab/msal_neighbour.py");
    let output = Command::new(python).arg(script).arg(command).arg(signal).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_cache_in_libsecret_goes_both_ways() {
    if !keyring() || !python() {
        return;
    }
    let signal = folder("libsecret").join("signal.bin");
    neighbour("libsecret-write", &signal, &[]);
    let cache = || LibsecretCache::new(&signal, "sansal-lab", &[("purpose", "interop")]);
    let client = PublicClient::builder("client-of-both")
        .authority("https://login.microsoftonline.com/tenant-of-both")
        .http_client(Answers("from-rust"))
        .persistence(cache())
        .build()
        .unwrap();
    // Theirs is used by us.
    let account = client.get_accounts(Some("ada@example.com")).unwrap().remove(0);
    let token = client.acquire_token_silent(&["User.Read"], &account).unwrap();
    assert_eq!((token.access_token(), token.source()), ("from-python", TokenSource::Cache));
    let forced = Silent::new(&account, &["User.Read"]).unwrap().force_refresh(true);
    let token = client.acquire_token_silent_with(&forced).unwrap();
    token.stored().unwrap();
    // Ours is used by them; one item, no second one beside it, and nothing that neither of us knows has gone.
    let said = neighbour("libsecret-read", &signal, &[]);
    let line = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    assert_eq!((line("token "), line("user ")), ("from-rust", "ada@example.com"));
    let content: Value = serde_json::from_str(line("content ")).unwrap();
    assert_eq!(content["UnknownSection"], json!({"k": {"v": 1.5}, "l": [true]}));
    for section in ["Account", "IdToken", "AppMetadata"] {
        for (key, entry) in content[section].as_object().unwrap() {
            assert_eq!(entry["unknown_member"], json!({"kept": [1, null, "x"]}), "{section} {key}");
        }
    }
    let items = Command::new("secret-tool").args(["search", "--all", "purpose", "interop"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&items.stdout).matches("secret = ").count(), 1);

    // What is no cache is not written over.
    let other = LibsecretCache::new(&signal, "sansal-lab", &[("purpose", "other")]);
    let mut store = Command::new("secret-tool")
        .args(["store", "--label", "x", "xdg:schema", "sansal-lab", "purpose", "other"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut store.stdin.take().unwrap(), b"[not a cache").unwrap();
    assert!(store.wait().unwrap().success());
    assert!(other.load(&everything()).is_empty() && other.save(&[put("a")]).is_err());
    let kept = Command::new("secret-tool").args(["lookup", "purpose", "other"]).output().unwrap();
    assert_eq!(kept.stdout, b"[not a cache");
    // Nobody's yet.
    let new = LibsecretCache::new(&signal, "sansal-lab", &[("purpose", "new")]);
    assert!(new.load(&everything()).is_empty());
    new.save(&[put("a")]).unwrap();
    let text = Command::new("secret-tool").args(["lookup", "purpose", "new"]).output().unwrap().stdout;
    assert_eq!(keys(&TokenCache::new().changes_to(&TokenCache::from_json(&text).unwrap())), BTreeSet::from([key("a")]));
}

/// The Azure CLI keeps an encrypted cache as MSAL Extensions do, under names of its own: those of 2026, and those before.
#[test]
fn the_azure_clis_encrypted_cache() {
    if !keyring() || !python() {
        return;
    }
    for (name, schema, attributes, by) in [
        ("msal_token_cache.sig", "Microsoft Azure CLI", r#"{"type": "Token cache"}"#, ("type", "Token cache")),
        ("msal_token_cache.bin", "my_schema_name", r#"{"my_attr1": "foo", "my_attr2": "bar"}"#, ("my_attr1", "foo")),
    ] {
        let folder = folder("az");
        let signal = folder.join(name);
        neighbour("libsecret-write", &signal, &[schema, attributes]);
        // What was there before encryption was turned on is not what counts.
        let old = folder.join("msal_token_cache.json");
        fs::write(&old, "{}").unwrap();
        let past = std::time::SystemTime::now() - Duration::from_secs(60);
        fs::File::options().write(true).open(&old).unwrap().set_modified(past).unwrap();
        let (attribute, value) = by;
        let read = || {
            let found = Command::new("secret-tool").args(["lookup", attribute, value]).output().unwrap();
            String::from_utf8(found.stdout).unwrap()
        };
        let before = read();
        let login = AzureCli::at(&folder).unwrap();
        assert_eq!(login.account().unwrap().username(), Some("ada@example.com"));
        // By the refresh token of the family; only in memory, unless asked for.
        let acquire = |login: &AzureCli| {
            let client = login.client().unwrap().http_client(Answers("from-rust")).build().unwrap();
            let token = login.acquire_token(&client, &["User.Read"]).unwrap();
            token.stored().unwrap();
            assert_eq!((token.access_token(), token.source()), ("from-rust", TokenSource::IdentityProvider));
        };
        acquire(&login);
        assert_eq!(read(), before);
        acquire(&login.write_back());
        assert!(read().contains("rt-from-rust") && !before.contains("rt-from-rust"));
        // The other way: plain text that was written later.
        fs::File::options().write(true).open(&old).unwrap().set_modified(past + Duration::from_secs(3600)).unwrap();
        fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert!(matches!(AzureCli::at(&folder).unwrap_err(), AzureCliError::NotSignedIn(path) if path == old));
    }
}
