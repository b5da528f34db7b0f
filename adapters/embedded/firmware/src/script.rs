//! A server in memory: the OAuth layer alone, without TLS and TCP, with a token of 4 KiB. For measuring.
#![cfg_attr(not(feature = "flows"), expect(dead_code, reason = "only flows connect"))]

use alloc::string::{String, ToString};
use core::convert::Infallible;

use embedded_io::{ErrorType, Read, Write};
use sansal::error::SendError;
use sansal_embedded::{Blocking, BlockingConnect, Peer};

/// What flows connect with.
pub(crate) type Connector<'n> = Blocking<Script>;

/// There is no network.
pub(crate) type Wire = ();

pub(crate) fn wire() -> Option<Wire> {
    Some(())
}

pub(crate) fn connector(_: &Wire) -> Option<Connector<'_>> {
    Some(Blocking(Script))
}

pub(crate) fn issuer() -> Option<String> {
    Some(ISSUER.to_string())
}

const ISSUER: &str = "https://login.example/7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70/v2.0";

const METADATA: &[&[u8]] = &[br#"{"issuer":"https://login.example/7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70/v2.0","token_endpoint":"https://login.example/7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70/oauth2/v2.0/token","device_authorization_endpoint":"https://login.example/7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70/oauth2/v2.0/devicecode","authorization_endpoint":"https://login.example/7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70/oauth2/v2.0/authorize","jwks_uri":"https://login.example/7e3a0b52-1d4f-4c8e-9b6a-2f5d8c1e4a70/discovery/v2.0/keys","response_types_supported":["code","id_token","code id_token","id_token token"],"scopes_supported":["openid","profile","email","offline_access"],"subject_types_supported":["pairwise"],"id_token_signing_alg_values_supported":["RS256"]}"#];

const DEVICE: &[&[u8]] = &[br#"{"device_code":"BAQABAAEAAAD-DLA3VO7QrddgJg7Wevr2bJ1RDQ","user_code":"ABCDEFGHJ","verification_uri":"https://login.example/device","expires_in":900,"interval":1,"message":"Open https://login.example/device and enter the code ABCDEFGHJ."}"#];

/// Claims of a user; the signature is not looked at, since TLS vouches for what comes from the token endpoint.
const ID_TOKEN: &[u8] = b"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6IjEifQ.eyJhdWQiOiJjMGZmZWUwMC1iYmJiLTRjY2MtOGRkZC0xMjM0NTY3ODlhYmMiLCJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUvN2UzYTBiNTItMWQ0Zi00YzhlLTliNmEtMmY1ZDhjMWU0YTcwL3YyLjAiLCJpYXQiOjE3NjAwMDAwMDAsIm5iZiI6MTc2MDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwLCJzdWIiOiJzIiwib2lkIjoiYTBlMWUwMDAtMTExMS00MjIyLTgzMzMtMDAwMDAwMDAwMDAxIiwidGlkIjoiN2UzYTBiNTItMWQ0Zi00YzhlLTliNmEtMmY1ZDhjMWU0YTcwIiwibmFtZSI6IkFkZWxlIFZhbmNlIiwicHJlZmVycmVkX3VzZXJuYW1lIjoiYWRlbGVAY29udG9zby5vbm1pY3Jvc29mdC5jb20iLCJ2ZXIiOiIyLjAifQ.c2ln";

const TOKEN: &[&[u8]] = &[
    if cfg!(any(feature = "bound", feature = "bound-in-memory")) {
        br#"{"token_type":"pop","#
    } else {
        br#"{"token_type":"Bearer","#
    },
    br#""expires_in":3599,"access_token":""#,
    &[b'x'; 4096],
    of_user(br#"","refresh_token":""#),
    of_user(&[b'r'; 1024]),
    of_user(br#"","id_token":""#),
    of_user(ID_TOKEN),
    br#""}"#,
];

/// What comes for users only: a device's own token has none of it.
const fn of_user(part: &'static [u8]) -> &'static [u8] {
    if cfg!(any(feature = "secret", feature = "certificate")) { b"" } else { part }
}

/// Makes connections to it.
pub(crate) struct Script;

impl BlockingConnect for Script {
    type Stream = Answers;

    fn connect(&mut self, _: &Peer<'_>) -> Result<Answers, SendError> {
        Ok(Answers { body: TOKEN, head: true, at: 0, is_reading: true })
    }
}

/// A connection: the beginning of each request decides what is answered.
pub(crate) struct Answers {
    body: &'static [&'static [u8]],
    head: bool,
    at: usize,
    is_reading: bool,
}

impl ErrorType for Answers {
    type Error = Infallible;
}

impl Write for Answers {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        if self.is_reading {
            let has = |word: &[u8]| bytes.windows(word.len()).take(128).any(|at| at == word);
            self.body = if bytes.first() == Some(&b'G') {
                METADATA
            } else if has(b"devicecode ") {
                DEVICE
            } else {
                TOKEN
            };
            (self.head, self.at, self.is_reading) = (true, 0, false);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Read for Answers {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        self.is_reading = true;
        if self.head {
            self.head = false;
            let length: usize = self.body.iter().map(|part| part.len()).sum();
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 00000\r\n\r\n";
            let n = head.len().min(out.len());
            out[..n].copy_from_slice(&head[..n]);
            let mut left = length;
            for digit in out[..n - 4].iter_mut().rev().take(5) {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
            return Ok(n);
        }
        let mut skipped = self.at;
        for part in self.body {
            match part.get(skipped..) {
                Some(left) if !left.is_empty() => {
                    let n = left.len().min(out.len());
                    out[..n].copy_from_slice(&left[..n]);
                    self.at += n;
                    return Ok(n);
                }
                _ => skipped -= part.len(),
            }
        }
        Ok(0)
    }
}

/// Asks and reads as a flow would: what of this file is in the image without any flow, too.
#[cfg(not(feature = "flows"))]
pub(crate) fn exercise() -> usize {
    let mut buffer = [0; 64];
    let mut read = 0;
    for request in [&b"GET"[..], b"POST devicecode ", b"POST"] {
        let mut stream = Answers { body: TOKEN, head: true, at: 0, is_reading: true };
        let _ = stream.write(core::hint::black_box(request));
        while let Ok(n @ 1..) = stream.read(core::hint::black_box(&mut buffer)) {
            read += n;
        }
    }
    read
}
