//! Tokens from a server that nobody of us wrote: npm `oidc-provider` over TLS with a private CA, by three hosts and by the command line.
//!
//! `tests/run interop` starts the server; without one (`SANSAL_LAB` is unset) these tests say that they are left out,
//! and fail where `CI` is `true`. Nothing leaves the loopback interface.
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this file is a test")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;

use sansal::error::{Config, HostRule, TlsReason, TokenError};
use sansal::flow::SendError;
use sansal::http::Request;
use sansal::key::Algorithm;
use sansal::time::{Clock, Millis};
use sansal::{Endpoint, Error, Token, TokenSource};
use sansal_std::{
    CertificateCredential, ConfidentialClient, HttpClient, Pkcs11Key, SystemClock, Time, TokenValidator, UreqClient,
};
use sansal_tests::hosts::executor::{Executor, join};
use sansal_tests::hosts::superloop::{Names, Superloop};
use sansal_tests::hosts::{Arguments, World, blocking};

const SCOPE: &str = "api.default";
const AUDIENCE: &str = "urn:lab:api";

/// The server and the files of its clients.
struct Lab {
    issuer: String,
    certs: PathBuf,
    dir: PathBuf,
    log: PathBuf,
}

/// A way to authenticate, RFC 7591 s2 and RFC 7518 s3.1, and what the server calls it.
#[derive(Clone, Copy, Debug)]
enum Way {
    SecretPost,
    Rs256,
    Ps256,
}

const WAYS: [Way; 3] = [Way::SecretPost, Way::Rs256, Way::Ps256];

impl Way {
    fn client_id(self) -> &'static str {
        if matches!(self, Self::SecretPost) { "cc-post" } else { "cc-jwt" }
    }

    fn as_the_server_says(self) -> &'static str {
        match self {
            Self::SecretPost => "client_secret_post",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

impl Lab {
    /// The lab, or `None` with a word about it.
    fn find() -> Option<Self> {
        let Some(issuer) = variable("SANSAL_LAB").filter(|text| text.starts_with("https://")) else {
            let elsewhere = variable("SANSAL_LAB").is_some_and(|text| text == "elsewhere");
            assert!(elsewhere || variable("CI").is_none_or(|ci| ci != "true"), "no server: run tests/run interop");
            eprintln!("left out: no server; tests/run interop starts one");
            return None;
        };
        let path = |name| PathBuf::from(variable(name).unwrap_or_else(|| panic!("{name} is not set")));
        Some(Self { issuer, certs: path("SANSAL_LAB_CERTS"), dir: path("SANSAL_LAB_DIR"), log: path("SANSAL_LAB_LOG") })
    }

    fn file(&self, name: &str) -> String {
        self.certs.join(name).to_str().unwrap().to_owned()
    }

    /// A new file of that name with that text.
    fn write(&self, name: &str, text: &[u8]) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn arguments(&self, way: Way, file: &str) -> Arguments {
        let plain = Arguments {
            issuer: self.issuer.clone(),
            ca: self.file("ca.pem"),
            client_id: way.client_id().to_owned(),
            scopes: vec![SCOPE.to_owned()],
            ..Arguments::default()
        };
        let key = Some(self.file("jwt.key"));
        match way {
            Way::SecretPost => Arguments { secret_file: Some(self.write(file, b"s3cr3t-post")), ..plain },
            Way::Rs256 => Arguments { key, thumbprint: Some(self.thumbprint()), ..plain },
            Way::Ps256 => Arguments { key, certificate: Some(self.file("jwt.pem")), ..plain },
        }
    }

    /// The SHA-1 thumbprint of the client's certificate as openssl sees it.
    fn thumbprint(&self) -> String {
        let openssl = ["x509", "-noout", "-fingerprint", "-sha1", "-in", &self.file("jwt.pem")];
        let said = Command::new("openssl").args(openssl).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        said.trim().split_once('=').unwrap().1.replace(':', "")
    }

    /// Lets `jose` check the tokens against the server's keys, and the server's own log tell how they were earned.
    fn verify(&self, way: Way, tokens: &[&str]) {
        let mut node = Command::new("node")
            .arg(self.dir.join("verify.mjs"))
            .args([&self.issuer, &self.file("ca.pem"), AUDIENCE, way.client_id(), SCOPE])
            .env_remove("NODE_OPTIONS")
            .env_remove("NODE_EXTRA_CA_CERTS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(tokens.join("\n").as_bytes()).unwrap();
        let output = node.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{way:?}: {said}");
        assert_eq!(said.lines().count(), tokens.len(), "{said}");
        let log = std::fs::read_to_string(&self.log).unwrap();
        for line in said.lines() {
            let jti = line.rsplit(' ').next().unwrap();
            let granted = format!("granted {} {} {jti}", way.client_id(), way.as_the_server_says());
            assert!(log.lines().any(|line| line == granted), "the server never said {granted:?}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the lab is named by variables")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Host by host: gets as many tokens as it is given arguments, each in the same world.
type Host = fn(&[Arguments]) -> Vec<Result<Token, Error>>;

const HOSTS: [(&str, Host); 3] = [("blocking", with_blocking), ("superloop", with_superloop), ("async", with_executor)];

fn with_blocking(all: &[Arguments]) -> Vec<Result<Token, Error>> {
    let mut world = World::new().unwrap();
    all.iter()
        .map(|arguments| {
            let client = arguments.client().unwrap();
            let mut flow = arguments.wanted().unwrap().flow(&client).unwrap();
            blocking::run(&mut world, &client, &arguments.trust().unwrap(), &mut flow)
        })
        .collect()
}

fn with_superloop(all: &[Arguments]) -> Vec<Result<Token, Error>> {
    let mut world = World::new().unwrap();
    let names = Names::from([("localhost".to_owned(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]);
    all.iter()
        .map(|arguments| {
            let (client, trust) = (arguments.client().unwrap(), arguments.trust().unwrap());
            let flow = arguments.wanted().unwrap().flow(&client).unwrap();
            let mut superloop = Superloop::new(&client, &trust, &names, flow);
            loop {
                if let Some(done) = superloop.poll(&mut world) {
                    return done;
                }
            }
        })
        .collect()
}

/// One machine after the other would prove little about an executor: those of different clients run side by side.
fn with_executor(all: &[Arguments]) -> Vec<Result<Token, Error>> {
    let (executor, world) = (Executor::default(), RefCell::new(World::new().unwrap()));
    let get = async |arguments: &Arguments| {
        let client = arguments.client().unwrap();
        let mut flow = arguments.wanted().unwrap().flow(&client).unwrap();
        executor.run(&world, &client, &arguments.trust().unwrap(), &mut flow).await
    };
    let mut results = Vec::new();
    let mut rest = all;
    while !rest.is_empty() {
        let mut seen = BTreeSet::new();
        let alone = rest.iter().take_while(|arguments| seen.insert(&arguments.client_id)).count();
        let (batch, later) = rest.split_at(alone);
        let batch: Vec<Pin<Box<dyn Future<Output = _> + '_>>> =
            batch.iter().map(|arguments| Box::pin(get(arguments)) as Pin<Box<dyn Future<Output = _> + '_>>).collect();
        results.extend(executor.block_on(join(batch)));
        rest = later;
    }
    results
}

#[test]
fn each_host_gets_a_token_each_way_and_then_finds_it() {
    let Some(lab) = Lab::find() else { return };
    for (host, run) in HOSTS {
        let mut fresh = BTreeMap::new();
        for way in WAYS {
            let arguments = lab.arguments(way, &format!("{host}.secret"));
            let tokens: Vec<Token> = run(&[arguments.clone(), arguments])
                .into_iter()
                .map(|r| r.unwrap_or_else(|e| panic!("{host} {way:?}: {e}")))
                .collect();
            let [first, second] = tokens.as_slice() else { panic!("{host}: {} tokens", tokens.len()) };
            assert_eq!(first.source(), TokenSource::IdentityProvider, "{host} {way:?}");
            assert_eq!(second.source(), TokenSource::Cache, "{host} {way:?}");
            assert_eq!(first.access_token(), second.access_token(), "{host} {way:?}");
            assert_eq!((first.token_type(), first.stored()), ("Bearer", Ok(())), "{host} {way:?}");
            lab.verify(way, &[first.access_token()]);
            fresh.insert(first.access_token().to_owned(), way.as_the_server_says());
        }
        assert_eq!(fresh.len(), WAYS.len(), "{host}: a token was handed out twice");
    }
}

#[test]
fn a_key_in_a_pkcs11_token_signs_assertions() {
    // The private key never is in this process: SoftHSM2 signs, the server verifies (RFC 7523 s3).
    let Some(lab) = Lab::find() else { return };
    let Some(module) = variable("SANSAL_HSM") else { panic!("no PKCS#11 token: tests/lab/with-softhsm makes one") };
    let key = || Pkcs11Key::builder(&module).token("sansal").label("client").pin("1234").open().unwrap();
    let ca = std::fs::read(lab.file("ca.pem")).unwrap();
    let get = |credential: CertificateCredential| {
        let client = ConfidentialClient::builder("cc-jwt").oidc_authority(&lab.issuer).extra_roots(&ca);
        client.certificate(credential).build().unwrap().acquire_token_for_client(&[SCOPE])
    };
    let certificate = std::fs::read_to_string(lab.file("jwt.pem")).unwrap();
    for (way, credential) in [
        (Way::Ps256, CertificateCredential::held(key()).certificate(&certificate)),
        (Way::Rs256, CertificateCredential::held(key()).thumbprint(&lab.thumbprint())),
    ] {
        let token = get(credential).unwrap_or_else(|e| panic!("{way:?}: {e}"));
        lab.verify(way, &[token.access_token()]);
    }
    let other = Pkcs11Key::builder(&module).token("sansal").label("made").pin("1234").open().unwrap();
    match get(CertificateCredential::held(other).thumbprint(&lab.thumbprint())) {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.error(), "invalid_client"),
        other => panic!("{other:?}"),
    }

    let pin = lab.write("pkcs11.pin", b"1234");
    let wrong = lab.write("pkcs11.wrong", b"4321");
    let uri =
        |object: &str, pin: &str| format!("pkcs11:token=sansal;object={object}?module-path={module}&pin-source={pin}");
    let with = |key: String| Arguments { key: Some(key), ..lab.arguments(Way::Ps256, "pkcs11.secret") };
    let output = run_token(&with(uri("client", &pin)), &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    lab.verify(Way::Ps256, &[said["access_token"].as_str().unwrap()]);
    for (key, word) in [
        (uri("client", &wrong), "does not take this PIN"),
        (uri("another", &pin), "no private key \"another\""),
        (uri("made", &pin), "another private key"),
        ("pkcs11:object=client?module-path=/nonexistent.so".to_owned(), "cannot load the PKCS#11 module"),
    ] {
        let output = run_token(&with(key), &[]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{word}: a token");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(word) && !stderr.contains("4321"), "{word}: {stderr}");
    }
}

#[test]
fn two_clients_side_by_side_get_their_own_tokens() {
    let Some(lab) = Lab::find() else { return };
    let all = [Way::SecretPost, Way::Ps256].map(|way| lab.arguments(way, "side.secret"));
    let tokens: Vec<Token> = with_executor(&all).into_iter().map(Result::unwrap).collect();
    lab.verify(Way::SecretPost, &[tokens[0].access_token()]);
    lab.verify(Way::Ps256, &[tokens[1].access_token()]);
}

#[test]
fn each_host_fails_the_same_way() {
    let Some(lab) = Lab::find() else { return };
    let good = |way| lab.arguments(way, "fail.secret");
    let origin = lab.issuer.trim_end_matches("/lab");
    let port = closed_port();
    let wrong_secret = Arguments { secret_file: Some(lab.write("wrong.secret", b"wrong")), ..good(Way::SecretPost) };
    let wrong_key = Arguments { key: Some(lab.file("client.key")), ..good(Way::Rs256) };
    let wrong_ca = Arguments { ca: lab.file("self.pem"), ..good(Way::SecretPost) };
    let astray = Arguments { issuer: format!("{origin}/astray"), ..good(Way::SecretPost) };
    let unreachable = Arguments { issuer: format!("https://localhost:{port}/lab"), ..good(Way::SecretPost) };
    let nowhere = Arguments { issuer: format!("{origin}/nowhere"), ..good(Way::SecretPost) };
    for (host, run) in HOSTS {
        let refused = |arguments: &Arguments, case: &str| match run(std::slice::from_ref(arguments)).pop().unwrap() {
            Err(error) => error,
            Ok(_) => panic!("{host}: a token in spite of {case}"),
        };
        for (arguments, case) in [(&wrong_secret, "a wrong secret"), (&wrong_key, "a wrong key")] {
            match refused(arguments, case) {
                Error::Refused(refusal) => assert_eq!(refusal.error(), "invalid_client", "{host}: {case}"),
                other => panic!("{host}: {case}: {other:?}"),
            }
        }
        match refused(&wrong_ca, "a wrong CA") {
            Error::Unreachable { host: asked, why: SendError::Tls(TlsReason::UnknownIssuer) } => {
                assert_eq!(asked, "localhost")
            }
            other => panic!("{host}: {other:?}"),
        }
        match refused(&unreachable, "a closed port") {
            Error::Unreachable { why: SendError::NotSent, .. } => {}
            other => panic!("{host}: {other:?}"),
        }
        match refused(&astray, "a token endpoint elsewhere") {
            Error::Config(Config::HostNotAllowed { host: asked, rule: HostRule::OutsideAuthority }) => {
                assert_eq!(asked, "tokens.elsewhere.example");
            }
            other => panic!("{host}: {other:?}"),
        }
        match refused(&nowhere, "no metadata") {
            Error::Config(Config::NoMetadata { status: 404, .. }) => {}
            other => panic!("{host}: {other:?}"),
        }
    }
}

/// A port that was free a moment ago: connecting to it is refused.
fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn variable_names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// The command line, built by `tests/run` beside this test.
fn sansal(arguments: &[&str]) -> Output {
    let beside = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("sansal");
    let program = variable("SANSAL_BIN").map_or(beside, PathBuf::from);
    assert!(program.exists(), "{} is not built: cargo build -p sansal-cli", program.display());
    let mut command = Command::new(program);
    for name in variable_names() {
        let upper = name.to_ascii_uppercase();
        if upper.starts_with("AZURE_") || upper.starts_with("SSL_CERT_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The arguments of `sansal token` for these.
fn token_arguments(arguments: &Arguments, more: &[&str]) -> Vec<String> {
    let mut all: Vec<&str> = vec!["token", "--issuer", &arguments.issuer, "--ca", &arguments.ca];
    all.extend(["--client-id", &arguments.client_id]);
    all.extend(arguments.scopes.iter().flat_map(|scope| ["--scope", scope.as_str()]));
    let options = [
        ("--client-secret-file", &arguments.secret_file),
        ("--key", &arguments.key),
        ("--certificate", &arguments.certificate),
        ("--thumbprint", &arguments.thumbprint),
    ];
    all.extend(options.into_iter().filter_map(|(name, value)| Some([name, value.as_deref()?])).flatten());
    all.extend(more);
    all.into_iter().map(str::to_owned).collect()
}

fn run_token(arguments: &Arguments, more: &[&str]) -> Output {
    let all = token_arguments(arguments, more);
    sansal(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_command_line_gets_a_token_each_way() {
    let Some(lab) = Lab::find() else { return };
    for way in WAYS {
        let output = run_token(&lab.arguments(way, "command.secret"), &["--json"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{way:?}: {stderr}");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["token_type"], "Bearer", "{way:?}");
        lab.verify(way, &[said["access_token"].as_str().unwrap()]);
    }
}

#[test]
fn the_command_line_fails_in_one_clear_line_each() {
    let Some(lab) = Lab::find() else { return };
    let origin = lab.issuer.trim_end_matches("/lab");
    let port = closed_port();
    let good = |way| lab.arguments(way, "line.secret");
    let encrypted = lab.dir.join("encrypted.key").to_str().unwrap().to_owned();
    let openssl = [
        "pkcs8",
        "-topk8",
        "-v2",
        "aes-256-cbc",
        "-passout",
        "pass:right",
        "-in",
        &lab.file("jwt.key"),
        "-out",
        &encrypted,
    ];
    assert!(Command::new("openssl").args(openssl).status().unwrap().success());
    let right = lab.write("right.passphrase", b"right");
    let wrong = lab.write("wrong.passphrase", b"wrong");
    let locked = Arguments { key: Some(encrypted), ..good(Way::Rs256) };

    // The case is a good one but for the passphrase.
    let output = run_token(&locked, &["--passphrase-file", &right]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let issuer = |issuer: String| Arguments { issuer, ..good(Way::SecretPost) };
    // What goes wrong, how it is asked for, and a word that the line must have.
    let cases: &[(&str, Arguments, &[&str], &str)] = &[
        ("wrong CA", Arguments { ca: lab.file("self.pem"), ..good(Way::SecretPost) }, &[], "trusted root"),
        ("wrong key", Arguments { key: Some(lab.file("client.key")), ..good(Way::Rs256) }, &[], "invalid_client"),
        ("wrong passphrase", locked, &["--passphrase-file", &wrong], "passphrase"),
        ("http authority", issuer(lab.issuer.replace("https://", "http://")), &[], "https"),
        ("unreachable host", issuer(format!("https://localhost:{port}/lab")), &[], "connect"),
        ("host not allowed", issuer(format!("{origin}/astray")), &[], "tokens.elsewhere.example"),
    ];
    let mut lines = BTreeMap::new();
    for (case, arguments, more, word) in cases {
        let output = run_token(arguments, more);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{case}: a token");
        assert!(output.stdout.is_empty(), "{case}: something on stdout");
        assert_eq!(stderr.lines().count(), 1, "{case}: {stderr}");
        assert!(stderr.contains(word), "{case}: {stderr}");
        for secret in ["s3cr3t-post", "BEGIN", "client_assertion=", "wrong\n"] {
            assert!(!stderr.contains(secret), "{case}: {stderr}");
        }
        println!("{case}: exit status {:?}: {}", output.status.code(), stderr.trim_end());
        assert_eq!(lines.insert(stderr, case), None, "{case}: the same line as another");
    }
}

/// The clock of the system, some seconds ahead.
#[derive(Clone, Default)]
struct Ahead(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl Time for Ahead {
    fn now(&self) -> Clock {
        let ahead = self.0.load(Ordering::SeqCst);
        let Clock { mono, wall, .. } = SystemClock.now();
        Clock { mono: mono.after(Millis::from_secs(ahead)), wall: wall.map(|wall| wall.after(ahead)) }
    }

    fn sleep(&self, span: Millis) {
        self.0.fetch_add(span.as_secs_ceil(), Ordering::SeqCst);
    }
}

#[test]
fn tokens_are_validated_through_rotations() {
    let Some(lab) = Lab::find() else { return };
    let issuer = lab.issuer.replace("/lab", "/turning");
    let roots = std::fs::read(lab.file("ca.pem")).unwrap();
    let time = Ahead::default();
    let validator = TokenValidator::builder(AUDIENCE)
        .oidc_authority(&issuer)
        .algorithms(&[Algorithm::Rs256, Algorithm::Es256])
        .require_scope(SCOPE)
        .extra_roots(&roots)
        .time(time.clone())
        .build()
        .unwrap();
    let token = || {
        let client = ConfidentialClient::builder("cc-post").secret("s3cr3t-post").oidc_authority(&issuer);
        let client = client.extra_roots(&roots).build().unwrap();
        client.acquire_token_for_client(&[SCOPE]).unwrap().access_token().to_owned()
    };
    let http = UreqClient::builder().extra_roots(&roots).build().unwrap();
    let turn = || {
        let endpoint = Endpoint::parse(&lab.issuer.replace("/lab", "/turn")).unwrap();
        assert_eq!(http.send(&Request::get(endpoint, 100, Millis::from_secs(10))).unwrap().status, 200);
    };
    let mut tokens = vec![token()];
    for round in 0..4 {
        let valid = validator.validate(tokens.last().unwrap()).unwrap();
        let alg = if round % 2 == 0 { Algorithm::Rs256 } else { Algorithm::Es256 };
        assert_eq!((valid.alg, valid.claims.text("client_id")), (alg, Some("cc-post")));
        // The key before this one is still published.
        if let [.., before, _] = tokens.as_slice() {
            assert!(validator.validate(before).is_ok());
        }
        if let [.., older, _, _] = tokens.as_slice() {
            assert!(matches!(validator.validate(older), Err(Error::Token(TokenError::UnknownKey))));
        }
        turn();
        tokens.push(token());
        // So shortly after the keys were read nobody is asked again, and then they are read anew.
        assert!(matches!(validator.validate(tokens.last().unwrap()), Err(Error::Token(TokenError::UnknownKey))));
        time.sleep(Millis::from_secs(301));
    }
    // Of a token by the one key that never turns, another issuer's, not even the key is known.
    let client = ConfidentialClient::builder("cc-post").secret("s3cr3t-post").oidc_authority(&lab.issuer);
    let foreign = client.extra_roots(&roots).build().unwrap().acquire_token_for_client(&[SCOPE]).unwrap();
    assert!(matches!(validator.validate(foreign.access_token()), Err(Error::Token(TokenError::UnknownKey))));
    println!("validation: {} tokens of oidc-provider through {} rotations", tokens.len(), tokens.len() - 1);
}
