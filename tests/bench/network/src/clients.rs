//! Those who ask: `sansal-std`, `oauth2` with `reqwest`, and bytes written into a TLS connection and read from it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use oauth2::basic::BasicClient;
use oauth2::{ClientId, ClientSecret, EndpointNotSet, EndpointSet, Scope, TokenResponse, TokenUrl, reqwest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sansal::TokenSource;
use sansal::http::form;
use sansal_sim::{CONTOSO_CLIENT, CONTOSO_SECRET};
use sansal_std::{ConfidentialClient, ProxyChoice};

use crate::server::{Host, SCOPE, fields};

pub struct Ours(ConfidentialClient);

impl Ours {
    pub fn new(host: &Host) -> Self {
        let builder = ConfidentialClient::builder(CONTOSO_CLIENT).secret(CONTOSO_SECRET).oidc_authority(&host.issuer);
        let builder = builder.extra_roots(host.ca.as_bytes()).only_extra_roots().proxy(ProxyChoice::None);
        Self(builder.build().unwrap())
    }

    pub fn token(&mut self) {
        assert!(self.0.acquire_token_for_client(&[SCOPE]).unwrap().source() != TokenSource::Cache);
    }
}

pub struct Theirs {
    http: reqwest::blocking::Client,
    client: BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>,
}

impl Theirs {
    pub fn new(host: &Host) -> Self {
        let root = reqwest::Certificate::from_pem(host.ca.as_bytes()).unwrap();
        let http = reqwest::blocking::Client::builder().add_root_certificate(root).tls_built_in_root_certs(false);
        let http = http.no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let metadata = http.get(format!("{}/.well-known/openid-configuration", host.issuer)).send().unwrap();
        let client = BasicClient::new(ClientId::new(CONTOSO_CLIENT.into()))
            .set_client_secret(ClientSecret::new(CONTOSO_SECRET.into()))
            .set_token_uri(TokenUrl::new(token_endpoint(&metadata.bytes().unwrap())).unwrap())
            .set_auth_type(oauth2::AuthType::RequestBody);
        Self { http, client }
    }

    pub fn token(&mut self) {
        let request = self.client.exchange_client_credentials().add_scope(Scope::new(SCOPE.into()));
        assert!(!request.request(&self.http).unwrap().access_token().secret().is_empty());
    }
}

/// The same bytes there and back, on a blocking socket; nothing of the answer is read but its length.
pub struct Floor {
    stream: StreamOwned<ClientConnection, TcpStream>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Floor {
    pub fn new(host: &Host) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(host.ca.as_bytes()).map(Result::unwrap));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let authority = host.issuer.split('/').nth(2).unwrap();
        let name = ServerName::try_from(authority.split(':').next().unwrap().to_owned()).unwrap();
        let socket = TcpStream::connect(authority).unwrap();
        socket.set_nodelay(true).unwrap();
        let stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);

        let path = |address: &str| address.split_once(authority).unwrap().1.to_owned();
        let discovery = path(&format!("{}/.well-known/openid-configuration", host.issuer));
        let mut own = Self { stream, request: Vec::new(), answer: vec![0; 64 * 1024] };
        own.request = format!("GET {discovery} HTTP/1.1\r\nHost: {authority}\r\n\r\n").into_bytes();
        let length = own.exchange();
        let head = own.answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let path = path(&token_endpoint(&own.answer[head + 4..length]));
        let body = form::encode(fields().into_iter());
        let (body, length) = (body.expose(), body.expose().len());
        own.request = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes();
        own
    }

    pub fn token(&mut self) {
        let length = self.exchange();
        assert!(self.answer[..length].starts_with(b"HTTP/1.1 200"));
    }

    /// How long the answer is, head and body.
    fn exchange(&mut self) -> usize {
        self.stream.write_all(&self.request).unwrap();
        let (mut length, mut whole) = (0, None);
        loop {
            length += self.stream.read(&mut self.answer[length..]).unwrap();
            let answer = &self.answer[..length];
            let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
            whole = whole.or_else(|| {
                let head = std::str::from_utf8(&answer[..end?]).unwrap().to_ascii_lowercase();
                let body = head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().unwrap();
                Some(end? + 4 + body)
            });
            if whole == Some(length) {
                return length;
            }
        }
    }
}

fn token_endpoint(metadata: &[u8]) -> String {
    let metadata: serde_json::Value = serde_json::from_slice(metadata).unwrap();
    metadata["token_endpoint"].as_str().unwrap().to_owned()
}
