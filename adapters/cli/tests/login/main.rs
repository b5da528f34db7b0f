//! Signing in, tokens, accounts and signing out as people and scripts meet them, against `sansal-sim` over TLS.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod caches;

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sansal_sim::{CONTOSO_PUBLIC, CONTOSO_TENANT, CONTOSO_USER, Platform, Revoke, Server, User};
use serde_json::{Value, json};

use loopback::{exchange, post};

#[path = "../../../std/tests/support/loopback.rs"]
mod loopback;

const GRACE: &str = "grace@contoso.onmicrosoft.com";
const SCOPE: &str = "https://graph.microsoft.com/User.Read";

/// A platform, and a machine with a user's folder on which the program runs.
struct Lab {
    server: Server,
    folder: PathBuf,
}

/// What a run of the program left.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Lab {
    fn new(name: &str) -> Self {
        Self::with(name, |platform| platform)
    }

    fn with(name: &str, change: impl FnOnce(Platform) -> Platform) -> Self {
        let grace = User::new(CONTOSO_TENANT, "a0e1e000-1111-4222-8333-000000000002", GRACE, "planted-password");
        let platform = change(Platform::contoso(7).unwrap().user(grace).device_times(900, 1));
        let server = Server::start(platform).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("login-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.pem"), server.ca_pem()).unwrap();
        // A browser that writes down where it was sent.
        let browser = folder.join("browser");
        fs::write(&browser, "#!/bin/sh\nprintf '%s\\n' \"$1\" > \"${0%/*}/opened\"\n").unwrap();
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
        Self { server, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Where the cache lies when nobody says so.
    fn cache(&self) -> PathBuf {
        self.folder.join("data/sansal/tokens.json")
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sansal"));
        command.args(arguments).env_clear().env("XDG_DATA_HOME", self.folder.join("data")).env("HOME", &self.folder);
        command.env("BROWSER", self.folder.join("browser")).envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn begin(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        self.command(arguments, variables).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        end(self.begin(arguments, &[]))
    }

    /// A command of the public client at the tenant, with these arguments more.
    fn at_contoso(&self, command: &str, more: &[&str]) -> Vec<String> {
        let (authority, ca) = (self.server.authority(CONTOSO_TENANT), self.path("ca.pem"));
        let common = [command, "--authority", &authority, "--ca", &ca, "--no-instance-discovery"];
        common.iter().chain(more).map(|&text| text.to_owned()).collect()
    }

    fn run_at_contoso(&self, command: &str, more: &[&str]) -> Ran {
        self.run(&refs(&self.at_contoso(command, more)))
    }

    /// The address that the browser was sent to.
    fn opened(&self) -> String {
        let path = self.folder.join("opened");
        for _ in 0..3000 {
            match fs::read_to_string(&path) {
                Ok(text) if text.ends_with('\n') => {
                    fs::remove_file(&path).unwrap();
                    return text.trim_end().to_owned();
                }
                _ => thread::sleep(Duration::from_millis(10)),
            }
        }
        panic!("no browser was opened")
    }

    /// Signs this user in by the browser.
    fn sign_in(&self, user: &str, more: &[&str]) -> Ran {
        let arguments = self.at_contoso("login", &[&["--client-id", CONTOSO_PUBLIC, "--scope", SCOPE], more].concat());
        let child = self.begin(&refs(&arguments), &[]);
        // Before the platform is held, or it could not answer the program.
        let url = self.opened();
        let back = self.server.platform().sign_in(&url, user, now()).unwrap();
        come_back(&back);
        end(child)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn end(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let ran = Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "escape sequences without a terminal: {ran:?}");
    assert!(!ran.err.contains("eyJ") && !ran.err.contains("planted"), "a secret: {}", ran.err);
    ran
}

/// What a browser does with the form that posts itself.
fn come_back(back: &sansal_sim::Redirected) -> u16 {
    let port: u16 = back.redirect_uri.rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let pairs: Vec<String> = back.parameters.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
    let request = post("/", &format!("localhost:{port}"), &pairs.join("&"));
    exchange(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(), request.as_bytes()).status
}

/// One line that begins with the program's name.
fn is_one_line(ran: &Ran) -> bool {
    ran.out.is_empty() && ran.err.starts_with("sansal: ") && ran.err.ends_with('\n') && ran.err.lines().count() == 1
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// As [`end`], where the user's own words may come back.
fn end_unchecked(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn in_the_browser_and_then_silently() {
    let lab = Lab::new("browser");
    let ran = lab.sign_in(CONTOSO_USER, &[]);
    assert_eq!((ran.code, &*ran.out), (0, &*format!("{CONTOSO_USER} is signed in\n")), "{}", ran.err);
    assert_eq!(ran.err, "sansal: opening the browser; sign in there (--no-browser shows the address instead)\n");
    assert_eq!((mode(&lab.cache()), mode(lab.cache().parent().unwrap())), (0o600, 0o700));
    // MSAL's schema, as it is.
    let cache: Value = serde_json::from_slice(&fs::read(lab.cache()).unwrap()).unwrap();
    let secret = |section: &str| {
        let (_, entry) = cache[section].as_object().unwrap().iter().next().unwrap();
        entry["secret"].as_str().unwrap().to_owned()
    };
    let (access, refresh) = (secret("AccessToken"), secret("RefreshToken"));
    assert!(!ran.out.contains(&access) && !ran.out.contains(&refresh));

    // From the cache, without asking which application: there is only one.
    let asked = lab.server.platform().asked(&sansal_sim::On::Token);
    let ran = lab.run_at_contoso("token", &["--scope", SCOPE]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, &*format!("{access}\n"), ""));
    assert_eq!(lab.server.platform().asked(&sansal_sim::On::Token), asked);
    // By the refresh token.
    let ran = lab.run_at_contoso("token", &["--scope", SCOPE, "--force-refresh", "--json", "--account", CONTOSO_USER]);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &result["token_source"]), (0, &json!("identity_provider")), "{}", ran.err);
    assert!(result["access_token"] != json!(access) && result.get("refresh_token").is_none(), "{result}");

    // The server wants to see the person again.
    lab.server.platform().revoke(CONTOSO_USER, &Revoke::Interaction { claims: "{\"access_token\":{}}".to_owned() });
    let ran = lab.run_at_contoso("token", &["--scope", SCOPE, "--force-refresh"]);
    assert!(ran.code == 7 && is_one_line(&ran) && ran.err.contains("run 'sansal login'"), "{ran:?}");
}

#[test]
fn accounts_and_signing_out() {
    let lab = Lab::new("accounts");
    let ran = lab.run(&["accounts"]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", "sansal: nobody is signed in\n"));
    assert_eq!(lab.run(&["accounts", "--json"]).out, "[]\n");
    let ran = lab.run(&["logout"]);
    assert!(ran.code == 7 && is_one_line(&ran), "{ran:?}");
    let ran = lab.run_at_contoso("token", &["--scope", SCOPE, "--client-id", CONTOSO_PUBLIC]);
    assert!(ran.code == 7 && is_one_line(&ran) && ran.err.contains("nobody is signed in"), "{ran:?}");
    assert!(!lab.cache().exists(), "looking makes no file");

    let ran = lab.sign_in(CONTOSO_USER, &["--json", "--port", "0", "--prompt", "select_account"]);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&result["account"]["username"], &result["client_id"]), (&json!(CONTOSO_USER), &json!(CONTOSO_PUBLIC)));
    assert!(!ran.out.contains("eyJ"), "{}", ran.out);
    assert_eq!(lab.sign_in(GRACE, &["--login-hint", GRACE]).code, 0);

    let ran = lab.run(&["accounts", "--json"]);
    let listed: Value = serde_json::from_str(&ran.out).unwrap();
    let mut names: Vec<&str> = listed.as_array().unwrap().iter().map(|a| a["username"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, [CONTOSO_USER, GRACE]);
    let ran = lab.run(&["accounts"]);
    assert_eq!(ran.out.lines().filter(|line| line.contains(CONTOSO_TENANT)).count(), 2, "{}", ran.out);

    // Which of them?
    for command in [lab.run_at_contoso("token", &["--scope", SCOPE]), lab.run(&["logout"])] {
        assert!(command.code == 2 && is_one_line(&command), "{command:?}");
        assert!(command.err.contains("--account") && command.err.contains(GRACE), "{command:?}");
    }
    let ran = lab.run_at_contoso("token", &["--scope", SCOPE, "--account", "nobody@contoso.example"]);
    assert!(ran.code == 7 && is_one_line(&ran), "{ran:?}");
    let ran = lab.run_at_contoso("token", &["--scope", SCOPE, "--account", &GRACE.to_uppercase()]);
    assert!(ran.code == 0 && ran.out.starts_with("eyJ"), "{ran:?}");

    let ran = lab.run(&["logout", "--account", GRACE]);
    assert_eq!((ran.code, ran.out.contains(GRACE)), (0, true), "{ran:?}");
    let text = fs::read_to_string(lab.cache()).unwrap();
    assert!(text.contains(CONTOSO_USER) && !text.contains("000000000002"), "something of hers is left");
    let ran = lab.run(&["logout", "--all", "--json"]);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, result["signed_out"].as_array().unwrap().len()), (0, 1));
    let left: Value = serde_json::from_slice(&fs::read(lab.cache()).unwrap()).unwrap();
    for section in ["AccessToken", "RefreshToken", "IdToken", "Account"] {
        assert_eq!(left[section], json!({}), "{section}");
    }
    assert_eq!(mode(&lab.cache()), 0o600);
}

/// The lines on standard error up to the one with the code, and the code.
fn code_shown(child: &mut Child) -> (String, String) {
    let (stderr, mut line) = (child.stderr.as_mut().unwrap(), Vec::new());
    // Byte by byte: what comes after the line stays in the pipe.
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let line = String::from_utf8(line).unwrap();
    let code = line.trim_end().rsplit("enter the code ").next().unwrap().to_owned();
    (line, code)
}

#[test]
fn at_another_device() {
    let lab = Lab::new("device");
    let arguments = lab.at_contoso("login", &["--client-id", CONTOSO_PUBLIC, "--device-code", "--scope", SCOPE]);
    let mut child = lab.begin(&refs(&arguments), &[]);
    let (line, code) = code_shown(&mut child);
    assert!(line.starts_with("sansal: to sign in, open https://localhost:"), "{line}");
    assert!(lab.server.platform().approve_device(&code, CONTOSO_USER), "{line}");
    let ran = end(child);
    assert_eq!((ran.code, &*ran.out), (0, &*format!("{CONTOSO_USER} is signed in\n")), "{}", ran.err);
    assert_eq!(lab.run_at_contoso("token", &["--scope", SCOPE]).code, 0);

    // Declined; with a drawing, because somebody wanted one.
    let mut child = lab.begin(&refs(&[&arguments[..], &["--qr".into(), "always".into()]].concat()), &[]);
    let (_, code) = code_shown(&mut child);
    assert!(lab.server.platform().decline_device(&code));
    let ran = end(child);
    let last = ran.err.lines().last().unwrap();
    assert!(ran.code == 1 && last.starts_with("sansal: the sign-in was declined: "), "{ran:?}");
    assert!(ran.err.contains('\u{2588}'), "{ran:?}");
}

#[test]
fn too_slow_at_another_device() {
    let lab = Lab::with("slow", |platform| platform.device_times(2, 1));
    let arguments = lab.at_contoso("login", &["--client-id", CONTOSO_PUBLIC, "--device-code"]);
    let ran = lab.run(&refs(&arguments));
    assert!(ran.code == 7 && ran.out.is_empty(), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 2, "{ran:?}");
    assert!(ran.err.ends_with("the device code has ended before anybody used it; begin anew\n"), "{ran:?}");
}

#[test]
fn nobody_comes_back() {
    let lab = Lab::new("nobody");
    let login = |more: &[&str]| lab.at_contoso("login", &[&["--client-id", CONTOSO_PUBLIC], more].concat());
    let ran = lab.run(&refs(&login(&["--patience", "1"])));
    assert!(ran.code == 7 && ran.err.lines().count() == 2 && ran.err.contains("within 1 s"), "{ran:?}");
    // The user says no.
    let _ = fs::remove_file(lab.folder.join("opened"));
    lab.server.platform().deny_next("access_denied");
    let child = lab.begin(&refs(&login(&[])), &[]);
    let url = lab.opened();
    let (host, target) =
        url.strip_prefix("https://").unwrap().split_at(url.find('/').map_or(0, |_| url[8..].find('/').unwrap()));
    let answer = lab.server.platform().answer(&sansal_sim::Request::get(host, target, now()));
    come_back(&sansal_sim::Redirected::of(&answer).unwrap());
    let ran = end(child);
    assert!(ran.code == 1 && ran.err.contains("the sign-in was declined: "), "{ran:?}");
    // No browser, and nobody who would read the address.
    let ran = end(lab.begin(&refs(&login(&[])), &[("BROWSER", "")]));
    assert!(ran.code == 2 && ran.err.lines().last().unwrap().contains("--device-code"), "{ran:?}");
    assert!(!ran.err.contains("state="), "{ran:?}");
    // But it is printed for those who want it.
    let ran = lab.run(&refs(&login(&["--no-browser", "--patience", "1"])));
    assert!(ran.code == 7 && ran.err.contains("state=") && ran.err.contains("ssh -L"), "{ran:?}");
    assert!(!lab.folder.join("opened").exists());
}

#[test]
fn each_mistake_has_its_line() {
    let lab = Lab::new("mistakes");
    let ca = lab.path("ca.pem");
    let wrong_tenant = lab.server.authority("nowhere.onmicrosoft.com");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = format!("https://localhost:{closed}/{CONTOSO_TENANT}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let contoso = lab.server.authority(CONTOSO_TENANT);
    let at = |authority: &str, more: &[&str]| {
        let common = ["login", "--authority", authority, "--no-instance-discovery", "--device-code", "--ca", &ca];
        common.iter().chain(more).map(|&text| text.to_owned()).collect::<Vec<_>>()
    };
    let id = ["--client-id", CONTOSO_PUBLIC];
    let browser =
        ["login", "--authority", &contoso, "--no-instance-discovery", "--ca", &ca, "--client-id", CONTOSO_PUBLIC];
    let browser = |more: &[&str]| browser.iter().chain(more).map(|&text| text.to_owned()).collect::<Vec<_>>();
    let cases: &[(&str, i32, &str, Vec<String>)] = &[
        ("wrong tenant", 2, "check the tenant", at(&wrong_tenant, &id)),
        ("no network", 3, "cannot connect", at(&unreachable, &id)),
        ("unknown application", 1, "AADSTS700016", at(&contoso, &["--client-id", "no-such-application"])),
        ("no application", 2, "--client-id", at(&contoso, &[])),
        ("no trust", 3, "trusted root", at(&contoso, &id)[..5].iter().cloned().chain(id.map(String::from)).collect()),
        ("taken port", 6, "another program", browser(&["--port", &port])),
        ("bad scope", 2, "scope", browser(&["--scope", "a b"])),
        ("no folder", 6, "cannot", browser(&["--cache", "/nonexistent/folder/tokens.json"])),
    ];
    let mut lines: Vec<String> = Vec::new();
    for (case, code, part, arguments) in cases {
        let ran = lab.run(&refs(arguments));
        assert_eq!(ran.code, *code, "{case}: {ran:?}");
        assert!(is_one_line(&ran) && ran.err.contains(part) && !lines.contains(&ran.err), "{case}: {ran:?}");
        lines.push(ran.err);
    }
    // Those of the command line are clap's, with a hint.
    for (arguments, part) in [
        (&["logn"][..], "'login'"),
        (&["login", "--prompt", "planted"], "select_account"),
        (&["login", "--claims", "planted"], "JSON object"),
        (&["token", "--scope", "a", "--claims", "[]"], "JSON object"),
        (&["login", "--device-code", "--port", "1"], "--port"),
        (&["login", "--tenant", "a", "--issuer", "https://b"], "--issuer"),
        (&["token", "--resource", "https://vault.azure.net"], "--managed-identity"),
        (&["token", "--managed-identity", "--account", "a", "--scope", "b"], "--account"),
        (&["logout", "--all", "--account", "a"], "--account"),
        (&["completions", "tcsh"], "fish"),
    ] {
        let ran = end_unchecked(lab.begin(arguments, &[]));
        assert!(ran.code == 2 && ran.out.is_empty() && ran.err.contains(part), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn completions() {
    let lab = Lab::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = lab.run(&["completions", shell]);
        assert_eq!((ran.code, &*ran.err), (0, ""), "{shell}");
        assert!(ran.out.contains("sansal") && ran.out.contains("device-code") && ran.out.contains("logout"), "{shell}");
    }
    // Where a shell is at hand, it can read its script.
    if Path::new("/bin/bash").exists() {
        let path = lab.folder.join("completions.bash");
        fs::write(&path, lab.run(&["completions", "bash"]).out).unwrap();
        assert!(Command::new("/bin/bash").arg("-n").arg(&path).status().unwrap().success());
    }
}
