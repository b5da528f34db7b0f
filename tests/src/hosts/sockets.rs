//! Sockets that never make anybody wait, not even while they connect.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

/// What `connect` says when it has begun and will not wait: `EINPROGRESS` on Linux and on macOS.
const IN_PROGRESS: i32 = if cfg!(target_os = "linux") { 115 } else { 36 };

/// Begins to connect; ask [`connected`] what became of it.
///
/// # Errors
/// When the system refuses at once.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(why) if why.kind() != ErrorKind::WouldBlock && why.raw_os_error() != Some(IN_PROGRESS) => Err(why),
        _ => Ok(socket.into()),
    }
}

/// Whether the connection stands.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] while it does not yet, anything else when it never will.
pub fn connected(socket: &TcpStream) -> io::Result<()> {
    match (socket.take_error()?, socket.peer_addr()) {
        (Some(why), _) => Err(why),
        (None, Ok(_)) => Ok(()),
        (None, Err(_)) => Err(ErrorKind::WouldBlock.into()),
    }
}

/// Whether an error only says "not now".
pub fn is_busy(why: &io::Error) -> bool {
    matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
