//! The platform behind TLS on loopback: threads, a throw-away CA, and an end when it is dropped.

mod connection;
mod identity;

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;

use crate::platform::Platform;
use identity::Identity;

/// A [`Platform`] that listens on 127.0.0.1, any port, until it is dropped.
///
/// Its certificate is for `localhost` and 127.0.0.1, signed by a CA that was made for it and is forgotten with it. It is
/// not made for the public: it believes every `Host` header and reads whatever comes, up to a megabyte.
pub struct Server {
    address: SocketAddr,
    ca_pem: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What all threads see.
struct Shared {
    platform: Mutex<Platform>,
    config: Arc<ServerConfig>,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    connections: Mutex<Connections>,
    ended: Condvar,
}

/// Open connections, so that the end of the server is theirs too.
#[derive(Default)]
struct Connections {
    ended: bool,
    next: u64,
    open: Vec<(u64, TcpStream)>,
}

impl Server {
    /// With the clock of the system.
    ///
    /// # Errors
    /// When no certificate can be made or no port is free.
    pub fn start(platform: Platform) -> io::Result<Self> {
        Self::start_with(platform, &[], system_clock)
    }

    /// With certificate names beside `localhost`, and another clock: seconds since 1970.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        platform: Platform,
        names: &[&str],
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let identity = Identity::new(names).map_err(io::Error::other)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            platform: Mutex::new(platform),
            config: identity.config,
            clock: Box::new(clock),
            connections: Mutex::default(),
            ended: Condvar::new(),
        });
        let for_thread = Arc::clone(&shared);
        let acceptor =
            thread::Builder::new().name("sansal-sim".to_owned()).spawn(move || accept(&listener, &for_thread))?;
        Ok(Self { address, ca_pem: identity.ca_pem, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CA's certificate in PEM: make your application trust it.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// `https://localhost:PORT/` and this path: a tenant's authority, an issuer, `adfs`.
    pub fn authority(&self, path: &str) -> String {
        format!("https://localhost:{}/{}", self.address.port(), path.trim_start_matches('/'))
    }

    /// Its instance discovery, for applications that can be pointed at another than Microsoft's.
    pub fn instance_discovery(&self) -> String {
        self.authority("common/discovery/instance")
    }

    /// The platform, to look at or to change. Requests wait as long as this is held.
    pub fn platform(&self) -> MutexGuard<'_, Platform> {
        self.shared.platform()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut connections = self.shared.connections();
            connections.ended = true;
            for (_, stream) in &connections.open {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.ended.notify_all();
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

impl Shared {
    fn platform(&self) -> MutexGuard<'_, Platform> {
        self.platform.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in; nothing once the server has ended.
    fn enter(&self, stream: &TcpStream) -> Option<u64> {
        let clone = stream.try_clone().ok()?;
        let mut connections = self.connections();
        if connections.ended {
            return None;
        }
        let id = connections.next;
        connections.next = id.wrapping_add(1);
        connections.open.push((id, clone));
        Some(id)
    }

    fn leave(&self, id: u64) {
        self.connections().open.retain(|(own, _)| *own != id);
    }

    /// Waits this long, or until the server ends; says whether it goes on.
    fn pause(&self, span: Duration) -> bool {
        let connections = self.connections();
        let waited = self.ended.wait_timeout_while(connections, span, |connections| !connections.ended);
        !waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let accepted = listener.accept();
        if shared.connections().ended {
            break;
        }
        let Ok((stream, _)) = accepted else { continue };
        threads.retain(|thread| !thread.is_finished());
        let shared = Arc::clone(shared);
        let serve = move || {
            if let Some(id) = shared.enter(&stream) {
                connection::serve(stream, &shared, || shared.leave(id));
                shared.leave(id);
            }
        };
        threads.extend(thread::Builder::new().name("sansal-sim connection".to_owned()).spawn(serve));
    }
    for thread in threads {
        let _ = thread.join();
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of the server")]
fn system_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_secs())
}
