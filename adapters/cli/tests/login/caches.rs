//! Token caches as files: damaged, shown, compared, and that of the Azure CLI.

use super::*;

#[test]
fn files_that_are_not_as_they_should_be() {
    let lab = Lab::new("files");
    let cache = lab.cache();
    fs::create_dir_all(cache.parent().unwrap()).unwrap();
    fs::write(&cache, "{}").unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o644)).unwrap();
    for command in [lab.run(&["accounts"]), lab.run_at_contoso("token", &["--scope", SCOPE, "--client-id", "a"])] {
        assert!(command.code == 2 && is_one_line(&command) && command.err.contains("mode 644"), "{command:?}");
    }
    fs::write(&cache, "{\"planted\":").unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o600)).unwrap();
    let ran = lab.run(&["accounts"]);
    assert!(ran.code == 6 && is_one_line(&ran) && ran.err.contains("tokens.json.damaged"), "{ran:?}");
    // It is said once; it is kept; whoever signs in anew goes on.
    assert_eq!(fs::read_to_string(cache.with_file_name("tokens.json.damaged")).unwrap(), "{\"planted\":");
    assert_eq!(lab.run(&["accounts"]).code, 0);
    fs::write(&cache, "planted").unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o600)).unwrap();
    let ran = lab.sign_in(CONTOSO_USER, &[]);
    assert!(ran.code == 0 && ran.err.contains("everybody has to sign in again"), "{ran:?}");

    // Named by the variable, or by the argument, which counts more.
    let (one, two) = (lab.path("one.json"), lab.path("two.json"));
    fs::copy(&cache, &one).unwrap();
    let ran = end(lab.begin(&["accounts"], &[("SANSAL_CACHE", &one), ("XDG_DATA_HOME", "/nonexistent")]));
    assert!(ran.code == 0 && ran.out.contains(CONTOSO_USER), "{ran:?}");
    let ran = end(lab.begin(&["accounts", "--cache", &two], &[("SANSAL_CACHE", &one)]));
    assert_eq!((ran.code, &*ran.out), (0, ""), "{ran:?}");
    // A credential in the environment is the application's, whoever is signed in.
    let arguments = lab.at_contoso("token", &["--scope", "https://graph.microsoft.com/.default"]);
    let application =
        [("AZURE_CLIENT_ID", sansal_sim::CONTOSO_CLIENT), ("AZURE_CLIENT_SECRET", sansal_sim::CONTOSO_SECRET)];
    let ran = end(lab.begin(&refs(&arguments), &application));
    assert!(ran.code == 0 && ran.out.starts_with("eyJ"), "{ran:?}");
}

/// What an entry keeps to itself.
fn secrets(path: &Path) -> Vec<String> {
    let file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let entries = file.as_object().unwrap().values().flat_map(|section| section.as_object().unwrap().values());
    entries.filter_map(|entry| Some(entry["secret"].as_str()?.to_owned())).collect()
}

#[test]
fn caches_are_shown_checked_saved_and_compared() {
    let lab = Lab::new("cache");
    let path = lab.cache();
    assert_eq!(lab.run(&["cache", "show"]).code, 6);
    assert_eq!(lab.sign_in(CONTOSO_USER, &[]).code, 0);
    let secrets = secrets(&path);
    assert!(secrets.len() >= 3);
    let before = lab.path("before.json");
    fs::copy(&path, &before).unwrap();

    let shown = [lab.run(&["cache", "show"]), lab.run(&["cache", "show", "--json"])];
    let list: Value = serde_json::from_str(&shown[1].out).unwrap();
    assert!(shown[0].out.lines().count() == list.as_array().unwrap().len() && shown[0].out.contains(CONTOSO_USER));
    assert!(list.as_array().unwrap().iter().any(|one| one["section"] == "RefreshToken" && one["expired"].is_null()));
    let doctor = [lab.run(&["cache", "doctor"]), lab.run(&["cache", "doctor", "--json"])];
    assert!(doctor[0].code == 0 && doctor[0].out.contains("is sound"), "{doctor:?}");
    assert_eq!(serde_json::from_str::<Value>(&doctor[1].out).unwrap()["sound"], true);

    // Another way of writing it is no difference; another user is.
    let pretty = lab.path("pretty.json");
    let (name, new) = (path.to_str().unwrap(), lab.path("new.json"));
    assert_eq!(lab.run(&["cache", "convert", name, "--to", "pretty", "--output", &pretty]).code, 0);
    assert_eq!(mode(Path::new(&pretty)), 0o600);
    assert_eq!(lab.run(&["cache", "convert", name, "--output", &pretty]).code, 2, "written over");
    let same = lab.run(&["cache", "diff", name, &pretty]);
    assert_eq!((same.code, &*same.out), (0, ""));
    assert_eq!(lab.sign_in(GRACE, &[]).code, 0);
    let differ = [lab.run(&["cache", "diff", &before, name]), lab.run(&["cache", "diff", name, &before, "--json"])];
    assert!(differ[0].out.lines().all(|line| line.starts_with("added")) && differ[0].out.contains(GRACE), "{differ:?}");
    let list: Value = serde_json::from_str(&differ[1].out).unwrap();
    assert!(list.as_array().unwrap().iter().all(|one| one["what"] == "removed"));

    // Encrypted by a key in a file, and back.
    let (encrypted, key, other) = (lab.path("encrypted.bin"), lab.path("key"), lab.path("other"));
    fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    fs::write(&other, "A".repeat(43)).unwrap();
    let to = ["cache", "convert", name, "--to", "encrypted", "--output", &encrypted];
    assert_eq!((lab.run(&to).code, Path::new(&encrypted).exists()), (2, false), "no key");
    assert_eq!(lab.run(&[&to[..], &["--key-file", &key]].concat()).code, 0);
    let content = fs::read(&encrypted).unwrap();
    assert!(content.starts_with(b"sansal-cache-1 aes-256-gcm ") && mode(Path::new(&encrypted)) == 0o600);
    assert!(!String::from_utf8_lossy(&content).contains(&secrets[0]));
    let with = |command: &str, more: &[&str]| lab.run(&[&["cache", command, "--cache", &encrypted], more].concat());
    let shown_again = with("show", &["--key-file", &key]);
    assert_eq!(shown_again.out, lab.run(&["cache", "show"]).out);
    assert!(with("doctor", &["--key-file", &key]).out.contains("this is its key"));
    for (more, code, said) in [
        (&[][..], 2, "name its key"),
        (&["--key-file", &other], 6, "by another key"),
        (&["--key-file", name], 2, "is no key"),
    ] {
        let ran = with("show", more);
        assert!(ran.code == code && ran.err.contains(said) && ran.out.is_empty(), "{ran:?}");
    }
    assert!(lab.run(&["cache", "salvage", &encrypted, "--output", &lab.path("x")]).err.contains("is encrypted"));
    let back = lab.path("back.json");
    assert_eq!(lab.run(&["cache", "convert", &encrypted, "--key-file", &key, "--output", &back]).code, 0);
    assert_eq!(fs::read(&back).unwrap(), fs::read(&path).unwrap());

    // Cut in the middle: said, saved, and used.
    let whole = fs::read(&path).unwrap();
    let damaged = lab.path("damaged.json");
    fs::write(&damaged, &whole[..whole.len() - 400]).unwrap();
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o600)).unwrap();
    let sick = lab.run(&["cache", "doctor", "--cache", &damaged]);
    assert!(sick.code == 6 && sick.out.starts_with("bad ") && sick.out.contains("salvage"), "{sick:?}");
    assert!(lab.run(&["cache", "show", "--cache", &damaged]).err.contains("sansal cache salvage"));
    let saved = lab.run(&["cache", "salvage", &damaged, "--output", &new, "--json"]);
    let saved: Value = serde_json::from_str(&saved.out).unwrap();
    assert!(saved["entries"].as_u64() > Some(4), "{saved}");
    assert_eq!(fs::read(&damaged).unwrap(), &whole[..whole.len() - 400], "it stays as it was");
    let ran = lab.run(&["accounts", "--cache", &damaged]);
    assert!(ran.code == 0 && ran.out.contains(CONTOSO_USER) && ran.err.contains("were whole"), "{ran:?}");
    assert_eq!(lab.run(&["accounts", "--cache", &new]).out, ran.out);
    let nothing = lab.path("nothing.json");
    fs::write(&nothing, "garbage").unwrap();
    assert!(is_one_line(&lab.run(&["cache", "salvage", &nothing, "--output", &lab.path("none.json")])));

    for ran in shown.iter().chain(&doctor).chain(&differ).chain([&sick]) {
        assert!(secrets.iter().all(|secret| !ran.out.contains(secret) && !ran.err.contains(secret)), "{ran:?}");
    }
}

#[test]
fn the_login_of_the_azure_cli() {
    use sansal_std::AZURE_CLI_CLIENT_ID;
    let application = sansal_sim::Application::new(AZURE_CLI_CLIENT_ID).public().family();
    let vault = sansal_sim::Resource::new("https://vault.azure.net").scope("user_impersonation");
    let application = application.redirect_uri("http://localhost");
    let lab = Lab::with("az", |platform| platform.application(application).resource(vault));
    let folder = lab.folder.join(".azure");
    fs::create_dir_all(&folder).unwrap();
    let az = |more: &[&str]| {
        let arguments = lab.at_contoso("token", &[&["--from", "az", "--scope", SCOPE], more].concat());
        // No program of any name is found.
        end(lab.begin(&refs(&arguments), &[("PATH", "/nonexistent")]))
    };
    let ran = az(&[]);
    assert!(ran.code == 7 && is_one_line(&ran) && ran.err.contains("az login"), "{ran:?}");

    // What `az login` leaves behind, of two users.
    let cache = folder.join("msal_token_cache.json");
    for user in [CONTOSO_USER, GRACE] {
        let mut arguments = lab.at_contoso("login", &["--client-id", AZURE_CLI_CLIENT_ID, "--scope", SCOPE]);
        arguments.extend(["--cache".to_owned(), cache.to_str().unwrap().to_owned()]);
        let child = lab.begin(&refs(&arguments), &[]);
        let url = lab.opened();
        let back = lab.server.platform().sign_in(&url, user, now()).unwrap();
        come_back(&back);
        assert_eq!(end(child).code, 0);
    }
    let before = fs::read(&cache).unwrap();
    let ran = az(&[]);
    assert!(ran.code == 2 && is_one_line(&ran) && ran.err.contains(GRACE), "{ran:?}");
    let profile = json!({"subscriptions": [
        {"id": "other", "isDefault": false, "tenantId": "x", "user": {"name": CONTOSO_USER, "type": "user"}},
        {"id": "s", "isDefault": true, "tenantId": CONTOSO_TENANT, "user": {"name": GRACE, "type": "user"}},
    ]});
    fs::write(folder.join("azureProfile.json"), format!("\u{feff}{profile}")).unwrap();
    for (more, user) in [(&[] as &[&str], GRACE), (&["--account", CONTOSO_USER], CONTOSO_USER)] {
        let ran = az(&[more, &["--json"]].concat());
        let token: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.code, token["token_source"].as_str()), (0, Some("cache")), "{user}");
    }
    // For another resource by the refresh token; the file is as it was, until that is asked for.
    let vault = ["--scope", "https://vault.azure.net/.default"];
    let arguments = |more: &[&str]| {
        let arguments = lab.at_contoso("token", &[&["--from", "az", "--json"], &vault[..], more].concat());
        end(lab.begin(&refs(&arguments), &[("PATH", "/nonexistent")]))
    };
    let ran = arguments(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let token: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, token["token_source"].as_str()), (0, Some("identity_provider")), "{ran:?}");
    assert_eq!(fs::read(&cache).unwrap(), before);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing beside it");
    assert_eq!(arguments(&["--write-back"]).code, 0);
    let token: Value = serde_json::from_str(&arguments(&[]).out).unwrap();
    assert_eq!(token["token_source"], "cache");

    // Encrypted: said; `az` is started only when that is asked for.
    fs::rename(&cache, folder.join("kept")).unwrap();
    fs::write(folder.join("msal_token_cache.sig"), "").unwrap();
    let ran = az(&[]);
    assert!(ran.code == 6 && is_one_line(&ran) && ran.err.contains("encrypted"), "{ran:?}");
    let script = "#!/bin/sh\nprintf '%s ' \"$@\" > \"${0%/*}/asked\"\necho '{\"accessToken\": \"of-az\", \"expires_on\": 1900000000, \"tenant\": \"t\"}'\n";
    fs::write(lab.folder.join("az"), script).unwrap();
    fs::set_permissions(lab.folder.join("az"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = lab.folder.to_str().unwrap();
    let arguments = ["token", "--from", "az", "--run-az", "--scope", SCOPE, "--tenant", "contoso"];
    let ran = end(lab.begin(&arguments, &[("PATH", path)]));
    assert_eq!((ran.code, &*ran.out), (0, "of-az\n"), "{ran:?}");
    let asked = fs::read_to_string(lab.folder.join("asked")).unwrap();
    assert_eq!(asked, format!("account get-access-token --output json --scope {SCOPE} --tenant contoso "));
    let ran = end(lab.begin(&["token", "--from", "az", "--run-az", "--scope", "a&b"], &[("PATH", path)]));
    assert!(ran.code == 6 && ran.err.contains("not passed on"), "{ran:?}");
    // An application, whose credential is no token.
    let profile = profile.to_string().replace("\"type\":\"user\"", "\"type\":\"servicePrincipal\"");
    fs::write(folder.join("azureProfile.json"), profile).unwrap();
    fs::rename(folder.join("kept"), &cache).unwrap();
    assert_eq!(az(&[]).code, 2);
}
