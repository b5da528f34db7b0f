//! Tokens in files: shared, damaged, private, linked, and written by others.

use super::*;

#[test]
fn two_clients_share_a_file() {
    let sim = world();
    let path = new_file("shared");
    let client = || sim.public().persistence(TokenCacheFile::open(&path).unwrap()).build().unwrap();
    let (one, two) = (client(), client());
    assert!(one.get_accounts(None).unwrap().is_empty());
    sign_in(&sim, &one, USER_READ).stored().unwrap();
    let account = two.get_accounts(None).unwrap().remove(0);
    assert_eq!(two.acquire_token_silent(USER_READ, &account).unwrap().source(), TokenSource::Cache);
    // The refresh token is replaced by each use, and the old one is dead: each must know what the other got.
    for round in 0..4 {
        sim.pass(3600);
        let client = if round % 2 == 0 { &two } else { &one };
        let token = client.acquire_token_silent(USER_READ, &account).unwrap();
        assert_eq!(token.source(), TokenSource::IdentityProvider, "{round}");
        token.stored().unwrap();
    }
    // A third one, begun later, and signing out everywhere.
    assert_eq!(client().acquire_token_silent(USER_READ, &account).unwrap().source(), TokenSource::Cache);
    two.remove_account(&account).unwrap().unwrap();
    assert!(one.get_accounts(None).unwrap().is_empty());
    assert!(matches!(one.acquire_token_silent(USER_READ, &account), Err(Error::InteractionRequired { .. })));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn many_writers_lose_nothing() {
    let sim = world();
    let path = new_file("many");
    let begin = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let (sim, path, begin) = (sim.clone(), path.clone(), begin.clone());
            thread::spawn(move || {
                let file = TokenCacheFile::open(&path).unwrap();
                let builder = sim.confidential().persistence(file);
                let client = builder.build().unwrap();
                begin.wait();
                for i in 0..5 {
                    // Each asks for claims of its own, so that each token has a place of its own.
                    let claims = format!(r#"{{"access_token":{{"n{n}":{{"value":"{i}"}}}}}}"#);
                    let request =
                        sansal_std::ClientCredentials::new(&["https://graph.microsoft.com/.default"]).unwrap();
                    let request = request.forwarded_client_claims(&claims);
                    client.acquire_token_for_client_with(&request).unwrap().stored().unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["AccessToken"].as_object().unwrap().len(), 40);
    let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "the file, and no lock any more: {names:?}");
}

#[test]
fn damaged_files_are_kept_aside() {
    for (n, text) in [(0, "{\"AccessToken\":{\"a\":"), (1, "[]"), (2, "\u{0}\u{0}"), (3, "<html>")] {
        let path = new_file(&format!("damaged-{n}"));
        std::fs::write(&path, text).unwrap();
        private(&path);
        let file = TokenCacheFile::open(&path).unwrap();
        let kept = file.damaged().unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), text);
        let sim = world();
        let client = sim.public().persistence(file).build().unwrap();
        sign_in(&sim, &client, USER_READ).stored().unwrap();
        // Damaged again while the client is there: neither is lost, and what the client knew is put back.
        std::fs::write(&path, text).unwrap();
        assert_eq!(client.get_accounts(None).unwrap().len(), 1);
        assert!(TokenCacheFile::open(&path).unwrap().damaged().is_none());
        sign_in(&sim, &client, USER_READ).stored().unwrap();
        let kept: Vec<_> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(".damaged"))
            .collect();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert!(TokenCacheFile::open(&path).unwrap().damaged().is_none());
    }
    // Nothing at all is an empty cache, as for MSAL.
    let path = new_file("empty");
    std::fs::write(&path, "").unwrap();
    private(&path);
    assert!(TokenCacheFile::open(&path).unwrap().damaged().is_none());
}

#[cfg(unix)]
fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn private(_: &std::path::Path) {}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let sim = world();
    let path = new_file("private");
    let client = sim.public().persistence(TokenCacheFile::open(&path).unwrap()).build().unwrap();
    sign_in(&sim, &client, USER_READ).stored().unwrap();
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    for open in [0o640, 0o604, 0o660, 0o666, 0o644, 0o601] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).unwrap();
        match TokenCacheFile::open(&path) {
            Err(SetupError::Exposed { mode, .. }) => assert_eq!(mode, open),
            wrong => panic!("{wrong:?}"),
        }
        // Who has it open already writes nothing there, and says so.
        assert_eq!(sign_in(&sim, &client, USER_READ).stored(), Err(CommitError::NotWritten));
        assert_eq!(mode(), open);
    }
    assert!(matches!(TokenCacheFile::open("/nonexistent/folder/tokens.json"), Err(SetupError::File { .. })));
    // What is no file is neither waited for nor replaced by one.
    let path = new_file("pipe");
    let _ = std::fs::remove_file(&path);
    assert!(std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success());
    match TokenCacheFile::open(&path) {
        Err(error @ SetupError::File { .. }) => assert!(error.to_string().contains("no regular file"), "{error}"),
        wrong => panic!("{wrong:?}"),
    }
    // A link in the place of its lock is named, and what it leads to is left alone.
    let (path, other) = (new_file("linked"), new_file("linked-to"));
    let lock = format!("{}.lockfile", path.display());
    std::fs::write(&other, "precious").unwrap();
    let _ = std::fs::remove_file(&lock);
    std::os::unix::fs::symlink(&other, &lock).unwrap();
    match TokenCacheFile::open(&path) {
        Err(SetupError::File { path, .. }) => assert!(path.ends_with("tokens.json.lockfile"), "{}", path.display()),
        wrong => panic!("{wrong:?}"),
    }
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
    std::fs::remove_file(&lock).unwrap();
    // One that is not there yet stays where it was named, wherever this process goes.
    let name = format!("sansal-std-not-yet-{}.json", std::process::id());
    let path = TokenCacheFile::open(&name).unwrap().path().to_owned();
    assert!(path.is_absolute() && path.ends_with(&name) && !path.exists(), "{}", path.display());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let sim = world();
    let path = new_file("link");
    let real = path.with_file_name("real.json");
    std::fs::write(&real, "{}").unwrap();
    private(&real);
    std::os::unix::fs::symlink(&real, &path).unwrap();
    let client = sim.public().persistence(TokenCacheFile::open(&path).unwrap()).build().unwrap();
    sign_in(&sim, &client, USER_READ).stored().unwrap();
    assert!(std::fs::symlink_metadata(&path).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&real).unwrap().contains("RefreshToken"));
}

#[test]
fn what_other_libraries_wrote_stays() {
    let sim = world();
    let path = new_file("foreign");
    std::fs::write(&path, r#"{"Account":{"x":{"home_account_id":"h","own":[1]}},"Theirs":{"k":{"v":null}}}"#).unwrap();
    private(&path);
    let client = sim.public().persistence(TokenCacheFile::open(&path).unwrap()).build().unwrap();
    sign_in(&sim, &client, USER_READ).stored().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["Account"]["x"]["own"], serde_json::json!([1]));
    assert_eq!(json["Theirs"], serde_json::json!({"k":{"v":null}}));
    assert_eq!(json["Account"].as_object().unwrap().len(), 2);
}
