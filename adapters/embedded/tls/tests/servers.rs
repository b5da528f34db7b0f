//! Servers on loopback, with another implementation of TLS: good ones in each version, six bad ones, and the simulated platform.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use embedded_io_async::{Read, Write};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, SanType, date_time_ymd,
};
use ring::rand::SecureRandom;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sansal::ClientCredentials;
use sansal::client::{Client, Credential};
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::{SendError, TlsReason};
use sansal::http::ServerTrust;
use sansal::key::{Algorithm, KeyName};
use sansal::time::{Millis, UnixTime};
use sansal_embedded::{Blocking, BlockingConnect, Connect, Driver, Peer, Time, block_on};
use sansal_embedded_tls::{ClientKey, P256Key, Random, RootCertStore, Tls};
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET, CONTOSO_TENANT, Platform, Server};

const RSA_KEY: &str = include_str!("../../../../tests/certs/rsa2048.key.pkcs8.pem");

fn chance(out: &mut [u8]) -> bool {
    ring::rand::SystemRandom::new().fill(out).is_ok()
}

static RANDOM: Random = Random(chance);

struct Dice;

impl Entropy for Dice {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        if chance(out) { Ok(()) } else { Err(NoEntropy) }
    }
}

/// TCP of this machine, to loopback whatever the name.
struct Tcp;

struct Socket(TcpStream);

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}
impl std::error::Error for Broken {}
impl embedded_io::Error for Broken {
    fn kind(&self) -> embedded_io::ErrorKind {
        embedded_io::ErrorKind::Other
    }
}
impl embedded_io::ErrorType for Socket {
    type Error = Broken;
}
impl embedded_io::Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        // In small pieces, as a device gets them.
        let n = out.len().min(700);
        self.0.read(&mut out[..n]).map_err(|_| Broken)
    }
}
impl embedded_io::Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.0.write(bytes).map_err(|_| Broken)
    }
    fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

impl BlockingConnect for Tcp {
    type Stream = Socket;

    fn connect(&mut self, peer: &Peer<'_>) -> Result<Socket, SendError> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, peer.port)).map_err(|_| SendError::NotSent)?;
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Ok(Socket(socket))
    }
}

struct Clock(Instant);

impl Time for Clock {
    fn mono(&self) -> Millis {
        Millis(self.0.elapsed().as_millis() as u64)
    }

    fn wall(&self) -> Option<UnixTime> {
        Some(UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()))
    }
}

/// A CA of its own, and a leaf that a case spoils.
struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn ec() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn rsa() -> KeyPair {
    KeyPair::from_pem_and_sign_algo(RSA_KEY, &PKCS_RSA_SHA256).unwrap()
}

impl Authority {
    fn new(key: KeyPair) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = ca.self_signed(&key).unwrap().der().clone();
        Self { root, issuer: Issuer::new(ca, key) }
    }

    fn leaf(&self, key: &KeyPair, spoil: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut leaf = params();
        spoil(&mut leaf);
        leaf.signed_by(key, &self.issuer).unwrap().der().clone()
    }
}

fn params() -> CertificateParams {
    let mut leaf = CertificateParams::new(vec!["login.example".to_owned()]).unwrap();
    leaf.is_ca = IsCa::ExplicitNoCa;
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf
}

/// One connection; the thread gives back what the client sent under TLS.
fn serve(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> (u16, JoinHandle<Vec<u8>>) {
    serve_those(chain, key, versions, None)
}

/// The same for clients with a certificate of this CA alone, where there is one.
fn serve_those(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&CertificateDer<'static>>,
) -> (u16, JoinHandle<Vec<u8>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = clients.map(|root| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap()
    });
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = match verifier {
        Some(verifier) => config.with_client_cert_verifier(verifier),
        None => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let mut got = vec![0; 6000];
        match stream.read_exact(&mut got) {
            Ok(()) => {
                stream.write_all(&got).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                got
            }
            Err(_) => Vec::new(),
        }
    });
    (port, served)
}

fn peer(port: u16) -> Peer<'static> {
    Peer {
        host: "login.example",
        port,
        secure: true,
        server: ServerTrust::System,
        client_cert: None,
        date: UnixTime(1_800_000_000),
        timeout: Millis(60_000),
    }
}

fn tls(root: &CertificateDer<'static>) -> Tls<Blocking<Tcp>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    Tls::new(Blocking(Tcp), roots, &RANDOM)
}

/// Sends six thousand bytes and takes them back.
fn talk(tls: &mut Tls<Blocking<Tcp>>, port: u16) -> Result<Vec<u8>, SendError> {
    talk_as(tls, &peer(port))
}

fn talk_as(tls: &mut Tls<Blocking<Tcp>>, peer: &Peer<'_>) -> Result<Vec<u8>, SendError> {
    block_on(async {
        let mut stream = tls.connect(peer).await?;
        stream.write_all(&[b's'; 6000]).await.map_err(|_| SendError::NoAnswer)?;
        let (mut back, mut piece) = (Vec::new(), [0; 999]);
        loop {
            let n = stream.read(&mut piece).await.map_err(|_| SendError::NoAnswer)?;
            if n == 0 {
                return Ok(back);
            }
            back.extend_from_slice(&piece[..n]);
        }
    })
}

#[test]
fn good_servers() {
    for (name, ca, key) in [("P-256", ec(), ec()), ("RSA", rsa(), rsa()), ("P-256 under RSA", rsa(), ec())] {
        let ca = Authority::new(ca);
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let (port, served) = serve(vec![ca.leaf(&key, |_| ())], &key, &[version]);
            let back = talk(&mut tls(&ca.root), port);
            assert_eq!(back, Ok(vec![b's'; 6000]), "{name}, {version:?}");
            assert_eq!(served.join().unwrap().len(), 6000);
        }
    }
}

#[test]
fn six_bad_servers() {
    let (ca, other) = (Authority::new(ec()), Authority::new(ec()));
    let key = ec();
    // An end entity of the CA that signs another one.
    let middle_key = ec();
    let named = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, "attacker.example");
    let middle = ca.leaf(&middle_key, named);
    let mut attacker = params();
    named(&mut attacker);
    let forged = params().signed_by(&key, &Issuer::new(attacker, middle_key)).unwrap().der().clone();
    let cases = [
        ("expired", vec![ca.leaf(&key, |leaf| leaf.not_after = date_time_ymd(2026, 12, 31))], TlsReason::Expired),
        ("not yet valid", vec![ca.leaf(&key, |leaf| leaf.not_before = date_time_ymd(2027, 2, 1))], TlsReason::Expired),
        ("unknown CA", vec![other.leaf(&key, |_| ())], TlsReason::UnknownIssuer),
        (
            "wrong host",
            vec![ca.leaf(&key, |leaf| {
                leaf.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
                leaf.distinguished_name.push(DnType::CommonName, "login.example");
            })],
            TlsReason::WrongName,
        ),
        ("end entity as CA", vec![forged, middle], TlsReason::Other),
        (
            "for clients only",
            vec![ca.leaf(&key, |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])],
            TlsReason::Other,
        ),
    ];
    for (name, chain, why) in cases {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let (port, served) = serve(chain.clone(), &key, &[version]);
            assert_eq!(talk(&mut tls(&ca.root), port), Err(SendError::Tls(why)), "{name}, {version:?}");
            assert!(served.join().unwrap().is_empty(), "{name}: something was sent");
        }
    }
}

#[test]
fn what_cannot_be_proved_here_is_not_left_out() {
    let ca = Authority::new(ec());
    let (mut tls, name) = (tls(&ca.root), KeyName("k".into()));
    let refused = Some(SendError::Tls(TlsReason::Other));
    // Port 9 would be NotSent: nobody is even asked.
    let pinned = Peer { server: ServerTrust::Thumbprint([0; 20]), ..peer(9) };
    assert_eq!(block_on(tls.connect(&pinned)).err(), refused);
    let bound = Peer { client_cert: Some(&name), ..peer(9) };
    assert_eq!(block_on(tls.connect(&bound)).err(), refused);
    assert_eq!(block_on(tls.connect(&peer(9))).err(), Some(SendError::NotSent));
    // Without chance there is no key to agree on.
    static NONE: Random = Random(|_| false);
    let mut none = Tls::new(Blocking(Tcp), RootCertStore::empty(), &NONE);
    assert_eq!(block_on(none.connect(&peer(9))).err(), refused);
}

/// A key that nobody but the test has: it signs as a secure element would, or refuses.
#[derive(Debug)]
struct Elsewhere(Option<ring::signature::RsaKeyPair>);

impl ClientKey for Elsewhere {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ps256
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.as_ref()?;
        let mut signature = vec![0; key.public().modulus_len()];
        let chance = ring::rand::SystemRandom::new();
        key.sign(&ring::signature::RSA_PSS_SHA256, &chance, message, &mut signature).unwrap();
        Some(signature)
    }
}

/// RFC 8446 s4.4.2: a server that wants a certificate gets the one that the request names, and no other connection shows it.
#[test]
fn client_certificates() {
    let (ca, other) = (Authority::new(ec()), Authority::new(ec()));
    let server_key = ec();
    let for_client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let (client_key, rsa_key) = (ec(), rsa());
    // PKCS#8 as ring writes it has the private number at this place.
    let d: [u8; 32] = client_key.serialize_der()[36..68].try_into().unwrap();
    let in_memory = || Arc::new(P256Key::new(&d).unwrap()) as Arc<dyn ClientKey>;
    let elsewhere = ring::signature::RsaKeyPair::from_pkcs8(&rsa_key.serialize_der()).unwrap();
    let name = KeyName("box".into());
    let good: [(&str, _, Arc<dyn ClientKey>); 2] = [
        ("P-256", ca.leaf(&client_key, for_client), in_memory()),
        ("RSA elsewhere", ca.leaf(&rsa_key, for_client), Arc::new(Elsewhere(Some(elsewhere)))),
    ];
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    let serve = |version| serve_those(vec![ca.leaf(&server_key, |_| ())], &server_key, &[version], Some(&ca.root));
    for (what, leaf, key) in good {
        let mut tls = tls(&ca.root).client_certificate(name.clone(), vec![leaf], key);
        for version in versions {
            let (port, served) = serve(version);
            let back = talk_as(&mut tls, &Peer { client_cert: Some(&name), ..peer(port) });
            assert_eq!(back, Ok(vec![b's'; 6000]), "{what}, {version:?}");
            assert_eq!(served.join().unwrap().len(), 6000);
            // Without being named it is not shown.
            let (port, served) = serve(version);
            assert!(talk(&mut tls, port).is_err(), "{what}, {version:?}");
            assert!(served.join().unwrap().is_empty());
        }
    }
    let bad: [(&str, _, Arc<dyn ClientKey>); 3] = [
        ("of another CA", other.leaf(&client_key, for_client), in_memory()),
        ("with another key", ca.leaf(&ec(), for_client), in_memory()),
        ("a key that does not sign", ca.leaf(&rsa_key, for_client), Arc::new(Elsewhere(None))),
    ];
    for (what, leaf, key) in bad {
        let mut tls = tls(&ca.root).client_certificate(name.clone(), vec![leaf], key);
        for version in versions {
            let (port, served) = serve(version);
            assert!(
                talk_as(&mut tls, &Peer { client_cert: Some(&name), ..peer(port) }).is_err(),
                "{what}, {version:?}"
            );
            assert!(served.join().unwrap().is_empty(), "{what}, {version:?}");
        }
    }
    assert!(P256Key::new(&[0; 32]).is_none() && P256Key::new(&[0xFF; 32]).is_none());
    assert_eq!(format!("{:?}", P256Key::new(&d).unwrap()), "P256Key(..)");
}

/// An application's token over verified TLS, from a driver with one buffer.
#[test]
fn a_token_of_the_simulated_platform() {
    let server = Server::start(Platform::contoso(1).unwrap()).unwrap();
    let pem = server.ca_pem().to_owned();
    let root = rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap();
    let client = Client::builder(CONTOSO_CLIENT)
        .oidc_authority(&server.authority(&format!("{CONTOSO_TENANT}/v2.0")))
        .credential(Credential::secret(CONTOSO_SECRET))
        .build()
        .unwrap();
    let mut buffer = [0; 8192];
    let built = UnixTime(1_700_000_000);
    let mut driver = Driver::new(tls(&root), Clock(Instant::now()), Dice, &mut buffer, built).unwrap();
    let flow = ClientCredentials::new(&["https://graph.microsoft.com/.default"]).unwrap().flow(&client).unwrap();
    let token = driver.drive_blocking(&client, flow).unwrap();
    assert_eq!(token.access_token().split('.').count(), 3);
}
