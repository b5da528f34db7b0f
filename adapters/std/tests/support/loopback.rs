//! A browser's side of the loopback listener: requests as text, and answers whose headers are checked each time.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::TcpStream;

/// The state of the sign-in, and the right answer to it.
pub(crate) const STATE: &str = "state-0123456789";
pub(crate) const RIGHT: &str = "code=the-code&state=state-0123456789&session_state=x";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn post(target: &str, host: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\nOrigin: null\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn get(target: &str, host: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

pub(crate) fn exchange(mut stream: TcpStream, request: &[u8]) -> Answer {
    stream.write_all(request).unwrap();
    response(stream)
}

pub(crate) fn response(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    for header in [
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ] {
        assert!(head.lines().any(|line| line == header), "{header} is missing in {head}");
    }
    assert!(!head.to_ascii_lowercase().contains("access-control"), "{head}");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
