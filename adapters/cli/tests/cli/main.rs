//! The program as people and scripts meet it: output, exit codes, one line for each thing that goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod proofs;

#[path = "../../../std/tests/support/mod.rs"]
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rcgen::KeyPair;
use sansal::base64::{url_decode, url_encode};
use sansal::pop::{PopKey, Signed};
use serde_json::{Value, json};
use support::{Authority, Server, respond};

const CERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/certs");

/// What a run of the program left.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Runs the program with these variables and no others.
fn sansal(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sansal"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder of one test, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn certs(name: &str) -> String {
    Path::new(CERTS).join(name).to_str().unwrap().to_owned()
}

/// An OpenID provider that knows one secret and no certificate. Its token endpoint lies where `token_host` says.
fn provider(authority: &Authority, token_host: &'static str) -> Server {
    Server::tls(&authority.identity(&["localhost"], 2099), move |request, stream| {
        let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let token_host = if token_host.is_empty() { host } else { token_host };
        if request.starts_with("GET") {
            let body = json!({
                "issuer": format!("https://{host}/lab"),
                "authorization_endpoint": format!("https://{host}/lab/auth"),
                "token_endpoint": format!("https://{token_host}/lab/token"),
            });
            respond(stream, "200 OK", "", &body.to_string())
        } else if request.contains("client_secret=s3cret-planted&") || request.ends_with("client_secret=s3cret-planted")
        {
            let body = r#"{"access_token":"the-token","token_type":"Bearer","expires_in":60,"scope":"a"}"#;
            respond(stream, "200 OK", "", body)
        } else {
            let body =
                r#"{"error":"invalid_client","error_description":"client authentication \u001b[31mfailed\r\nmore"}"#;
            respond(stream, "401 Unauthorized", "", body)
        }
    })
}

#[test]
fn a_token() {
    let (folder, authority) = (Folder::new("token"), Authority::new("Lab CA"));
    let server = provider(&authority, "");
    let issuer = server.url("https", "localhost", "/lab");
    let ca = folder.file("ca.pem", &authority.pem);
    let secret = folder.file("secret", "s3cret-planted\r\n");
    let common = ["token", "--issuer", &issuer, "--client-id", "app", "--scope", "a", "--ca", &ca];
    let with = |more: &[&str], variables: &[(&str, &str)]| sansal(&[&common[..], more].concat(), variables, "");

    let ran = with(&["--client-secret-file", &secret], &[]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "the-token\n", ""));
    let ran = with(&["--client-secret-env", "MY"], &[("MY", "s3cret-planted")]);
    assert_eq!((ran.code, &*ran.out), (0, "the-token\n"));

    let ran = with(&["--json"], &[("AZURE_CLIENT_SECRET", "s3cret-planted")]);
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&result["access_token"], &result["token_source"]), (&json!("the-token"), &json!("identity_provider")));
    assert_eq!((&result["token_type"], &result["scope"]), (&json!("Bearer"), &json!("a")));
    assert!(result["expires_on"].as_u64().unwrap() > 1_700_000_000);

    for (flag, named) in [("-v", false), ("-vv", true)] {
        let ran = with(&["--client-secret-file", &secret, flag], &[]);
        assert_eq!((ran.code, &*ran.out), (0, "the-token\n"));
        assert!(ran.err.contains("host=\"localhost\"") && ran.err.contains("status=200"), "{}", ran.err);
        assert!(!ran.err.contains("planted") && !ran.err.contains("the-token"), "{}", ran.err);
        assert_eq!(ran.err.contains("/lab/token"), named, "{}", ran.err);
    }
}

#[test]
fn proxies_are_not_for_loopback() {
    let (folder, authority) = (Folder::new("proxy"), Authority::new("Lab CA"));
    let server = provider(&authority, "");
    let proxy = Server::raw(drop);
    let address = proxy.url("http", "127.0.0.1", "");
    let ca = folder.file("ca.pem", &authority.pem);
    let issuer = server.url("https", "localhost", "/lab");
    let variables = [
        ("AZURE_CLIENT_SECRET", "s3cret-planted"),
        ("AZURE_CLIENT_ID", "app"),
        ("HTTPS_PROXY", &*address),
        ("HTTP_PROXY", &*address),
        ("ALL_PROXY", &*address),
        ("https_proxy", &*address),
    ];
    let ran = sansal(&["token", "--issuer", &issuer, "--scope", "a", "--ca", &ca], &variables, "");
    assert_eq!((ran.code, &*ran.out), (0, "the-token\n"), "{}", ran.err);
    assert_eq!(proxy.connections(), 0);
    // For other hosts it is; this one hangs up.
    let ran = sansal(&["token", "--issuer", "https://idp.example/lab", "--scope", "a"], &variables, "");
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(proxy.connections() > 0);
}

#[test]
fn roots_of_the_system_come_from_a_variable() {
    let (folder, authority) = (Folder::new("roots"), Authority::new("Lab CA"));
    let server = provider(&authority, "");
    let issuer = server.url("https", "localhost", "/lab");
    let ca = folder.file("ca.pem", &authority.pem);
    let variables = [("AZURE_CLIENT_SECRET", "s3cret-planted"), ("AZURE_CLIENT_ID", "app"), ("SSL_CERT_FILE", &*ca)];
    let ran = sansal(&["token", "--issuer", &issuer, "--scope", "a"], &variables, "");
    assert_eq!((ran.code, &*ran.out), (0, "the-token\n"), "{}", ran.err);
}

#[test]
fn each_mistake_has_its_line() {
    let (folder, authority) = (Folder::new("mistakes"), Authority::new("Lab CA"));
    let server = provider(&authority, "");
    let elsewhere = provider(&authority, "tokens.example");
    let issuer = server.url("https", "localhost", "/lab");
    let other = elsewhere.url("https", "localhost", "/lab");
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let unreachable = format!("https://localhost:{refused}/lab");
    let ca = folder.file("ca.pem", &authority.pem);
    let wrong_ca = folder.file("wrong.pem", &Authority::new("Lab CA").pem);
    let secret = folder.file("secret", "s3cret-planted");
    let wrong = folder.file("wrong", "wrong");
    let empty = folder.file("empty", "\n");
    let (key, certificate) = (certs("rsa2048.key.pkcs8.pem"), certs("rsa2048.cert.pem"));
    let encrypted = certs("rsa2048.key.enc-pbes2-aes256-sha256.pem");
    let foreign = certs("rsa4096.cert.pem");
    let (pfx, no_key) = (certs("rsa2048.modern.pfx"), certs("rsa2048.cert-only.pfx"));
    let passphrase = folder.file("passphrase", "oracle-pass");
    let base = |issuer: &str, more: &[&str]| {
        let mut all = vec!["token", "--issuer", issuer, "--client-id", "app", "--scope", "a"];
        all.extend(more);
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let by_secret = ["--client-secret-file", &*secret];
    let cases: &[(&str, i32, Vec<String>)] = &[
        ("wrong CA", 3, base(&issuer, &[&by_secret[..], &["--ca", &wrong_ca]].concat())),
        ("wrong secret", 1, base(&issuer, &["--client-secret-file", &wrong, "--ca", &ca])),
        ("wrong key", 2, base(&issuer, &["--key", &key, "--certificate", &foreign, "--ca", &ca])),
        ("no passphrase", 2, base(&issuer, &["--key", &encrypted, "--certificate", &certificate])),
        (
            "wrong passphrase",
            2,
            base(&issuer, &["--key", &encrypted, "--certificate", &certificate, "--passphrase-file", &wrong]),
        ),
        ("PFX, wrong passphrase", 2, base(&issuer, &["--certificate", &pfx, "--passphrase-file", &wrong])),
        ("PFX without key", 2, base(&issuer, &["--certificate", &no_key, "--passphrase-file", &passphrase])),
        ("http", 2, base("http://localhost/lab", &by_secret)),
        ("unreachable", 3, base(&unreachable, &by_secret)),
        ("host not allowed", 2, base(&other, &[&by_secret[..], &["--ca", &ca]].concat())),
        ("no credential", 7, base(&issuer, &[])),
        ("empty secret", 2, base(&issuer, &["--client-secret-file", &empty])),
        ("no file", 6, base(&issuer, &["--client-secret-file", "/nonexistent/secret"])),
        ("no key file", 6, base(&issuer, &["--key", "/nonexistent/key"])),
        ("no assertion file", 6, base(&issuer, &["--assertion-file", "/nonexistent/assertion"])),
        ("no variable", 2, base(&issuer, &["--client-secret-env", "ABSENT"])),
        ("no thumbprint", 2, base(&issuer, &["--key", &key])),
        ("bad CA", 2, base(&issuer, &[&by_secret[..], &["--ca", &secret]].concat())),
        ("bad scope", 2, base(&issuer, &[&by_secret[..], &["--scope", "a b"]].concat())),
        ("stray thumbprint", 2, base(&issuer, &["--assertion-file", &wrong, "--thumbprint", "00"])),
    ];
    let mut lines: Vec<String> = Vec::new();
    for (name, code, arguments) in cases {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = sansal(&arguments, &[], "");
        assert_eq!((ran.code, &*ran.out), (*code, ""), "{name}: {}", ran.err);
        assert!(ran.err.starts_with("sansal: ") && ran.err.ends_with('\n'), "{name}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{name}: {}", ran.err);
        assert!(!ran.err.trim_end().contains(|c: char| c.is_control()), "{name}: {:?}", ran.err);
        assert!(!ran.err.contains("planted") && !lines.contains(&ran.err), "{name}: {}", ran.err);
        lines.push(ran.err);
    }
    // The provider knows no certificate; it was asked, so the file was opened and signed with.
    let by_pfx = base(&issuer, &["--certificate", &pfx, "--x5c", "--passphrase-file", &passphrase, "--ca", &ca]);
    let ran = sansal(&by_pfx.iter().map(String::as_str).collect::<Vec<_>>(), &[], "");
    assert!(ran.code == 1 && ran.err.contains("invalid_client"), "{ran:?}");
    assert!(lines[0].contains("(--ca FILE)"), "{}", lines[0]);
    // Not one of them, but the server's own word: its escape sequence is gone.
    assert!(lines[1].contains("invalid_client: client authentication  [31mfailed"), "{}", lines[1]);
}

#[test]
fn the_environment_is_named_in_errors() {
    let cases: &[(&[(&str, &str)], i32, &str)] = &[
        (&[], 2, "give --client-id, or set the environment variable AZURE_CLIENT_ID"),
        (
            &[("AZURE_CLIENT_ID", "app")],
            2,
            "give --tenant, --authority or --issuer, or set the environment variable AZURE_TENANT_ID or AZURE_AUTHORITY",
        ),
        (&[("AZURE_CLIENT_ID", "app"), ("AZURE_TENANT_ID", "t")], 7, "AZURE_CLIENT_SECRET"),
        (
            &[
                ("AZURE_CLIENT_ID", "app"),
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_CLIENT_SECRET", "planted"),
                ("AZURE_CERTIFICATE_PATH", "p"),
            ],
            2,
            "AZURE_CLIENT_SECRET and AZURE_CLIENT_CERTIFICATE_PATH",
        ),
    ];
    for (variables, code, expected) in cases {
        let ran = sansal(&["token", "--scope", "a"], variables, "");
        assert_eq!(ran.code, *code, "{}", ran.err);
        assert!(ran.err.contains(expected) && !ran.err.contains("planted"), "{}", ran.err);
    }
}

/// What a newcomer types, and the words that tell what to type instead.
#[test]
fn mistakes_are_answered_in_terms_of_the_command_line() {
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkIn0.";
    let encrypted = certs("rsa2048.key.enc-pbes2-aes256-sha256.pem");
    let certificate = certs("rsa2048.cert.pem");
    let (folder, tenant) = (env!("CARGO_TARGET_TMPDIR"), ["--client-id", "a", "--tenant", "t", "--scope", "s"]);
    let timeout = [&["token", "--client-secret-env", "S", "--timeout", "0"], &tenant[..]].concat();
    let key = [&["token", "--key", &encrypted, "--certificate", &certificate], &tenant[..]].concat();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["decode", "/nonexistent"], 6, "cannot read /nonexistent: there is no such file"),
        (&["certs", folder], 6, "it is a folder"),
        (&["accounts", "--cache", folder], 6, "it is a folder"),
        (&["decode", token], 2, "give it on standard input"),
        (&["verify", token, "--audience", "a", "--tenant", "t"], 2, "give it on standard input"),
        (&["decode"], 2, "there is no token"),
        (&["verify", "/dev/stdin", "--audience", "a", "--tenant", "contoso.example"], 2, "there is no token"),
        (
            &["pop", "--scope", "s", "GET", "https://a.example"],
            2,
            "Usage: sansal pop <METHOD> <URL> --scope <SCOPE>...",
        ),
        (&timeout, 2, "--timeout"),
        (&["login", "--client-id", "a", "--patience", "0"], 2, "--patience"),
        (&key, 2, "(--passphrase-file or --passphrase-env)"),
    ];
    for (arguments, code, expected) in cases {
        let ran = sansal(arguments, &[("S", "s3cret")], "");
        assert_eq!((ran.code, &*ran.out), (*code, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(expected) && !ran.err.contains(token), "{arguments:?}: {}", ran.err);
    }
    let ran = sansal(&["certs", &encrypted], &[], "");
    assert!(ran.code == 0 && ran.out.contains("encrypted: give its passphrase by --passphrase-file"), "{ran:?}");
    let ran = sansal(&["verify", "--audience", "a", "--tenant", "contoso.example"], &[], token);
    assert!(ran.code == 2 && ran.err.contains("--tenants any"), "{ran:?}");
}

#[test]
fn decode() {
    let token = "eyJhbGciOiJub25lIn0.eyJleHAiOjk1MTc4MjQwMH0.";
    let folder = Folder::new("decode");
    let file = folder.file("token", token);
    let json = json!({ "access_token": token }).to_string();
    let cases = [("", token), ("-", token), ("-", &json), (&*file, "")];
    for (argument, input) in cases {
        let arguments: Vec<&str> = ["decode", argument].into_iter().filter(|a| !a.is_empty()).collect();
        let ran = sansal(&arguments, &[], input);
        assert_eq!(ran.code, 0);
        let expected = json!({
            "verified": false, "header": { "alg": "none" }, "claims": { "exp": 951_782_400 },
            "dates": { "exp": "2000-02-29T00:00:00Z" },
        });
        assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap(), expected);
        assert!(ran.err.contains("not verified"), "{}", ran.err);
    }
    for input in ["", "planted", "planted.planted.planted", "\u{1b}[2J"] {
        let ran = sansal(&["decode"], &[], input);
        assert_eq!((ran.code, &*ran.out), (2, ""));
        assert!(ran.err.lines().count() == 1 && !ran.err.contains("planted"), "{}", ran.err);
    }
}

#[test]
fn certificates() {
    let (both, key) = (certs("chain.leaf-intermediate-root.pem"), certs("chain.leaf.key.pem"));
    let ran = sansal(&["certs", &both, &key], &[], "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in ["CN=oracle test leaf", "CN=oracle test root", "RSA, 2048 bits, not encrypted", "belongs to"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let encrypted = certs("rsa2048.key.enc-pbes2-aes256-sha256.pem");
    let folder = Folder::new("certs");
    let passphrase = folder.file("passphrase", "oracle-pass\n");
    let (certificate, ec) = (certs("rsa2048.cert.der"), certs("ec256.cert.pem"));
    let files = ["certs", "--json", &certificate, &ec, &encrypted, "--passphrase-file", &passphrase];
    let ran = sansal(&files, &[], "");
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    let first = &shown[0]["certificates"][0];
    assert_eq!(first["subject"], "O=Test Only,CN=oracle rsa2048 self-signed");
    assert_eq!(first["sha1"], "2e9e65103f3507b7d386d6ffff2a88b494b427d6");
    assert_eq!(first["sha256"], "4467518a60ce7632576d26a9f53efeb31f3bec9c1e725c01a597036e3cc6520f");
    assert_eq!((&first["serial"], &first["key"]), (&json!("102048"), &json!("RSA, 2048 bits")));
    assert_eq!(shown[1]["certificates"][0]["key"], "EC, P-256");
    let key = &shown[2]["private_key"];
    assert_eq!((&key["encrypted"], &key["key"]), (&json!(true), &json!("RSA, 2048 bits")));
    assert_eq!(key["belongs_to"], json!([first["sha256"]]));

    // Without the passphrase it says what is missing; nothing else is an error.
    let ran = sansal(&["certs", &encrypted], &[], "");
    assert!(ran.code == 0 && ran.out.contains("give its passphrase"), "{ran:?}");
    // PFX files say nothing before they are opened; a name says nothing about what a file is.
    let (pfx, certificate_only) = (certs("chain.leaf-with-intermediate.pfx"), certs("rsa2048.cert-only.pfx"));
    let ran = sansal(&["certs", &pfx], &[], "");
    assert!(ran.code == 2 && ran.err.contains("give its passphrase"), "{ran:?}");
    let ran = sansal(&["certs", "--json", &pfx, &certificate_only, "--passphrase-file", &passphrase], &[], "");
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown[0]["certificates"][0]["subject"], "OU=éñ,CN=oracle test leaf");
    assert_eq!(shown[0]["certificates"][1]["subject"], "CN=oracle test intermediate");
    assert_eq!(shown[0]["private_key"]["encrypted"], json!(true));
    assert_eq!(shown[0]["private_key"]["belongs_to"], json!([shown[0]["certificates"][0]["sha256"]]));
    assert_eq!((&shown[0]["in_order"], &shown[1]["private_key"]), (&json!(true), &Value::Null));
    let ran = sansal(&["certs", &certs("chain.root-first.pem")], &[], "");
    assert!(ran.out.contains("the leaf comes first"), "{ran:?}");
    let ran = sansal(&["certs", &passphrase], &[], "");
    assert_eq!((ran.code, &*ran.out), (2, ""), "{}", ran.err);
    assert!(!ran.err.contains("oracle-pass"));
}

#[test]
fn nobody_reads() {
    let certificate = certs("rsa2048.cert.pem");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        Command::new(env!("CARGO_BIN_EXE_sansal")).args(["certs", &certificate]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    #[cfg(target_os = "linux")]
    {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sansal")).args(["certs", &certificate]).stdout(full).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(6));
        assert!(output.stderr.starts_with(b"sansal: cannot write to standard output"));
    }
}

#[test]
fn help() {
    let ran = sansal(&["--help"], &[], "");
    assert!(ran.code == 0 && ran.out.contains("Exit codes:"), "{}", ran.out);
    let ran = sansal(&["tokn"], &[], "");
    assert!(ran.code == 2 && ran.err.contains("'token'"), "{}", ran.err);
    // A secret is no argument.
    let ran = sansal(&["token", "--client-secret", "planted", "--scope", "a"], &[], "");
    assert_eq!((ran.code, &*ran.out), (2, ""));
}

#[test]
fn the_demo_shows_every_step_and_no_secret() {
    let ran = sansal(&["demo"], &[], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let begins = |line: &&str| line.starts_with("machine ");
    let steps: Vec<&str> = ran.out.lines().filter(begins).map(|line| line.split(' ').nth(2).unwrap()).collect();
    let first = "Start Load Loaded Send Response Commit Committed Ask Answer Send Response Commit Committed Done";
    let cached = "Start Load Loaded Commit Committed Done";
    let browser = "Start Load Loaded Ask Answer Send Response Commit Committed Done Start Load Loaded";
    let device =
        "Start Load Loaded Send Response Ask Answer Send Response Wait Woke Send Response Commit Committed Done";
    assert_eq!(steps.join(" "), format!("{first} {cached} {browser} {cached} {device}"));
    for shown in [
        "client_assertion = [hidden]",
        "\"x5t#S256\"",
        "\"roles\"",
        "from the platform",
        "from the cache",
        "signs in as",
        "types",
        "code_verifier = [hidden]",
        "authorization_pending",
    ] {
        assert!(ran.out.contains(shown), "{shown}");
    }
    // No colour where there is no terminal, and no signature: every token is cut.
    assert!(!ran.out.contains('\u{1b}'));
    let longest = ran.out.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)).map(str::len).max();
    assert!(longest.unwrap() < 70, "{longest:?}");
}
