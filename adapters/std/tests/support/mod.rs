//! A server on loopback that does to each connection what a test wants, and certificates for it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A connection, plain or TLS.
pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// Listens until the process ends. Counts connections and keeps what was asked.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Runs `behave` with each TCP connection before anything is read.
    pub(crate) fn raw(behave: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let behave = Arc::new(behave);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                let behave = behave.clone();
                thread::spawn(move || behave(stream));
            }
        });
        Self { address, connections, requests: Arc::default() }
    }

    /// Plain HTTP: reads requests and lets `answer` write; `false` closes the connection.
    pub(crate) fn plain(answer: impl Fn(&str, &mut dyn Stream) -> bool + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        let server = Self::raw(move |mut stream| serve(&mut stream, &log, &answer));
        Self { requests, ..server }
    }

    /// The same over TLS.
    pub(crate) fn tls(
        identity: &Identity,
        answer: impl Fn(&str, &mut dyn Stream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::with_config(identity.server_config(), answer)
    }

    /// The same, to clients that this authority vouches for.
    pub(crate) fn mutual_tls(
        identity: &Identity,
        clients: &Authority,
        answer: impl Fn(&str, &mut dyn Stream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::with_config(identity.mutual_server_config(clients), answer)
    }

    fn with_config(
        config: Arc<rustls::ServerConfig>,
        answer: impl Fn(&str, &mut dyn Stream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = requests.clone();
        let server = Self::raw(move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            serve(&mut stream, &log, &answer);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        });
        Self { requests, ..server }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Head and body of each request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// An address at this server under a name.
    pub(crate) fn url(&self, scheme: &str, host: &str, path: &str) -> String {
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }
}

fn serve(stream: &mut dyn Stream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str, &mut dyn Stream) -> bool) {
    while let Some(request) = read_request(stream) {
        log.lock().unwrap().push(request.clone());
        if !answer(&request, stream) {
            return;
        }
    }
}

fn read_request(stream: &mut dyn Stream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(bytes).ok()?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}

/// Writes a response with this body; keeps the connection.
pub(crate) fn respond(stream: &mut dyn Stream, status: &str, headers: &str, body: &str) -> bool {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(text.as_bytes()).is_ok()
}

/// A certificate authority that exists for one test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A server's certificate and key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names that is valid up to this year.
    pub(crate) fn identity(&self, names: &[&str], until: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.der().clone(), key: key.serialize_der() }
    }
}

impl Identity {
    /// The certificate in DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Key and certificate in PEM.
    pub(crate) fn pem(&self) -> Vec<u8> {
        let block = |label: &str, der: &[u8]| {
            let body = sansal_std::sansal::base64::std_encode(der);
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        (block("PRIVATE KEY", &self.key) + &block("CERTIFICATE", &self.certificate)).into_bytes()
    }

    /// Lets in only whom this authority vouches for (RFC 8705 s2.1).
    pub(crate) fn mutual_server_config(&self, clients: &Authority) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(clients.pem.as_bytes()).flatten());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.unwrap())
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        Arc::new(config)
    }

    pub(crate) fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        Arc::new(config)
    }
}
