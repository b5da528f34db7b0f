//! The loopback listener (RFC 8252 s7.3): bound before a sign-in begins, since its port is in the redirect address.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

/// Ports that are free on IPv4 and taken on IPv6 are rare; that many in a row are a broken machine.
const ATTEMPTS: usize = 32;

/// Listens on 127.0.0.1 and ::1 at one port. `localhost` is either, as a browser likes; other machines reach neither.
///
/// ```
/// let listener = sansal_std::LoopbackListener::bind(None)?;
/// assert_eq!(listener.redirect_uri(), format!("http://localhost:{}", listener.port()));
/// # Ok::<(), sansal_std::ListenError>(())
/// ```
#[derive(Debug)]
pub struct LoopbackListener {
    pub(super) v4: TcpListener,
    pub(super) v6: Option<TcpListener>,
    port: u16,
}

/// Why there is no listener.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// Another program listens at this port, at 127.0.0.1 or ::1. Use another one, or none.
    PortInUse(u16),
    /// This user may not listen at this port: those below 1024 are often reserved. Use another one, or none.
    Denied(u16),
    /// The operating system could not provide a socket.
    Failed(ErrorKind),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortInUse(port) => write!(f, "another program listens at port {port}; use another port, or none"),
            Self::Denied(port) => write!(f, "this user may not listen at port {port}; use another port, or none"),
            Self::Failed(kind) => write!(f, "cannot listen on loopback: {kind}"),
        }
    }
}

impl std::error::Error for ListenError {}

impl LoopbackListener {
    /// Listens at this port, or at one that is free (`None` or 0).
    ///
    /// Where the machine has no IPv6, at 127.0.0.1 alone: [`has_ipv6`](Self::has_ipv6) says so, and a log event.
    ///
    /// # Errors
    /// [`ListenError`]
    pub fn bind(port: Option<u16>) -> Result<Self, ListenError> {
        let given = port.filter(|&port| port != 0);
        let mut last = ListenError::Failed(ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            let v4 = listen(Ipv4Addr::LOCALHOST.into(), given.unwrap_or(0))?;
            let port = v4.local_addr().map_err(|e| ListenError::Failed(e.kind()))?.port();
            match listen(Ipv6Addr::LOCALHOST.into(), port) {
                Ok(v6) => return Ok(Self { v4, v6: Some(v6), port }),
                Err(ListenError::PortInUse(_)) if given.is_none() => last = ListenError::PortInUse(port),
                Err(why @ ListenError::PortInUse(_)) => return Err(why),
                // Listening at ::1 at all does not work: then browsers cannot go there either.
                Err(_) if listen(Ipv6Addr::LOCALHOST.into(), 0).is_err() => {
                    tracing::info!(port, "no IPv6 loopback here: listening at 127.0.0.1 only");
                    return Ok(Self { v4, v6: None, port });
                }
                Err(why) => return Err(why),
            }
        }
        Err(last)
    }

    /// The port at both addresses.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it listens at ::1 too.
    pub fn has_ipv6(&self) -> bool {
        self.v6.is_some()
    }

    /// What an authorization request says about where to come back to. Register `http://localhost` with the
    /// application; servers leave the port of a loopback address out when they compare (RFC 8252 s7.3).
    pub fn redirect_uri(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

fn listen(address: IpAddr, port: u16) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind((address, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|e: io::Error| match e.kind() {
        ErrorKind::AddrInUse => ListenError::PortInUse(port),
        ErrorKind::PermissionDenied => ListenError::Denied(port),
        kind => ListenError::Failed(kind),
    })
}
