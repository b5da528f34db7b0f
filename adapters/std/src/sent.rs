//! Tells whether a byte of a request left: a connector around `ureq`'s own that watches the first write.
//!
//! `ureq` reports a reset during the TLS handshake and one after the request alike, but the machine must know: only what
//! was not sent may be sent again. `ureq::unversioned`, hence the tilde in the version table.

use std::cell::Cell;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};

thread_local! {
    // `ureq` connects and writes on the thread that calls it.
    static CONNECTING: Cell<usize> = const { Cell::new(0) };
    static SENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `send` and tells with its result whether a byte of the request was handed to the network.
pub(crate) fn watch<T>(send: impl FnOnce() -> T) -> (T, bool) {
    SENT.set(false);
    let result = send();
    (result, SENT.replace(false))
}

/// A connector, watched; `ureq`'s own as a rule.
#[derive(Debug, Default)]
pub(crate) struct Watched<C = DefaultConnector>(pub(crate) C);

impl<C: Connector<()>> Connector<()> for Watched<C> {
    type Out = WatchedTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        // Time-outs are set for each request. The TLS configuration is the agent's all the same: told so, `ureq` builds
        // it once and not for each connection.
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            resolver: details.resolver,
            config: details.config,
            request_level: false,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let _inside = Inside::enter();
        Ok(self.0.connect(&details, chained)?.map(|transport| WatchedTransport(transport.boxed())))
    }
}

/// While one exists, writes belong to a handshake or to a proxy's `CONNECT`.
struct Inside;

impl Inside {
    fn enter() -> Self {
        CONNECTING.set(CONNECTING.get().saturating_add(1));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        CONNECTING.set(CONNECTING.get().saturating_sub(1));
    }
}

/// A connection that notes the first write after it was made.
#[derive(Debug)]
pub(crate) struct WatchedTransport(Box<dyn Transport>);

impl Transport for WatchedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if CONNECTING.get() == 0 {
            SENT.set(true);
        }
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
