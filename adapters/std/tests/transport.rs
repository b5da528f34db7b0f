//! The HTTP client against a server on loopback that misbehaves: what the machine is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::arithmetic_side_effects, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use sansal_std::sansal::Endpoint;
use sansal_std::sansal::error::{SendError, TlsReason};
use sansal_std::sansal::http::{Body, Proxy, Request, ServerTrust};
use sansal_std::sansal::key::KeyName;
use sansal_std::sansal::time::Millis;
use sansal_std::{CertificateCredential, HttpClient, ProxyChoice, SetupError, UreqClient, UreqClientBuilder};
use support::{Authority, Server, respond};

const LIMIT: usize = 4096;

fn get(url: &str) -> Request {
    Request::get(Endpoint::parse(url).unwrap(), LIMIT, Millis::from_secs(20))
}

fn post(url: &str) -> Request {
    let form = Body::form([("grant_type", "client_credentials"), ("client_secret", "s3cret")].into_iter());
    Request::post(Endpoint::parse(url).unwrap(), form, LIMIT, Millis::from_secs(20))
}

/// Plain requests to loopback: no roots are needed.
fn client() -> UreqClient {
    trusting(&Authority::new("none"))
}

/// Whatever the environment of the test says: no proxy and one root.
fn trusting(authority: &Authority) -> UreqClient {
    let builder = UreqClient::builder().extra_roots(authority.pem.as_bytes()).only_extra_roots();
    builder.proxy(ProxyChoice::None).build().unwrap()
}

#[test]
fn a_request_goes_out_as_it_is() {
    let server = Server::plain(|_, stream| respond(stream, "400 Bad Request", "Retry-After: 7\r\nX: \u{e9}\r\n", "{}"));
    let request = post(&server.url("http", "127.0.0.1", "/t/token?p=q")).header("client-request-id", "an-id");
    let response = client().send(&request).unwrap();
    assert_eq!((response.status, response.body.expose()), (400, &b"{}"[..]));
    assert!(response.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("retry-after") && value == "7"));
    // Not visible ASCII: left out.
    assert!(!response.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x")));

    let [sent] = &server.requests()[..] else { panic!("{:?}", server.requests()) };
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "grant_type=client_credentials&client_secret=s3cret");
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /t/token?p=q HTTP/1.1"));
    let mut names: Vec<String> = lines.map(|l| l.split(':').next().unwrap().to_ascii_lowercase()).collect();
    names.sort();
    assert_eq!(names, ["client-request-id", "content-length", "content-type", "host", "user-agent"]);
    assert!(head.contains(concat!("sansal-std/", env!("CARGO_PKG_VERSION"))));

    client().send(&get(&server.url("http", "127.0.0.1", "/m"))).unwrap();
    let sent = server.requests().pop().unwrap();
    let names: Vec<&str> = sent.trim().lines().skip(1).filter_map(|l| l.split(':').next()).collect();
    assert_eq!(names.len(), 2, "{sent}");
}

#[test]
fn nothing_was_sent() {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{refused}/"), format!("https://localhost:{refused}/")] {
        assert_eq!(client().send(&post(&url)).unwrap_err(), SendError::NotSent, "{url}");
    }
    // Closed before the handshake.
    let server = Server::raw(drop);
    let url = server.url("https", "localhost", "/");
    assert_eq!(client().send(&post(&url)).unwrap_err(), SendError::NotSent);
    // Silent in the handshake.
    let server = Server::raw(|mut stream| while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {});
    let builder = UreqClient::builder().proxy(ProxyChoice::None).connect_timeout(Duration::from_millis(300));
    let client = builder.build().unwrap();
    let url = server.url("https", "localhost", "/");
    assert_eq!(client.send(&post(&url)).unwrap_err(), SendError::NotSent);
    assert_eq!(server.connections(), 1);
}

#[test]
fn something_was_sent_and_no_answer_came() {
    type Behave = fn(&str, &mut dyn support::Stream) -> bool;
    let cases: &[(&str, Behave)] = &[
        ("closed", |_, _| false),
        ("cut in the head", |_, stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").is_err()),
        ("cut in the body", |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"").is_err()
        }),
        ("cut in a chunk", |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n{\"a\"").is_err()
        }),
        ("not HTTP", |_, stream| stream.write_all(b"SSH-2.0-OpenSSH_9\r\n").is_err()),
        ("silent", |_, stream| {
            while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
            false
        }),
        ("drips", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
            false
        }),
    ];
    let authority = Authority::new("Test CA");
    let identity = authority.identity(&["localhost"], 2099);
    for (name, behave) in cases {
        for (scheme, server) in [("http", Server::plain(behave)), ("https", Server::tls(&identity, behave))] {
            let mut request = post(&server.url(scheme, "localhost", "/"));
            request.attempt_timeout = Millis(700);
            let error = trusting(&authority).send(&request).unwrap_err();
            assert_eq!(error, SendError::NoAnswer, "{name} {scheme}");
            assert_eq!(server.requests().len(), 1, "{name} {scheme}: sent once");
        }
    }
    // Reset with the request unread.
    let server = Server::raw(|mut stream| {
        let _ = stream.read(&mut [0; 4]);
    });
    let error = client().send(&post(&server.url("http", "127.0.0.1", "/"))).unwrap_err();
    assert_eq!(error, SendError::NoAnswer);
}

#[test]
fn long_answers_are_not_read() {
    static MEGABYTE: [u8; 1 << 20] = [b' '; 1 << 20];
    type Behave = fn(&str, &mut dyn support::Stream) -> bool;
    let cases: &[(&str, Behave)] = &[
        ("announced", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n");
            (0..10).all(|_| stream.write_all(&MEGABYTE).is_ok())
        }),
        ("until it closes", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let _ = (0..10).all(|_| stream.write_all(&MEGABYTE).is_ok());
            false
        }),
        ("in chunks", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while stream.write_all(b"1000\r\n").and_then(|()| stream.write_all(&MEGABYTE[..0x1000])).is_ok()
                && stream.write_all(b"\r\n").is_ok()
            {}
            false
        }),
        ("endless head", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Filler: ");
            while stream.write_all(&MEGABYTE).is_ok() {}
            false
        }),
    ];
    for (name, behave) in cases {
        let server = Server::plain(behave);
        let error = client().send(&get(&server.url("http", "127.0.0.1", "/"))).unwrap_err();
        assert_eq!(error, SendError::TooLarge, "{name}");
    }
    // At the limit and one beyond.
    for (length, expected) in [(LIMIT, Ok(LIMIT)), (LIMIT + 1, Err(SendError::TooLarge))] {
        let server = Server::plain(move |_, stream| respond(stream, "200 OK", "", &"x".repeat(length)));
        let got = client().send(&get(&server.url("http", "127.0.0.1", "/"))).map(|r| r.body.expose().len());
        assert_eq!(got, expected);
    }
}

#[test]
fn redirects_are_answers() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = Server::plain(move |_, stream| respond(stream, status, "Location: /elsewhere\r\n", "moved"));
        for request in [get(&server.url("http", "127.0.0.1", "/a")), post(&server.url("http", "127.0.0.1", "/a"))] {
            let response = client().send(&request).unwrap();
            assert_eq!(response.status.to_string(), status[..3], "{status}");
        }
        let asked = server.requests();
        assert!(asked.len() == 2 && asked.iter().all(|request| !request.contains("elsewhere")), "{asked:?}");
    }
}

#[test]
fn no_cookies() {
    let server = Server::plain(|_, stream| respond(stream, "200 OK", "Set-Cookie: a=b\r\n", "{}"));
    let client = client();
    for _ in 0..2 {
        client.send(&get(&server.url("http", "127.0.0.1", "/"))).unwrap();
    }
    assert!(server.requests().iter().all(|request| !request.to_ascii_lowercase().contains("cookie:")));
    assert_eq!(server.connections(), 1, "the second request uses the connection of the first");
}

#[test]
fn tls_trusts_nobody_else() {
    let authority = Authority::new("Test CA");
    let namesake = Authority::new("Test CA");
    let stranger = Authority::new("Other CA");
    let now = 2099;
    let localhost = ["localhost"];
    let cases: &[(&str, &Authority, &[&str], i32, Result<(), TlsReason>)] = &[
        ("right", &authority, &localhost, now, Ok(())),
        ("wrong CA", &stranger, &localhost, now, Err(TlsReason::UnknownIssuer)),
        ("wrong CA of the same name", &namesake, &localhost, now, Err(TlsReason::UnknownIssuer)),
        ("wrong name", &authority, &["example.com"], now, Err(TlsReason::WrongName)),
        ("expired", &authority, &localhost, 2021, Err(TlsReason::Expired)),
    ];
    for (name, issuer, names, until, expected) in cases {
        let server = Server::tls(&issuer.identity(names, *until), |_, stream| respond(stream, "200 OK", "", "{}"));
        let got = trusting(&authority).send(&post(&server.url("https", "localhost", "/")));
        assert_eq!(got.map(|_| ()), expected.map_err(SendError::Tls), "{name}");
        assert_eq!(server.requests().len(), usize::from(expected.is_ok()), "{name}");
    }
    // Not TLS at all.
    let server = Server::raw(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 4096]);
    });
    let error = trusting(&authority).send(&post(&server.url("https", "localhost", "/"))).unwrap_err();
    assert_eq!(error, SendError::Tls(TlsReason::Other));
}

#[test]
fn what_it_cannot_do_it_refuses() {
    let server = Server::plain(|_, stream| respond(stream, "200 OK", "", "{}"));
    let url = server.url("http", "127.0.0.1", "/");
    let mut pinned = post(&url);
    pinned.server = ServerTrust::Thumbprint([0; 20]);
    let mut with_certificate = post(&url);
    with_certificate.client_cert = Some(KeyName("a key".into()));
    for request in [pinned, with_certificate] {
        assert_eq!(client().send(&request).unwrap_err(), SendError::Tls(TlsReason::Other));
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn proxies() {
    let proxy = Server::plain(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        false
    });
    let server = Server::plain(|_, stream| respond(stream, "200 OK", "", "{}"));
    let address = ProxyChoice::Address(proxy.url("http", "127.0.0.1", ""));
    let roots = Authority::new("none").pem;
    let client = UreqClient::builder().extra_roots(roots.as_bytes()).only_extra_roots().proxy(address).build().unwrap();

    let local = get(&server.url("http", "127.0.0.1", "/"));
    assert_eq!(local.proxy, Proxy::Never);
    assert_eq!(client.send(&local).unwrap().status, 200);
    assert_eq!(proxy.connections(), 0);

    // The proxy refuses; the request itself was never written.
    assert_eq!(client.send(&post("https://idp.example/token")).unwrap_err(), SendError::NotSent);
    let [asked] = &proxy.requests()[..] else { panic!("{:?}", proxy.requests()) };
    assert!(asked.starts_with("CONNECT idp.example:443 HTTP/1.1\r\n") && !asked.contains("s3cret"), "{asked}");

    // The machine decides, not the address.
    let mut through = get(&server.url("http", "127.0.0.1", "/"));
    through.proxy = Proxy::Default;
    assert_eq!(client.send(&through).unwrap_err(), SendError::NotSent);
    assert_eq!((proxy.connections(), server.connections()), (2, 1));
}

#[test]
fn bad_settings() {
    let bad = |pem: &str| UreqClient::builder().extra_roots(pem.as_bytes()).build().unwrap_err();
    for pem in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(matches!(bad(pem), SetupError::Roots(_)), "{pem}");
    }
    assert!(matches!(UreqClient::builder().only_extra_roots().build(), Err(SetupError::Roots(_))));
    for proxy in ["", "ftp://p.example", "http://"] {
        let built = UreqClient::builder().proxy(ProxyChoice::Address(proxy.into())).build();
        assert!(matches!(built, Err(SetupError::Proxy)), "{proxy:?}");
    }
}

#[test]
fn client_certificates() {
    // RFC 8705 s2: presented where the request names one; a server that does not take it is known from one that cannot be had.
    let (servers, clients, strangers) = (Authority::new("servers"), Authority::new("clients"), Authority::new("x"));
    let identity = servers.identity(&["localhost"], 2100);
    let server = Server::mutual_tls(&identity, &clients, |_, stream| respond(stream, "200 OK", "", "{}"));
    let url = server.url("https", "localhost", "/");
    let name = |text: &str| KeyName(text.to_owned());
    let pem = |authority: &Authority, until| CertificateCredential::pem(&authority.identity(&["app"], until).pem());
    let builder = UreqClient::builder().extra_roots(servers.pem.as_bytes()).only_extra_roots();
    let client = builder
        .proxy(ProxyChoice::None)
        .client_certificate(name("good"), &pem(&clients, 2100))
        .and_then(|builder| builder.client_certificate(name("stranger"), &pem(&strangers, 2100)))
        .and_then(|builder| builder.client_certificate(name("expired"), &pem(&clients, 2021)))
        .and_then(UreqClientBuilder::build)
        .unwrap();
    let refused = Err(SendError::Tls(TlsReason::ClientCertificate));
    let cases = [
        (Some("good"), Ok(200)),
        (None, refused),
        (Some("stranger"), refused),
        (Some("expired"), refused),
        // Connections with one certificate are not used for another.
        (Some("good"), Ok(200)),
        (None, refused),
        (Some("unknown"), Err(SendError::Tls(TlsReason::Other))),
    ];
    for (certificate, expected) in cases {
        let mut request = post(&url);
        request.client_cert = certificate.map(name);
        assert_eq!(client.send(&request).map(|response| response.status), expected, "{certificate:?}");
    }
    assert_eq!(server.requests().len(), 2);
    let mut plain = post("http://127.0.0.1:9/");
    plain.client_cert = Some(name("good"));
    assert_eq!(client.send(&plain).unwrap_err(), SendError::Tls(TlsReason::Other), "no TLS, no certificate");

    // What cannot be presented is told before.
    let [one, other] = [0, 1].map(|_| String::from_utf8(clients.identity(&["app"], 2100).pem()).unwrap());
    let key = one.split_inclusive("-----END PRIVATE KEY-----\n").next().unwrap();
    let certificate = &other[other.find("-----BEGIN CERT").unwrap()..];
    for (credential, expected) in [
        (CertificateCredential::pem(key.as_bytes()).certificate(certificate), "another private key"),
        (CertificateCredential::pem(key.as_bytes()), "client_certificate"),
        (CertificateCredential::pem(one.as_bytes()).thumbprint(&"0".repeat(40)), "thumbprint"),
    ] {
        let error = UreqClient::builder().client_certificate(name("a"), &credential).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
