//! Connections over the board's network and TLS, in the two ways of a device without an executor.

use alloc::format;
use alloc::string::String;
#[cfg(feature = "provider")]
use alloc::sync::Arc;
use core::cell::RefCell;

use board::{Network, NetworkError, Stream};
use sansal::error::SendError;
use sansal::time::Millis;
use sansal_embedded::{Blocking, BlockingConnect, Peer};
#[cfg(feature = "superloop")]
use sansal_embedded::{Polled, PolledConnect};
use sansal_embedded_tls::pki_types::CertificateDer;
#[cfg(feature = "provider")]
use sansal_embedded_tls::{ClientKey, P256Key};
use sansal_embedded_tls::{Random, RootCertStore, Tls};

use crate::flows::TENANT;

pub(crate) static RANDOM: Random = Random(board::random);

/// What flows connect with.
pub(crate) type Connector<'n> = Tls<Blocking<Link<'n>>>;

/// What lives as long as the application.
pub(crate) type Wire = RefCell<Network>;

/// Starts the network.
pub(crate) fn wire() -> Option<Wire> {
    Network::start().map(RefCell::new)
}

/// Connections that block.
pub(crate) fn connector(wire: &Wire) -> Option<Connector<'_>> {
    Some(Tls::new(Blocking(Link::new(wire)), roots()?, &RANDOM))
}

/// Connections for a superloop.
#[cfg(feature = "superloop")]
pub(crate) fn polled(wire: &Wire) -> Option<Tls<Polled<Link<'_>>>> {
    Some(Tls::new(Polled(Link::new(wire)), roots()?, &RANDOM))
}

/// The issuer at this server.
pub(crate) fn issuer() -> Option<String> {
    Some(format!("https://localhost:{}/{TENANT}/v2.0", board::argument(2)?))
}

/// The one root that this device trusts; the server's certificate is made anew for each test.
pub(crate) fn roots() -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(board::read(c"ca.der")?)).ok()?;
    Some(roots)
}

/// The device's own certificate, and its key; a real device has the key in fuses or in a secure element.
#[cfg(feature = "provider")]
pub(crate) fn client_certificate() -> Option<(CertificateDer<'static>, Arc<dyn ClientKey>)> {
    let key = P256Key::new(&board::read(c"client.key")?.try_into().ok()?)?;
    Some((board::read(c"client.der")?.into(), Arc::new(key)))
}

/// TCP to the emulator's host, whatever the name: this network has no DNS.
pub(crate) struct Link<'n> {
    wire: &'n Wire,
    /// The connection that is being made, and to which port.
    #[cfg(feature = "superloop")]
    under_way: Option<(u16, Stream<'n>)>,
}

impl<'n> Link<'n> {
    fn new(wire: &'n Wire) -> Self {
        Self {
            wire,
            #[cfg(feature = "superloop")]
            under_way: None,
        }
    }

    fn begin(&self, peer: &Peer<'_>) -> Result<Stream<'n>, SendError> {
        self.wire.borrow_mut().begin(peer.port).map_err(not_sent)?;
        let Millis(timeout) = peer.timeout;
        Ok(Stream::new(self.wire, timeout))
    }
}

fn not_sent(_: NetworkError) -> SendError {
    SendError::NotSent
}

impl<'n> BlockingConnect for Link<'n> {
    type Stream = Stream<'n>;

    fn connect(&mut self, peer: &Peer<'_>) -> Result<Stream<'n>, SendError> {
        let mut stream = self.begin(peer)?;
        stream.until(|network| Ok(network.is_connected()?.then_some(()))).map_err(not_sent)?;
        Ok(stream)
    }
}

#[cfg(feature = "superloop")]
impl<'n> PolledConnect for Link<'n> {
    type Stream = Stream<'n>;

    fn connect(&mut self, peer: &Peer<'_>) -> Result<Option<Stream<'n>>, SendError> {
        let stream = match self.under_way.take() {
            Some((port, stream)) if port == peer.port => stream,
            _ => self.begin(peer)?,
        };
        if self.wire.borrow_mut().is_connected().map_err(not_sent)? {
            return Ok(Some(stream));
        }
        self.under_way = Some((peer.port, stream));
        Ok(None)
    }
}
