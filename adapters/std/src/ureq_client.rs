//! The HTTP client of this crate: `ureq` over `rustls` and `ring`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sansal::error::{SendError, TlsReason};
use sansal::http::{HeaderValue, Method, Proxy, Request, ServerTrust};
use sansal::key::KeyName;
use sansal::secret::SecretBytes;
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::Connector;
use ureq::{Agent, AsSendBody, Body, http};
use zeroize::Zeroize;

use crate::certificate::CertificateCredential;
use crate::client_tls::TlsIdentity;
use crate::failure::send_error;
use crate::http::{HttpClient, HttpResponse};
use crate::name_lookup::Later;
use crate::pinned::PinnedConnector;
use crate::sent::{Watched, connector, direct_connector, watch};
use crate::setup::SetupError;

/// Time to connect, TLS included, unless [`UreqClientBuilder::connect_timeout`] says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections are used again for the requests of one acquisition. Much later the server may have closed them, and a
/// token request that gets lost that way is not repeated.
const MAX_IDLE: Duration = Duration::from_secs(5);
/// The longest head of a response.
const HEAD: usize = 24 * 1024;
/// Room for what a server sends at once, the whole head of a response included.
const INPUT: usize = 32 * 1024;
/// Room for what is sent at once.
const OUTPUT: usize = 16 * 1024;
/// Room for a body of unknown length, at first.
const CHUNK: usize = 4 * 1024;

/// Sends requests by `ureq`. The roots are loaded when the first request goes out.
///
/// A pinned server ([`ServerTrust::Thumbprint`]) is known by its certificate alone: no roots, no proxy, no connection used
/// twice, no client certificate. Each client certificate has connections of its own.
pub struct UreqClient {
    roots: Roots,
    proxy: Option<ureq::Proxy>,
    connect_timeout: Duration,
    agents: OnceLock<Agents>,
    /// Those that present a client certificate, by its name.
    identities: BTreeMap<KeyName, (TlsIdentity, OnceLock<Agents>)>,
}

/// Connections through a proxy and without one never mix.
struct Agents {
    direct: Agent,
    proxied: Agent,
    /// Those of the first request, which are most others' too: they need no configuration of their own.
    times: Times,
}

/// How long a request may take, and of that, how long to find and connect to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Times {
    whole: Duration,
    connect: Duration,
}

#[derive(Default)]
struct Roots {
    extra: Vec<Certificate<'static>>,
    without_system: bool,
}

/// Which proxy requests go through. Never those to loopback and the metadata address.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ProxyChoice {
    /// What `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY` say, upper or lower case, but for the hosts in `NO_PROXY`.
    #[default]
    Environment,
    /// None.
    None,
    /// This one: `http://`, `https://` or `socks5h://`, host and port, with `user:password@` if need be.
    Address(String),
}

/// How requests are to travel, whatever HTTP client sends them.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Transport {
    /// Certificates that are trusted too.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Whether those of the operating system are.
    pub system_roots: bool,
    /// Which proxy to use.
    pub proxy: ProxyChoice,
    /// Time to find and connect to the server, TLS included.
    pub connect_timeout: Duration,
    /// The client certificates there are to present, by the names that requests give them (RFC 8705).
    pub client_certificates: Vec<(KeyName, TlsIdentity)>,
}

/// Collects what a [`UreqClient`] is made of.
#[derive(Default)]
pub struct UreqClientBuilder {
    extra_roots: Vec<Vec<u8>>,
    without_system: bool,
    proxy: ProxyChoice,
    connect_timeout: Option<Duration>,
    identities: Vec<(KeyName, TlsIdentity)>,
}

impl UreqClientBuilder {
    /// Trusts the certificates in this PEM too.
    #[must_use]
    pub fn extra_roots(mut self, pem: &[u8]) -> Self {
        self.extra_roots.push(pem.to_vec());
        self
    }

    /// Trusts nothing but the [`extra_roots`](Self::extra_roots).
    #[must_use]
    pub fn only_extra_roots(mut self) -> Self {
        self.without_system = true;
        self
    }

    /// Which proxy to use.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyChoice) -> Self {
        self.proxy = proxy;
        self
    }

    /// Time to find and connect to the server, TLS included; at most the time for the whole attempt. Default: 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.connect_timeout = Some(span);
        self
    }

    /// Holds a certificate, which requests name as their `client_cert` (RFC 8705). A PKCS#12 file, PEM with an RSA key, or PEM with
    /// an EC key that is not encrypted.
    ///
    /// # Errors
    /// [`SetupError`] says what is wrong with key, certificate or passphrase.
    pub fn client_certificate(self, name: KeyName, certificate: &CertificateCredential) -> Result<Self, SetupError> {
        let identity = certificate.open_tls()?;
        Ok(self.identity(name, identity))
    }

    pub(crate) fn identity(mut self, name: KeyName, identity: TlsIdentity) -> Self {
        self.identities.push((name, identity));
        self
    }

    /// The settings, checked: for an HTTP client of another kind.
    ///
    /// # Errors
    /// [`SetupError::Roots`] when the roots hold no certificate.
    pub fn transport(&self) -> Result<Transport, SetupError> {
        Ok(Transport {
            extra_roots: self.roots()?,
            system_roots: !self.without_system,
            proxy: self.proxy.clone(),
            connect_timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            client_certificates: self.identities.clone(),
        })
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, SetupError> {
        let mut extra = Vec::new();
        for pem in &self.extra_roots {
            let before = extra.len();
            for found in CertificateDer::pem_slice_iter(pem) {
                let der = found.map_err(|_| SetupError::Roots("the PEM is broken"))?;
                rustls::RootCertStore::empty()
                    .add(der.clone())
                    .map_err(|_| SetupError::Roots("one of them is not an X.509 certificate"))?;
                extra.push(der);
            }
            if extra.len() == before {
                return Err(SetupError::Roots("there is no PEM certificate in them"));
            }
        }
        if self.without_system && extra.is_empty() {
            return Err(SetupError::Roots("there are none, and the system's are switched off"));
        }
        Ok(extra)
    }

    /// Checks it all.
    ///
    /// # Errors
    /// [`SetupError::Roots`] when the roots hold no certificate, [`SetupError::Proxy`] when the proxy has no address.
    pub fn build(self) -> Result<UreqClient, SetupError> {
        let extra = self.roots()?.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let proxy = match &self.proxy {
            ProxyChoice::Environment => ureq::Proxy::try_from_env(),
            ProxyChoice::None => None,
            ProxyChoice::Address(text) => Some(ureq::Proxy::new(text).map_err(|_| SetupError::Proxy)?),
        };
        Ok(UreqClient {
            roots: Roots { extra, without_system: self.without_system },
            proxy,
            connect_timeout: self.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            agents: OnceLock::new(),
            identities: self.identities.into_iter().map(|(name, one)| (name, (one, OnceLock::new()))).collect(),
        })
    }
}

impl UreqClient {
    /// A client with the roots of the system and the proxy of the environment.
    pub fn builder() -> UreqClientBuilder {
        UreqClientBuilder::default()
    }

    /// `None` when the certificate is not held here.
    fn agents(&self, certificate: Option<&KeyName>, times: Times) -> Option<&Agents> {
        let (identity, agents) = match certificate {
            None => (None, &self.agents),
            Some(name) => self.identities.get(name).map(|(identity, agents)| (Some(identity), agents))?,
        };
        Some(agents.get_or_init(|| {
            let roots = self.roots.load();
            let direct = agent(&roots, None, identity, times);
            Agents { direct, proxied: agent(&roots, self.proxy.clone(), identity, times), times }
        }))
    }

    fn run(&self, request: &Request) -> Result<http::Response<Body>, ureq::Error> {
        let whole = Duration::from(request.attempt_timeout);
        let times = Times { whole, connect: self.connect_timeout.min(whole) };
        let pinned;
        let (agent, own) = match request.server {
            ServerTrust::System => {
                let agents = self.agents(request.client_cert.as_ref(), times);
                let agents = agents.ok_or(ureq::Error::Tls("there is no client certificate of that name"))?;
                let agent = match request.proxy {
                    Proxy::Default => &agents.proxied,
                    Proxy::Never => &agents.direct,
                };
                (agent, agents.times)
            }
            ServerTrust::Thumbprint(thumbprint) => {
                pinned = pinned_agent(thumbprint, times)?;
                (&pinned, times)
            }
        };
        let times = (own != times).then_some(times);
        let mut head = http::Request::new(());
        *head.method_mut() = match request.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
        };
        *head.uri_mut() = request.endpoint.as_str().parse().map_err(http::Error::from)?;
        let headers = head.headers_mut();
        // A map that grows moves what it has.
        headers.reserve(request.headers.len().saturating_add(1));
        for header in &request.headers {
            headers.append(header_name(header.name)?, header_value(&header.value)?);
        }
        match (&request.body, request.method) {
            (Some(body), _) => {
                let value = match body.content_type {
                    FORM => http::HeaderValue::from_static(FORM),
                    other => http::HeaderValue::from_str(other).map_err(http::Error::from)?,
                };
                headers.append(http::header::CONTENT_TYPE, value);
                run(agent, head.map(|()| body.bytes.expose()), times)
            }
            (None, Method::Post) => run(agent, head.map(|()| &[][..]), times),
            (None, Method::Get) => run(agent, head, times),
        }
    }
}

/// The type of most bodies.
const FORM: &str = "application/x-www-form-urlencoded";

/// The names that most requests have, read beforehand.
static KNOWN_NAMES: [(&str, http::HeaderName); 8] = [
    ("Accept", http::header::ACCEPT),
    known("x-client-sku"),
    known("x-client-ver"),
    known("x-client-os"),
    known("x-ms-lib-capability"),
    known("client-request-id"),
    known("x-client-current-telemetry"),
    known("x-client-last-telemetry"),
];

const fn known(name: &'static str) -> (&'static str, http::HeaderName) {
    (name, http::HeaderName::from_static(name))
}

fn header_name(name: &str) -> Result<http::HeaderName, ureq::Error> {
    match KNOWN_NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, known)) => Ok(known.clone()),
        None => Ok(name.parse().map_err(http::Error::from)?),
    }
}

fn header_value(value: &HeaderValue) -> Result<http::HeaderValue, ureq::Error> {
    let is_plain = |text: &str| text.bytes().fold(true, |all, byte| all & (0x20..0x7F).contains(&byte));
    Ok(match value {
        HeaderValue::Fixed(text) if is_plain(text) => http::HeaderValue::from_static(text),
        other => http::HeaderValue::from_str(other.expose()).map_err(http::Error::from)?,
    })
}

/// With other time-outs than the agent's, if there are any.
fn run<B: AsSendBody>(
    agent: &Agent,
    request: http::Request<B>,
    times: Option<Times>,
) -> Result<http::Response<Body>, ureq::Error> {
    agent.run(match times {
        None => request,
        Some(Times { whole, connect }) => agent
            .configure_request(request)
            .timeout_global(Some(whole))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .build(),
    })
}

impl HttpClient for UreqClient {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        if request.server != ServerTrust::System && !request.endpoint.is_https() {
            tracing::warn!("a pinned server needs an https address; the request was not sent");
            return Err(SendError::Tls(TlsReason::Other));
        }
        if let Some(name) = &request.client_cert {
            let held = self.identities.contains_key(name);
            if !held || request.server != ServerTrust::System || !request.endpoint.is_https() {
                tracing::warn!(held, "the client certificate cannot be presented there; the request was not sent");
                return Err(SendError::Tls(TlsReason::Other));
            }
        }
        let (result, sent) = watch(|| self.run(request));
        let response = result.map_err(|error| send_error(&error, sent))?;
        let (parts, body) = response.into_parts();
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Ok(HttpResponse {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().filter_map(text).collect(),
            body: read(body, request.response_limit)?,
        })
    }
}

impl fmt::Debug for UreqClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqClient")
            .field("extra_roots", &self.roots.extra.len())
            .field("proxy", &self.proxy.is_some())
            .finish_non_exhaustive()
    }
}

/// Without the address: it may have a password in it.
impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::Address(_) => "Address(..)",
        })
    }
}

impl fmt::Debug for UreqClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqClientBuilder").field("extra_roots", &self.extra_roots.len()).finish_non_exhaustive()
    }
}

impl Roots {
    fn load(&self) -> RootCerts {
        let mut all = self.extra.clone();
        if !self.without_system {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                tracing::warn!("the operating system has no trusted roots, or they cannot be read");
            }
            all.extend(found.certs.iter().map(|der| Certificate::from_der(der).to_owned()));
        }
        RootCerts::Specific(Arc::new(all))
    }
}

fn agent(roots: &RootCerts, proxy: Option<ureq::Proxy>, identity: Option<&TlsIdentity>, times: Times) -> Agent {
    let tls = TlsConfig::builder()
        .client_cert(identity.map(TlsIdentity::presented))
        .root_certs(roots.clone())
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::with_parts(config(tls, proxy, times), Watched(connector()), Later)
}

/// For one request: sessions and connections of a pinned server are not kept.
fn pinned_agent(thumbprint: [u8; 20], times: Times) -> Result<Agent, ureq::Error> {
    let connector = direct_connector().chain(PinnedConnector::new(thumbprint)?);
    let config = config(TlsConfig::default(), None, times);
    Ok(Agent::with_parts(config, Watched(connector), Later))
}

/// Everything that `ureq` would do by itself is switched off.
fn config(tls: TlsConfig, proxy: Option<ureq::Proxy>, times: Times) -> Config {
    Config::builder()
        .timeout_global(Some(times.whole))
        .timeout_resolve(Some(times.connect))
        .timeout_connect(Some(times.connect))
        .tls_config(tls)
        .proxy(proxy)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_age(MAX_IDLE)
        .max_response_header_size(HEAD)
        .input_buffer_size(INPUT)
        .output_buffer_size(OUTPUT)
        .user_agent(concat!("sansal-std/", env!("CARGO_PKG_VERSION")))
        .accept("")
        .accept_encoding("")
        .build()
}

/// Reads a body into memory that is overwritten wherever it was.
fn read(mut body: Body, limit: usize) -> Result<SecretBytes, SendError> {
    let announced = body.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(SendError::TooLarge);
    }
    let mut reader = body.as_reader();
    // One byte more than is announced, so that the end is seen without room for another part.
    let mut whole = vec![0; announced.map_or(CHUNK, |length| length.saturating_add(1))];
    let mut length: usize = 0;
    let result = loop {
        if length == whole.len() {
            // A vector that grows by itself leaves copies behind.
            let mut longer = Vec::with_capacity(length.saturating_mul(2));
            longer.extend_from_slice(&whole);
            longer.resize(longer.capacity(), 0);
            whole.zeroize();
            whole = longer;
        }
        match reader.read(whole.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break Ok(()),
            Ok(more) => length = length.saturating_add(more),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => break Err(send_error(&ureq::Error::from(error), true)),
        }
        if length > limit {
            break Err(SendError::TooLarge);
        }
    };
    whole.truncate(length);
    let whole = SecretBytes::new(whole);
    result.map(|()| whole)
}
