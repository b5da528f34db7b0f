//! The endpoints of managed identities on loopback, by plain HTTP as on a real machine. Service Fabric wants TLS and is not here.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ManagedIdentities;
use crate::message::{Delivery, Request, Response};

/// Bytes of a request at the most.
const MAX_REQUEST: usize = 64 * 1024;
/// How often a thread that waits looks whether the server has ended.
const LOOK_UP: Duration = Duration::from_millis(20);

/// [`ManagedIdentities`] that listen on 127.0.0.1, any port, until they are dropped. Each answer ends its connection.
///
/// ```
/// use sansal_sim::managed::{APP_SERVICE, ManagedIdentities, SECRET, Server};
///
/// let server = Server::start(ManagedIdentities::new())?;
/// // Start your application with these two variables:
/// let (identity_endpoint, identity_header) = (server.url(APP_SERVICE), SECRET);
/// # let _ = (identity_endpoint, identity_header);
/// assert_eq!(server.identities().issued(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    address: SocketAddr,
    identities: Arc<Mutex<ManagedIdentities>>,
    ended: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// With the clock of the system.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(identities: ManagedIdentities) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (identities, ended) = (Arc::new(Mutex::new(identities)), Arc::new(AtomicBool::new(false)));
        let (shared, end) = (Arc::clone(&identities), Arc::clone(&ended));
        let acceptor = thread::Builder::new().name("sansal-sim managed".to_owned()).spawn(move || {
            let mut threads: Vec<JoinHandle<()>> = Vec::new();
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                threads.retain(|thread| !thread.is_finished());
                let (shared, end) = (Arc::clone(&shared), Arc::clone(&end));
                threads.push(thread::spawn(move || drop(serve(stream, &shared, &end))));
            }
            for thread in threads {
                let _ = thread.join();
            }
        })?;
        Ok(Self { address, identities, ended, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of one of the paths; of none: what goes into `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The endpoints, to look at or to change. Requests wait as long as this is held.
    pub fn identities(&self) -> MutexGuard<'_, ManagedIdentities> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // The acceptor looks up when somebody connects.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

fn serve(mut stream: TcpStream, identities: &Mutex<ManagedIdentities>, ended: &AtomicBool) -> io::Result<()> {
    stream.set_read_timeout(Some(LOOK_UP))?;
    let request = read_request(&mut stream, ended)?;
    let response = identities.lock().unwrap_or_else(PoisonError::into_inner).answer(&request);
    let half = response.body.get(..response.body.len() / 2).unwrap_or_default();
    match response.delivery {
        Delivery::Reset => {}
        Delivery::Never => pause(Duration::MAX, ended),
        Delivery::Cut => stream.write_all(head(&response).as_bytes()).and_then(|()| stream.write_all(half))?,
        Delivery::Whole | Delivery::After(_) => {
            if let Delivery::After(span) = response.delivery {
                pause(span, ended);
            }
            stream.write_all(head(&response).as_bytes()).and_then(|()| stream.write_all(&response.body))?;
        }
        Delivery::Drip(span) => {
            stream.write_all(head(&response).as_bytes())?;
            for byte in &response.body {
                stream.write_all(&[*byte])?;
                pause(span, ended);
            }
        }
    }
    stream.shutdown(Shutdown::Both)
}

fn pause(span: Duration, ended: &AtomicBool) {
    let mut left = span;
    while !left.is_zero() && !ended.load(Ordering::SeqCst) {
        thread::sleep(left.min(LOOK_UP));
        left = left.saturating_sub(LOOK_UP);
    }
}

fn head(response: &Response) -> String {
    let headers: String = response.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (status, length) = (response.status, response.body.len());
    format!("HTTP/1.1 {status} sansal-sim\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n")
}

fn read_request(stream: &mut TcpStream, ended: &AtomicBool) -> io::Result<Request> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = parse(&bytes) {
            return Ok(request);
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => bytes.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(why) => return Err(why),
        }
        if bytes.len() > MAX_REQUEST || ended.load(Ordering::SeqCst) {
            return Err(invalid());
        }
    }
}

/// A whole request, once it is there.
fn parse(bytes: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut request = Request { now: now(), ..Request::default() };
    first.next()?.clone_into(&mut request.method);
    first.next()?.clone_into(&mut request.target);
    let headers = lines.filter_map(|line| line.split_once(':'));
    request.headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    request.host = request.header("host").unwrap_or_default().to_owned();
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = body.as_bytes().get(..length)?.to_vec();
    Some(request)
}

#[expect(clippy::disallowed_methods, reason = "the clock of the server")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed::{APP_SERVICE, CLOUD_SHELL, SECRET, TOKEN};
    use crate::{Fault, On, What};

    fn ask(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        // In two pieces, as networks do it.
        let (first, second) = request.split_at(request.len() / 2);
        stream.write_all(first.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(30));
        stream.write_all(second.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn it_answers_and_ends() {
        let server = Server::start(ManagedIdentities::new()).unwrap();
        let get = format!(
            "GET {APP_SERVICE}?api-version=2019-08-01&resource=r HTTP/1.1\r\nHost: h\r\nX-IDENTITY-HEADER: {SECRET}\r\n\r\n"
        );
        let post = format!(
            "POST {CLOUD_SHELL} HTTP/1.1\r\nHost: h\r\nMetadata: true\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nresource=r"
        );
        for request in [&get, &post] {
            let answer = ask(&server, request);
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(TOKEN), "{answer}");
        }
        server.identities().fault(Fault::new(On::Token, What::CutBody));
        assert!(!ask(&server, &get).ends_with('}'));
        server.identities().fault(Fault::new(On::Token, What::Reset));
        assert_eq!(ask(&server, &get), "");
        assert_eq!(server.identities().requests().len(), 4);
        // Somebody waits for an answer that never comes; the end of the server is his too.
        server.identities().fault(Fault::new(On::Token, What::NoAnswer));
        let address = server.address();
        let waiting = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(get.as_bytes()).unwrap();
            stream.read(&mut [0; 8]).unwrap_or(0)
        });
        while server.identities().requests().len() < 5 {
            thread::sleep(LOOK_UP);
        }
        drop(server);
        assert_eq!(waiting.join().unwrap(), 0);
    }
}
