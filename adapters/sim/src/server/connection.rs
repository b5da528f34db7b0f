//! One connection: HTTP/1.1 with keep-alive (RFC 9112) over TLS, and the faults that only a transport can have.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use socket2::SockRef;

use super::Shared;
use crate::message::{Delivery, Request, Response};

/// Bytes of a request's head at the most.
const MAX_HEAD: usize = 64 * 1024;
/// Bytes of a request's body at the most.
const MAX_BODY: usize = 1024 * 1024;
const MAX_HEADERS: usize = 100;

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Serves requests until one side has enough. `forget` drops what others hold of this connection.
pub(super) fn serve(socket: TcpStream, shared: &Shared, forget: impl Fn()) {
    let Ok(tls) = ServerConnection::new(Arc::clone(&shared.config)) else { return };
    let _ = socket.set_nodelay(true);
    let mut stream = StreamOwned::new(tls, socket);
    let mut unread = Vec::new();
    let end = loop {
        let (request, keep) = match read_request(&mut stream, &mut unread, &shared.clock) {
            Ok(Some(read)) => read,
            Ok(None) => break End::Notified,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let refusal = Response::text(400, "text/plain", "sansal-sim cannot read this request\n");
                let _ = write_whole(&mut stream, &refusal, false);
                break End::Notified;
            }
            Err(_) => break End::Cut,
        };
        let response = shared.platform().answer(&request);
        match deliver(&mut stream, &response, keep, shared) {
            Ok(End::Open) if keep => {}
            Ok(End::Open) => break End::Notified,
            Ok(end) => break end,
            Err(_) => break End::Cut,
        }
    };
    match end {
        End::Open | End::Notified => {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        End::Cut => {
            let _ = stream.sock.shutdown(Shutdown::Both);
        }
        End::Reset => {
            // A socket that is closed while it lingers for no time is reset, once nobody else holds it.
            let _ = SockRef::from(&stream.sock).set_linger(Some(Duration::ZERO));
            forget();
        }
    }
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Notified,
    Cut,
    Reset,
}

fn deliver(stream: &mut Stream, response: &Response, keep: bool, shared: &Shared) -> io::Result<End> {
    match response.delivery {
        Delivery::Whole => write_whole(stream, response, keep)?,
        Delivery::After(span) => {
            if !shared.pause(span) {
                return Ok(End::Cut);
            }
            write_whole(stream, response, keep)?;
        }
        Delivery::Cut => {
            let half = response.body.get(..response.body.len() / 2).unwrap_or_default();
            stream.write_all(head(response, keep).as_bytes())?;
            stream.write_all(half)?;
            stream.flush()?;
            return Ok(End::Cut);
        }
        Delivery::Reset => return Ok(End::Reset),
        Delivery::Never => {
            // Until the client gives up or the server ends: both end this read.
            let mut ignored = [0; 512];
            while stream.read(&mut ignored)? > 0 {}
            return Ok(End::Cut);
        }
        Delivery::Drip(span) => {
            stream.write_all(head(response, keep).as_bytes())?;
            for byte in &response.body {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                if !shared.pause(span) {
                    return Ok(End::Cut);
                }
            }
        }
    }
    Ok(End::Open)
}

fn write_whole(stream: &mut Stream, response: &Response, keep: bool) -> io::Result<()> {
    // In one piece, as servers send what is short: no client waits twice for it.
    let mut whole = head(response, keep).into_bytes();
    whole.extend_from_slice(&response.body);
    stream.write_all(&whole)?;
    stream.flush()
}

fn head(response: &Response, keep: bool) -> String {
    let headers: String = response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let connection = if keep { "" } else { "Connection: close\r\n" };
    let (status, length) = (response.status, response.body.len());
    format!("HTTP/1.1 {status} sansal-sim\r\n{headers}Content-Length: {length}\r\n{connection}\r\n")
}

/// The next request and whether the connection stays open after it; nothing when the client has closed it.
/// `InvalidData`: it cannot be read.
fn read_request(
    stream: &mut Stream,
    unread: &mut Vec<u8>,
    clock: &dyn Fn() -> u64,
) -> io::Result<Option<(Request, bool)>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let (mut request, head_length) = loop {
        if let Some(found) = parse_head(unread).ok_or_else(invalid)? {
            break found;
        }
        if unread.len() > MAX_HEAD {
            return Err(invalid());
        }
        if !read_more(stream, unread)? {
            return if unread.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
    };
    if request.header("transfer-encoding").is_some() {
        return Err(invalid());
    }
    let length = request.header("content-length").map_or(Ok(0), str::parse::<usize>).map_err(|_| invalid())?;
    if length > MAX_BODY {
        return Err(invalid());
    }
    let end = head_length.saturating_add(length);
    if unread.len() < end && request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        stream.flush()?;
    }
    while unread.len() < end {
        if !read_more(stream, unread)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    // Not before it has come: a connection may be idle for long.
    request.now = clock();
    request.body = unread.get(head_length..end).unwrap_or_default().to_vec();
    unread.drain(..end);
    let close = request.header("connection").is_some_and(|c| c.to_ascii_lowercase().contains("close"));
    Ok(Some((request, !close)))
}

fn read_more(stream: &mut Stream, unread: &mut Vec<u8>) -> io::Result<bool> {
    let mut chunk = [0; 8 * 1024];
    let read = stream.read(&mut chunk)?;
    unread.extend_from_slice(chunk.get(..read).unwrap_or_default());
    Ok(read > 0)
}

/// Outer `None`: broken; inner `None`: not whole yet.
fn parse_head(bytes: &[u8]) -> Option<Option<(Request, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes).ok()? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Some(None),
    };
    let mut request = Request::default();
    parsed.method?.clone_into(&mut request.method);
    parsed.path?.clone_into(&mut request.target);
    for header in parsed.headers.iter() {
        request.headers.push((header.name.to_owned(), std::str::from_utf8(header.value).ok()?.trim().to_owned()));
    }
    request.host = request.header("host")?.to_owned();
    Some(Some((request, length)))
}
