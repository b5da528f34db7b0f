//! The firmware in QEMU against the simulated platform over TLS; the server's own log says what was asked of it.
//!
//! `tests/run firmware` builds the firmware and names it in `SANSAL_FIRMWARE`; without one these tests say that they are left out,
//! and fail where `CI` is `true`. The emulated board reaches this machine's loopback interface and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sansal::base64::url_encode;
use sansal::jose::{Compact, Jwk, PublicKey};
use sansal_sim::{CONTOSO_USER, On, Platform, Request, Server};

/// What this variable names, or `None` with a word about it.
fn named(variable: &str) -> Option<String> {
    let text = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    match text(variable) {
        Some(path) if path != "elsewhere" => Some(path),
        other => {
            assert!(other.is_some() || text("CI").is_none_or(|ci| ci != "true"), "no {variable}: tests/run firmware");
            eprintln!("left out: no {variable}; tests/run firmware has one");
            None
        }
    }
}

/// What the emulated board is to boot.
fn elf() -> Option<PathBuf> {
    named("SANSAL_FIRMWARE").map(PathBuf::from)
}

fn platform() -> Server {
    Server::start(Platform::contoso(1).unwrap().device_times(900, 1)).unwrap()
}

fn root_of(server: &Server) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()
}

/// A board: its folder is what outlives its runs.
struct Board {
    elf: PathBuf,
    folder: PathBuf,
}

impl Board {
    fn new(elf: PathBuf, name: &str, root: &[u8]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("firmware-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.der"), root).unwrap();
        Self { elf, folder }
    }

    fn power_on(&self, mode: &str, port: u16) -> Running {
        let host = format!("enable=on,target=native,arg=firmware,arg={mode},arg={port}");
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args(["-M", "mps2-an386", "-cpu", "cortex-m4", "-nographic", "-monitor", "none", "-serial", "none"])
            .args(["-nic", "user,model=lan9118", "-semihosting-config", &host, "-kernel"])
            .arg(&self.elf)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = qemu.spawn().expect("qemu-system-arm");
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { mode: mode.to_owned(), child, out: Box::new(out), lines: Vec::new() }
    }

    /// Runs a mode to its end. Every code that is shown gets approved, after the device has asked in vain once.
    fn run(&self, mode: &str, server: &Server) -> Ended {
        let mut board = self.power_on(mode, server.address().port());
        while let Some(line) = board.line() {
            if let Some((code, _)) = line.strip_prefix("code ").and_then(|rest| rest.split_once(' ')) {
                let end = Instant::now() + Duration::from_secs(60);
                while grants(server, "device_code") == 0 {
                    assert!(Instant::now() < end, "the device does not ask");
                    thread::sleep(Duration::from_millis(5));
                }
                assert!(server.platform().approve_device(code, CONTOSO_USER), "{line}");
            }
        }
        board.end()
    }
}

struct Running {
    mode: String,
    child: Child,
    out: Box<dyn BufRead>,
    lines: Vec<String>,
}

impl Running {
    /// The next line that it says; none when it is over.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.out.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        self.lines.push(line.clone());
        Some(line)
    }

    fn end(mut self) -> Ended {
        while self.line().is_some() {}
        let status = self.child.wait().unwrap().code();
        println!(
            "ran {}: {}",
            self.mode,
            self.lines.iter().rfind(|line| line.starts_with("heap-peak")).map_or("", |line| line)
        );
        Ended { status, lines: std::mem::take(&mut self.lines) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a board said, and its exit status.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    lines: Vec<String>,
}

impl Ended {
    /// What stands behind this word in the last line that begins with it.
    fn said(&self, word: &str) -> Option<&str> {
        let begins = |line: &'_ &String| line.split(' ').next() == Some(word);
        self.lines.iter().rfind(begins).map(|line| line.get(word.len() + 1..).unwrap_or_default())
    }

    /// It ended well, with a token that the platform's own resource takes, and left nothing on the heap.
    fn token(&self, server: &Server) -> &str {
        assert_eq!(self.status, Some(0), "{self:#?}");
        assert_eq!(self.said("heap-left"), Some("0"), "{self:#?}");
        let (kind, token) = self.said("token").unwrap().split_once(' ').unwrap();
        let mut request = Request::get("localhost", "/sansal-sim/resource", now());
        request.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        assert_eq!(server.platform().protected(&request).status, 200, "{token}");
        kind
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn asked(server: &Server, kind: &On) -> usize {
    server.platform().asked(kind)
}

fn grants(server: &Server, name: &str) -> usize {
    asked(server, &On::Grant(name.to_owned()))
}

#[test]
fn tokens_of_the_device_itself() {
    let Some(elf) = elf() else { return };
    for mode in ["secret", "certificate"] {
        let server = platform();
        let ended = Board::new(elf.clone(), mode, &root_of(&server)).run(mode, &server);
        assert_eq!(ended.token(&server), "Bearer");
        let counts = [asked(&server, &On::Any), asked(&server, &On::Metadata), grants(&server, "client_credentials")];
        assert_eq!(counts, [2, 1, 1], "{mode}");
    }
}

#[test]
fn a_user_signs_in_elsewhere() {
    let Some(elf) = elf() else { return };
    for (mode, meanwhile) in [("device-code", None), ("superloop", Some("turns")), ("embassy", Some("beats"))] {
        let server = platform();
        let ended = Board::new(elf.clone(), mode, &root_of(&server)).run(mode, &server);
        assert_eq!(ended.token(&server), "Bearer");
        assert_eq!([asked(&server, &On::Metadata), asked(&server, &On::Device)], [1, 1], "{mode}");
        // What else there was to do got done while the device waited.
        let times = |word| ended.said(word).unwrap().parse::<u32>().unwrap();
        assert!(meanwhile.is_none_or(|word| times(word) > 20), "{ended:#?}");
        // A slow machine's device may ask once more before the user is there; one answer was a token.
        assert!(grants(&server, "device_code") >= 2 && server.platform().issued() == 1, "{mode}");
    }
}

/// A server that nobody of us wrote: npm `oidc-provider`, which `tests/lab/with-op` starts; its log has each grant. Once by a secret, once
/// by a client certificate (RFC 8705 s2.1), to which the token is bound (s3).
#[test]
fn tokens_of_oidc_provider() {
    let Some(elf) = elf() else { return };
    let Some(issuer) = named("SANSAL_LAB") else { return };
    let certs = PathBuf::from(std::env::var("SANSAL_LAB_CERTS").unwrap());
    let root = CertificateDer::from_pem_file(certs.join("ca.pem")).unwrap();
    for (client, secret, how) in [("cc-post", "s3cr3t-post", "client_secret_post"), ("cc-tls", "", "tls_client_auth")] {
        let board = Board::new(elf.clone(), client, &root);
        fs::write(board.folder.join("provider"), format!("{issuer}\n{client}\n{secret}\napi.default\n")).unwrap();
        let own = secret.is_empty().then(|| device_certificate(&certs, &board.folder));
        let ended = board.power_on("provider", 0).end();
        assert_eq!((ended.status, ended.said("heap-left")), (Some(0), Some("0")), "{ended:#?}");
        let token = ended.said("token").unwrap().strip_prefix("Bearer ").unwrap();
        let claims = Compact::parse(token).unwrap().decode_payload().unwrap();
        assert_eq!((claims.text("iss"), claims.text("client_id")), (Some(issuer.as_str()), Some(client)));
        let bound = claims.get("cnf").and_then(|cnf| cnf["x5t#S256"].as_str());
        assert_eq!(bound, own.as_deref());
        // The very token that the log names, once.
        let log = fs::read_to_string(std::env::var("SANSAL_LAB_LOG").unwrap()).unwrap();
        let line = format!("granted {client} {how} {}", claims.text("jti").unwrap());
        assert_eq!(log.lines().filter(|own| *own == line).count(), 1, "{line}\n{log}");
    }
}

/// A P-256 key and a certificate of the lab's CA for it, in the folder of a board; its thumbprint.
fn device_certificate(certs: &Path, folder: &Path) -> String {
    let openssl = |arguments: &str| {
        let arguments = arguments.replace("CERTS", certs.to_str().unwrap());
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    openssl("ecparam -name prime256v1 -genkey -noout -outform DER -out ec.der");
    openssl("req -new -key ec.der -keyform DER -subj /O=Lab/CN=lab-client -out client.csr");
    openssl(
        "x509 -req -in client.csr -CA CERTS/ca.pem -CAkey CERTS/ca.key -days 30 -sha256 -outform DER -out client.der",
    );
    // RFC 5915 s3: a version, then the number.
    fs::write(folder.join("client.key"), &fs::read(folder.join("ec.der")).unwrap()[7..39]).unwrap();
    let leaf = fs::read(folder.join("client.der")).unwrap();
    url_encode(ring::digest::digest(&ring::digest::SHA256, &leaf).as_ref())
}

/// The secure element's key never leaves it; the token is bound to it, and the request to the API is signed with it.
#[test]
fn a_token_bound_to_a_key_in_a_secure_element() {
    let Some(elf) = elf() else { return };
    let server = platform();
    let ended = Board::new(elf, "bound", &root_of(&server)).run("bound", &server);
    assert_eq!(ended.token(&server), "pop");
    assert_eq!((asked(&server, &On::Device), server.platform().issued()), (1, 1));
    let key = Jwk::parse(ended.said("key").unwrap().as_bytes()).unwrap();
    let token = ended.said("token").unwrap().strip_prefix("pop ").unwrap();
    let claims = Compact::parse(token).unwrap().decode_payload().unwrap();
    assert_eq!(claims.get("cnf").unwrap()["kid"], key.thumbprint().as_str());
    let proof = Compact::parse(ended.said("proof").unwrap()).unwrap();
    let PublicKey::P256 { x, y } = key.key() else { panic!("{key:?}") };
    let point = [&[4][..], x, y].concat();
    let point = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point);
    point.verify(proof.signing_input().as_bytes(), &proof.decode_signature().unwrap()).unwrap();
    let signed = proof.decode_payload().unwrap();
    assert_eq!(signed.text("at"), Some(token));
    assert_eq!((signed.text("m"), signed.text("u")), (Some("GET"), Some("graph.microsoft.com")));
    assert_eq!(ended.lines.iter().filter(|line| *line == "signed by the element").count(), 1);
}

/// A reset after the code was shown, one after the tokens came; then the power fails, and a refresh token from flash serves.
#[test]
fn resets_in_the_middle() {
    let Some(elf) = elf() else { return };
    let server = platform();
    let board = Board::new(elf, "reboot", &root_of(&server));
    let ended = board.run("reboot", &server);
    assert_eq!(ended.token(&server), "Bearer");
    let boots: Vec<&str> = ended.lines.iter().filter_map(|line| line.strip_prefix("boot with ")).collect();
    assert_eq!(boots, ["nothing", "a sign-in that waits", "tokens"]);
    let counts = || (asked(&server, &On::Device), grants(&server, "refresh_token"), server.platform().issued());
    assert_eq!(counts(), (1, 1, 2));
    // Another run of the emulator has nothing but the file that is its flash.
    let flash = fs::read(board.folder.join("flash.bin")).unwrap();
    assert_eq!(flash.len(), 32 * 1024);
    for secret in ["refresh_token", "secret", "eyJ"] {
        assert!(!flash.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret} can be read on flash");
    }
    let ended = board.run("reboot", &server);
    assert_eq!(ended.token(&server), "Bearer");
    assert_eq!(counts(), (1, 2, 3));
}

/// The power fails while the device waits for the user, who signs in meanwhile.
#[test]
fn a_power_loss_while_the_user_signs_in() {
    let Some(elf) = elf() else { return };
    let server = platform();
    let board = Board::new(elf, "power", &root_of(&server));
    let mut running = board.power_on("reboot", server.address().port());
    let code = loop {
        let line = running.line().expect("a code");
        if let Some((code, _)) = line.strip_prefix("code ").and_then(|rest| rest.split_once(' ')) {
            break code.to_owned();
        }
    };
    while running.line().is_some_and(|line| line != "boot with a sign-in that waits") {}
    drop(running);
    assert!(server.platform().approve_device(&code, CONTOSO_USER));
    let ended = board.run("reboot", &server);
    assert_eq!(ended.token(&server), "Bearer");
    assert_eq!((asked(&server, &On::Device), grants(&server, "refresh_token"), server.platform().issued()), (1, 1, 2));
}

/// A certificate for the right name, signed by an end entity of the right CA; and one of another CA. Nothing is sent.
#[test]
fn servers_that_cannot_prove_themselves() {
    let Some(elf) = elf() else { return };
    let ec = || KeyPair::generate().unwrap();
    let named = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    };
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let (ca_key, middle_key, leaf_key) = (ec(), ec(), ec());
    let root = ca.self_signed(&ca_key).unwrap();
    let ca = Issuer::new(ca, ca_key);
    let middle = named("attacker.example").signed_by(&middle_key, &ca).unwrap().der().clone();
    let attacker = Issuer::new(named("attacker.example"), middle_key);
    let forged = named("localhost").signed_by(&leaf_key, &attacker).unwrap().der().clone();
    let good = named("localhost").signed_by(&leaf_key, &ca).unwrap().der().clone();
    let other = platform();
    let other_root = root_of(&other);
    // The same server with a good certificate gets a request, so it is the certificate that makes the difference.
    for (name, chain, root, hears) in [
        ("good", vec![good.clone()], root.der(), true),
        ("forged", vec![forged, middle], root.der(), false),
        ("unknown", vec![good], &other_root, false),
    ] {
        let (port, served) = serve(chain, &leaf_key);
        let board = Board::new(elf.clone(), name, root);
        let ended = board.power_on("secret", port).end();
        assert_eq!(ended.status, Some(1), "{ended:#?}");
        assert_eq!(ended.said("heap-left"), Some("0"), "{ended:#?}");
        let (error, heard) = (ended.said("error").unwrap(), served.join().unwrap());
        assert_eq!(heard.starts_with(b"GET /"), hears, "{name}: {error}");
        assert!(hears || heard.is_empty() && error.contains("certificate"), "{name}: {error}");
    }
}

/// One connection, closed after the first bytes of the application; these.
fn serve(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> (u16, JoinHandle<Vec<u8>>) {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        // Nobody else gets in: every further attempt is refused at once.
        drop(listener);
        let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let mut got = vec![0; 4096];
        let n = stream.read(&mut got).unwrap_or(0);
        got.truncate(n);
        got
    });
    (port, served)
}
