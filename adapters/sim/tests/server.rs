//! A client that is nothing but a TLS socket talks to the server, and sees its faults.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sansal_sim::{
    CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_USER, Fault, On, Platform, Request,
    SamlVersion, Server, What,
};
use serde_json::Value;

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn server() -> Server {
    Server::start_with(Platform::contoso(1).unwrap(), &[], || 1_800_000_000).unwrap()
}

fn connect(server: &Server) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(connection, socket)
}

fn get(stream: &mut Stream) {
    let target = "/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration";
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost:1\r\n\r\n").as_bytes()).unwrap();
}

/// Head and body of one response.
fn read(stream: &mut Stream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn two_requests_on_one_connection() {
    let server = server();
    let mut stream = connect(&server);
    get(&mut stream);
    let (head, body) = read(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("\"https://localhost:1/"), "{head}{body}");
    let form = format!(
        "grant_type=client_credentials&client_id={CONTOSO_CLIENT}&client_secret={CONTOSO_SECRET}\
         &scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    );
    let length = form.len();
    let head = format!(
        "POST /contoso.onmicrosoft.com/oauth2/v2.0/token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(form.as_bytes()).unwrap();
    let (head, body) = read(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("\"access_token\""), "{head}{body}");
    // It says goodbye, as it was asked to.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.platform().issued(), 1);
}

#[test]
fn faults_of_the_transport() {
    let server = server();
    let fault = |what| server.platform().fault(Fault::new(On::Metadata, what));
    let mut stream = connect(&server);
    get(&mut stream);
    let right = read(&mut stream).1;

    fault(What::Delay(Duration::from_millis(20)));
    fault(What::SlowDrip(Duration::from_micros(10)));
    fault(What::Oversize(1_000_000));
    fault(What::CutBody);
    for _ in 0..2 {
        get(&mut stream);
        assert_eq!(read(&mut stream).1, right);
    }
    get(&mut stream);
    let long = read(&mut stream).1;
    assert_eq!((long.len(), long.trim_end()), (1_000_000, right.as_str()));
    get(&mut stream);
    let mut bytes = Vec::new();
    assert_eq!(stream.read_to_end(&mut bytes).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    let cut = String::from_utf8(bytes).unwrap();
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", right.len())), "{head}");
    assert_eq!(body, &right[..right.len() / 2]);

    fault(What::Reset);
    let mut stream = connect(&server);
    get(&mut stream);
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    fault(What::NoAnswer);
    let mut stream = connect(&server);
    get(&mut stream);
    stream.sock.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let kind = stream.read(&mut [0]).unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
}

#[test]
fn dropping_it_ends_everything() {
    let server = server();
    server.platform().fault(Fault::new(On::Any, What::Delay(Duration::from_secs(3600))));
    let mut waiting = connect(&server);
    get(&mut waiting);
    let mut idle = connect(&server);
    idle.flush().unwrap();
    let address = server.address();
    // Joins its threads: this would never come back if one of them went on.
    drop(server);
    assert!(waiting.read(&mut [0]).is_err() && idle.read(&mut [0]).is_err());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn what_is_no_request_gets_400() {
    let server = server();
    for bytes in
        ["x\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n"]
    {
        let mut stream = connect(&server);
        stream.write_all(bytes.as_bytes()).unwrap();
        assert!(read(&mut stream).0.starts_with("HTTP/1.1 400 "), "{bytes}");
    }
}

/// One request over TLS: head and body.
fn send(server: &Server, request: &Request) -> (String, String) {
    let mut stream = connect(server);
    let length = request.body.len();
    let kind = "content-type: application/x-www-form-urlencoded";
    let (method, target, host) = (&request.method, &request.target, &request.host);
    let token = request.header("authorization").unwrap_or("none");
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\n{kind}\r\nauthorization: {token}\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    read(&mut stream)
}

/// A token request over TLS that gets tokens.
fn tokens(server: &Server, fields: &[(&str, &str)]) -> Value {
    let request = Request::form("localhost", "/organizations/oauth2/v2.0/token", fields, 0);
    let (head, body) = send(server, &request);
    assert!(head.starts_with("HTTP/1.1 200 "), "{fields:?} {body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn users_over_tls() {
    let server = Server::start_with(
        Platform::contoso(1)
            .unwrap()
            .resource(sansal_sim::Resource::new("api://web").audience(CONTOSO_CLIENT))
            .resource(sansal_sim::Resource::new("api://AzureADTokenExchange")),
        &[],
        || 1_800_000_000,
    )
    .unwrap();
    // Code (RFC 7636 appendix B), answered without a page.
    server.platform().approve_next(CONTOSO_USER);
    let target = format!(
        "/organizations/oauth2/v2.0/authorize?client_id={CONTOSO_PUBLIC}&response_type=code&state=s\
         &redirect_uri=http://localhost:1/&scope=api://web/x+openid+offline_access\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let (head, _) = send(&server, &Request::get("localhost", &target, 0));
    assert!(head.starts_with("HTTP/1.1 302 "), "{head}");
    let code = head.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let public = ("client_id", CONTOSO_PUBLIC);
    let by_code = tokens(
        &server,
        &[
            ("grant_type", "authorization_code"),
            public,
            ("code", code),
            ("redirect_uri", "http://localhost:1/"),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ],
    );
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let (access, refresh) = (text(&by_code, "access_token"), text(&by_code, "refresh_token"));
    let scope = ("scope", "User.Read openid");
    tokens(&server, &[("grant_type", "refresh_token"), public, ("refresh_token", &refresh), scope]);
    let password = [("username", CONTOSO_USER), ("password", CONTOSO_PASSWORD)];
    tokens(&server, &[("grant_type", "password"), public, password[0], password[1], scope]);

    let form = Request::form("localhost", "/organizations/oauth2/v2.0/devicecode", &[public, scope], 0);
    let flow: Value = serde_json::from_str(&send(&server, &form).1).unwrap();
    assert!(server.platform().approve_device(flow["user_code"].as_str().unwrap(), CONTOSO_USER));
    let device = text(&flow, "device_code");
    let kind = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
    tokens(&server, &[kind, public, ("device_code", &device)]);

    let own = [("client_id", CONTOSO_CLIENT), ("client_secret", CONTOSO_SECRET)];
    let kind = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let usage = ("requested_token_use", "on_behalf_of");
    tokens(&server, &[kind, own[0], own[1], usage, ("assertion", &access), scope]);

    let exchange =
        [("grant_type", "client_credentials"), own[0], own[1], ("scope", "api://AzureADTokenExchange/.default")];
    let (_, body) =
        send(&server, &Request::form("localhost", "/contoso.onmicrosoft.com/oauth2/v2.0/token", &exchange, 0));
    let credential = text(&serde_json::from_str(&body).unwrap(), "access_token");
    let credential = ("user_federated_identity_credential", credential.as_str());
    tokens(&server, &[("grant_type", "user_fic"), own[0], own[1], credential, password[0], scope]);

    for (version, kind) in [(SamlVersion::V1, "saml1_1"), (SamlVersion::V2, "saml2")] {
        let saml = server.platform().saml_assertion(CONTOSO_USER, version, 1_800_000_000).unwrap();
        let saml = Base64UrlUnpadded::encode_string(saml.as_bytes());
        let kind = format!("urn:ietf:params:oauth:grant-type:{kind}-bearer");
        tokens(&server, &[("grant_type", &kind), public, ("assertion", &saml), scope]);
    }

    let mut call = Request::get("localhost", "/sansal-sim/resource", 0);
    call.headers.push(("authorization".to_owned(), format!("Bearer {access}")));
    assert!(send(&server, &call).0.starts_with("HTTP/1.1 200 "));
}
