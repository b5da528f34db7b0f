//! The HTTP client of this crate: `reqwest` over `rustls` and `ring`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use rustls::client::ResolvesClientCert;
use rustls::{ClientConfig, RootCertStore};
use sansal::error::{SendError, TlsReason};
use sansal::http::{Method, Proxy, Request, ServerTrust};
use sansal::key::KeyName;
use sansal::secret::SecretBytes;
use sansal_std::{HttpResponse, ProxyChoice, SetupError, TlsIdentity, Transport, pinned_tls, tls_reason};
use tokio::sync::OnceCell;
use zeroize::{Zeroize, Zeroizing};

use crate::http::{HttpClient, Sending};

/// As with `sansal-std`: much later the server may have closed a connection.
const MAX_IDLE: Duration = Duration::from_secs(5);
/// Room for a body of unknown length, at first.
const CHUNK: usize = 4 * 1024;

/// Sends requests by `reqwest`: HTTP/1.1, no redirects, nothing repeated. The roots are loaded when the first request goes out.
///
/// A pinned server ([`ServerTrust::Thumbprint`]) is known by its certificate alone: no roots, no proxy, no connection used
/// twice, no client certificate. Each client certificate (RFC 8705) has connections of its own.
pub struct ReqwestClient {
    transport: Transport,
    clients: OnceCell<Clients>,
    /// Those that present a client certificate, by its name.
    identities: BTreeMap<KeyName, (TlsIdentity, OnceCell<Clients>)>,
}

/// Connections through a proxy and without one never mix.
struct Clients {
    direct: Client,
    proxied: Client,
}

impl ReqwestClient {
    /// As the settings say. They come from the builder of the other HTTP client:
    ///
    /// ```
    /// use sansal_tokio::{ReqwestClient, sansal_std::UreqClient};
    /// let http = ReqwestClient::new(UreqClient::builder().transport()?)?;
    /// # Ok::<(), sansal_tokio::SetupError>(())
    /// ```
    ///
    /// # Errors
    /// [`SetupError::Proxy`] when the proxy has no address.
    pub fn new(transport: Transport) -> Result<Self, SetupError> {
        proxied(Client::builder(), &transport.proxy).map(drop)?;
        let identities = transport.client_certificates.iter().cloned();
        let identities = identities.map(|(name, identity)| (name, (identity, OnceCell::new()))).collect();
        Ok(Self { transport, clients: OnceCell::new(), identities })
    }

    async fn clients(&self, certificate: Option<&KeyName>) -> Result<&Clients, SendError> {
        let (identity, clients) = match certificate.map(|name| self.identities.get(name)) {
            None => (None, &self.clients),
            Some(Some((identity, clients))) => (Some(identity), clients),
            Some(None) => return Err(SendError::Tls(TlsReason::Other)),
        };
        clients
            .get_or_try_init(|| async {
                let (transport, resolver) = (self.transport.clone(), identity.map(TlsIdentity::resolver));
                // Reads files.
                let tls = tokio::task::spawn_blocking(move || tls(&transport, resolver)).await;
                let tls = tls.map_err(|_| SendError::NotSent)?.map_err(|_| SendError::Tls(TlsReason::Other))?;
                let base = || configured(tls.clone(), self.transport.connect_timeout);
                let proxied = proxied(base(), &self.transport.proxy).map_err(|_| SendError::NotSent)?;
                Ok(Clients { direct: built(base().no_proxy())?, proxied: built(proxied)? })
            })
            .await
    }

    async fn exchange(&self, request: &Request) -> Result<HttpResponse, SendError> {
        let certificate = request.client_cert.as_ref();
        let is_https = request.endpoint.is_https();
        if request.server != ServerTrust::System && !is_https {
            tracing::warn!("a pinned server needs an https address; the request was not sent");
            return Err(SendError::Tls(TlsReason::Other));
        }
        if let Some(name) = certificate {
            let held = self.identities.contains_key(name);
            if !held || request.server != ServerTrust::System || !is_https {
                tracing::warn!(held, "the client certificate cannot be presented there; the request was not sent");
                return Err(SendError::Tls(TlsReason::Other));
            }
        }
        let pinned;
        let client = match (request.server, request.proxy) {
            (ServerTrust::Thumbprint(thumbprint), _) => {
                let tls = pinned_tls(thumbprint).map_err(|_| SendError::Tls(TlsReason::Other))?;
                let builder = configured(tls, self.transport.connect_timeout).no_proxy();
                pinned = built(builder.pool_max_idle_per_host(0))?;
                &pinned
            }
            (ServerTrust::System, Proxy::Never) => &self.clients(certificate).await?.direct,
            (ServerTrust::System, Proxy::Default) => &self.clients(certificate).await?.proxied,
        };
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut builder = client.request(method, request.endpoint.to_string()).timeout(request.attempt_timeout.into());
        for header in &request.headers {
            builder = builder.header(header.name, header.value.expose());
        }
        if let Some(body) = &request.body {
            let bytes = Bytes::from_owner(Zeroizing::new(body.bytes.expose().to_vec()));
            builder = builder.header(reqwest::header::CONTENT_TYPE, body.content_type).body(bytes);
        }
        let response = builder.send().await.map_err(|error| send_error(&error))?;
        let status = response.status().as_u16();
        let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = response.headers().iter().filter_map(text).collect();
        Ok(HttpResponse { status, headers, body: read(response, request.response_limit).await? })
    }
}

impl HttpClient for ReqwestClient {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(self.exchange(request))
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// Everything that `reqwest` would do by itself is switched off.
fn configured(tls: ClientConfig, connect_timeout: Duration) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(MAX_IDLE)
        .user_agent(concat!("sansal-tokio/", env!("CARGO_PKG_VERSION")))
}

fn built(builder: ClientBuilder) -> Result<Client, SendError> {
    builder.build().map_err(|_| SendError::Tls(TlsReason::Other))
}

fn proxied(builder: ClientBuilder, choice: &ProxyChoice) -> Result<ClientBuilder, SetupError> {
    Ok(match choice {
        ProxyChoice::Environment => builder,
        ProxyChoice::None => builder.no_proxy(),
        ProxyChoice::Address(text) => builder.proxy(reqwest::Proxy::all(text).map_err(|_| SetupError::Proxy)?),
    })
}

fn tls(transport: &Transport, identity: Option<Arc<dyn ResolvesClientCert>>) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(transport.extra_roots.iter().cloned());
    if transport.system_roots {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            tracing::warn!("the operating system has no trusted roots, or they cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match identity {
        Some(identity) => config.with_client_cert_resolver(identity),
        None => config.with_no_client_auth(),
    })
}

/// Only what fails while connecting has surely not been sent.
fn send_error(error: &reqwest::Error) -> SendError {
    match tls_reason(error) {
        Some(reason) => SendError::Tls(reason),
        None if error.is_connect() || error.is_builder() => SendError::NotSent,
        None => SendError::NoAnswer,
    }
}

/// Reads a body into memory that is overwritten wherever it was moved.
async fn read(mut response: Response, limit: usize) -> Result<SecretBytes, SendError> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(SendError::TooLarge);
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(CHUNK)));
    while let Some(part) = response.chunk().await.map_err(|error| send_error(&error))? {
        let length = whole.len().saturating_add(part.len());
        if length > limit {
            return Err(SendError::TooLarge);
        }
        if whole.capacity() < length {
            // A vector that grows by itself leaves copies behind.
            let mut longer = Vec::with_capacity(length.saturating_mul(2));
            longer.extend_from_slice(&whole);
            whole.zeroize();
            *whole = longer;
        }
        whole.extend_from_slice(&part);
    }
    Ok(SecretBytes::new(std::mem::take(&mut *whole)))
}
