//! One TCP connection at a time over smoltcp, as a stream of `embedded-io`: it can block, and it says whether it would.

use core::cell::RefCell;
use core::fmt;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};

use crate::clock::{idle, milliseconds};
use crate::host::random;
use crate::lan9118::Lan9118;

/// Where the emulator puts the guest, and where its host is.
const OWN: Ipv4Address = Ipv4Address::new(10, 0, 2, 15);
const GATEWAY: Ipv4Address = Ipv4Address::new(10, 0, 2, 2);
/// The first of the ports that are for nobody (RFC 6335 s6).
const FIRST_PORT: u16 = 49_152;

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// Nothing came in time.
    TimedOut,
    /// There is none any more.
    Reset,
    /// Nobody answers there.
    Refused,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "nothing came in time",
            Self::Reset => "the connection was reset",
            Self::Refused => "the connection was refused",
        })
    }
}

impl core::error::Error for NetworkError {}

impl embedded_io::Error for NetworkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Reset => ErrorKind::ConnectionReset,
            Self::Refused => ErrorKind::ConnectionRefused,
        }
    }
}

/// The network with its one socket.
pub struct Network {
    device: &'static mut Lan9118,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    port: u16,
}

impl Network {
    /// Starts the network. `None` if there is none, no chance, or this was called before.
    pub fn start() -> Option<Self> {
        let device = cortex_m::singleton!(: Lan9118 = Lan9118::new())?;
        let storage = cortex_m::singleton!(: [SocketStorage<'static>; 1] = [SocketStorage::EMPTY])?;
        let incoming = cortex_m::singleton!(: [u8; 4096] = [0; 4096])?;
        let outgoing = cortex_m::singleton!(: [u8; 2048] = [0; 2048])?;
        let address = device.begin()?;
        let mut seed = [0; 8];
        random(&mut seed).then_some(())?;
        let mut config = Config::new(EthernetAddress(address).into());
        config.random_seed = u64::from_le_bytes(seed);
        let mut interface = Interface::new(config, device, now());
        interface.update_ip_addrs(|all| {
            let _ = all.push(IpCidr::new(OWN.into(), 24));
        });
        let mut sockets = SocketSet::new(&mut storage[..]);
        let socket = Socket::new(SocketBuffer::new(&mut incoming[..]), SocketBuffer::new(&mut outgoing[..]));
        let socket = sockets.add(socket);
        let port = FIRST_PORT + (u16::from_le_bytes([seed[0], seed[1]]) & 0x1FFF);
        Some(Self { device, interface, sockets, socket, port })
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    fn poll(&mut self) {
        self.interface.poll(now(), self.device, &mut self.sockets);
    }

    /// Begins to connect to this port of the emulator's host, and gives up the connection before.
    ///
    /// # Errors
    /// [`NetworkError::Refused`] when it cannot even begin.
    pub fn begin(&mut self, port: u16) -> Result<(), NetworkError> {
        self.port = self.port.wrapping_add(1).max(FIRST_PORT);
        self.socket().abort();
        self.poll();
        let own = self.port;
        let socket: &mut Socket<'_> = self.sockets.get_mut(self.socket);
        socket.connect(self.interface.context(), (GATEWAY, port), own).map_err(|_| NetworkError::Refused)
    }

    /// Whether it is connected by now.
    ///
    /// # Errors
    /// [`NetworkError::Refused`].
    pub fn is_connected(&mut self) -> Result<bool, NetworkError> {
        self.poll();
        match (self.socket().may_send(), self.socket().is_open()) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(NetworkError::Refused),
        }
    }

    /// Ends the connection in good order, as far as that takes no waiting.
    fn end(&mut self) {
        self.socket().close();
        self.poll();
    }
}

fn now() -> Instant {
    Instant::from_millis(i64::try_from(milliseconds()).unwrap_or(i64::MAX))
}

/// The connection of a [`Network`]; dropped, it ends.
pub struct Stream<'n> {
    network: &'n RefCell<Network>,
    timeout: u64,
}

impl<'n> Stream<'n> {
    /// The connection that was begun. Its `read` and `write` block for this many milliseconds at the most.
    pub fn new(network: &'n RefCell<Network>, timeout: u64) -> Self {
        Self { network, timeout }
    }

    /// Polls until `look` sees something.
    pub fn until<R>(
        &mut self,
        mut look: impl FnMut(&mut Network) -> Result<Option<R>, NetworkError>,
    ) -> Result<R, NetworkError> {
        let end = milliseconds().saturating_add(self.timeout);
        loop {
            let mut network = self.network.borrow_mut();
            network.poll();
            if let Some(seen) = look(&mut network)? {
                network.poll();
                return Ok(seen);
            }
            drop(network);
            if milliseconds() >= end {
                return Err(NetworkError::TimedOut);
            }
            idle();
        }
    }

    fn can_read(network: &mut Network) -> bool {
        let socket = network.socket();
        socket.can_recv() || !socket.may_recv()
    }

    fn can_write(network: &mut Network) -> bool {
        let socket = network.socket();
        socket.can_send() || !socket.may_send()
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.network.borrow_mut().end();
    }
}

impl ErrorType for Stream<'_> {
    type Error = NetworkError;
}

impl Read for Stream<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, NetworkError> {
        self.until(|network| {
            let may = Self::can_read(network);
            let socket = network.socket();
            match socket.can_recv() {
                true => socket.recv_slice(out).map(Some).map_err(|_| NetworkError::Reset),
                // Both ends are closed only where the peer sent its end; a reset leaves no socket.
                false if may && socket.is_active() => Ok(Some(0)),
                false if may => Err(NetworkError::Reset),
                false => Ok(None),
            }
        })
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, NetworkError> {
        self.until(|network| {
            let socket = network.socket();
            match (socket.can_send(), socket.may_send()) {
                (true, _) => socket.send_slice(bytes).map(Some).map_err(|_| NetworkError::Reset),
                (false, true) => Ok(None),
                (false, false) => Err(NetworkError::Reset),
            }
        })
    }

    fn flush(&mut self) -> Result<(), NetworkError> {
        self.network.borrow_mut().poll();
        Ok(())
    }
}

impl ReadReady for Stream<'_> {
    fn read_ready(&mut self) -> Result<bool, NetworkError> {
        let mut network = self.network.borrow_mut();
        network.poll();
        Ok(Self::can_read(&mut network))
    }
}

impl WriteReady for Stream<'_> {
    fn write_ready(&mut self) -> Result<bool, NetworkError> {
        let mut network = self.network.borrow_mut();
        network.poll();
        Ok(Self::can_write(&mut network))
    }
}
