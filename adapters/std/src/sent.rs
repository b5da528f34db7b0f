//! Tells whether a byte of a request left: a connector around `ureq`'s own that watches the first write.
//!
//! `ureq` reports a reset during the TLS handshake and one after the request alike, but the machine must know: only what
//! was not sent may be sent again. `ureq::unversioned`, hence the tilde in the version table.

use std::cell::Cell;
use std::time;

use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector,
    SocksConnector, TcpConnector, Transport,
};

use crate::name_lookup::look_up;

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

/// A connector, watched.
#[derive(Debug)]
pub(crate) struct Watched<C>(pub(crate) C);

/// As `ureq` connects by itself, with [`Coarse`] time-outs: through a SOCKS proxy, through another, directly; with TLS.
pub(crate) fn connector() -> impl Connector<()> {
    let socket = ().chain(SocksConnector::default()).chain(ConnectProxyConnector::default());
    socket.chain(TcpConnector::default()).chain(Coarse).chain(RustlsConnector::default())
}

/// Connects to the host itself, with [`Coarse`] time-outs and without TLS.
pub(crate) fn direct_connector() -> impl Connector<()> {
    ().chain(TcpConnector::default()).chain(Coarse)
}

impl<C: Connector<()>> Connector<()> for Watched<C> {
    type Out = WatchedTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<()>) -> Result<Option<Self::Out>, Error> {
        let resolver = DefaultResolver::default();
        let (addrs, timeout) = look_up(details, &resolver)?;
        // Time-outs are set for each request. The TLS configuration is the agent's all the same: told so, `ureq` builds
        // it once and not for each connection.
        let details = ConnectionDetails {
            uri: details.uri,
            addrs,
            resolver: &resolver,
            config: details.config,
            request_level: false,
            now: details.now,
            timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let _inside = Inside::enter();
        Ok(self.0.connect(&details, chained)?.map(|transport| WatchedTransport::new(transport.boxed(), details.config)))
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

/// A connection that notes the first write after it was made, and asks the operating system for as little as it can:
///
/// - It writes only when there is nothing more to write: the head of a request and its body, which `ureq` hands over one after
///   the other, go out as one.
/// - Whether it is still open is looked up when it is used again, and not also right after its last answer.
#[derive(Debug)]
pub(crate) struct WatchedTransport {
    inner: Box<dyn Transport>,
    buffers: LazyBuffers,
    /// Bytes at the start of the output that are to be sent yet.
    pending: usize,
    /// Whether something came since somebody asked whether it is open.
    heard: bool,
}

impl WatchedTransport {
    fn new(inner: Box<dyn Transport>, config: &Config) -> Self {
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Self { inner, buffers, pending: 0, heard: false }
    }

    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let amount = std::mem::take(&mut self.pending);
        let mut left = self.buffers.output().get_mut(..amount).unwrap_or_default();
        if !left.is_empty() && CONNECTING.get() == 0 {
            SENT.set(true);
        }
        while !left.is_empty() {
            let output = self.inner.buffers().output();
            let (now, later) = left.split_at_mut(left.len().min(output.len()));
            for (to, from) in output.iter_mut().zip(&*now) {
                *to = *from;
            }
            self.inner.transmit_output(now.len(), timeout)?;
            left = later;
        }
        Ok(())
    }
}

impl Transport for WatchedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.pending = self.pending.saturating_add(amount);
        let room = self.output().len();
        if room < self.pending { self.flush(timeout) } else { Ok(()) }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        let progress = self.inner.maybe_await_input(timeout)?;
        self.heard |= progress;
        let buffers = self.inner.buffers();
        let (from, to) = (buffers.input(), self.buffers.input_append_buf());
        let amount = from.len().min(to.len());
        if let (Some(from), Some(to)) = (from.get(..amount), to.get_mut(..amount)) {
            to.copy_from_slice(from);
        }
        buffers.input_consume(amount);
        self.buffers.input_appended(amount);
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        std::mem::take(&mut self.heard) || self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// What is pending is out of the writer's sight.
impl Buffers for WatchedTransport {
    fn output(&mut self) -> &mut [u8] {
        self.buffers.output().get_mut(self.pending..).unwrap_or_default()
    }

    fn input(&self) -> &[u8] {
        self.buffers.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.buffers.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.buffers.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.buffers.input_consume(amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (tmp, output) = self.buffers.tmp_and_output();
        (tmp, output.get_mut(self.pending..).unwrap_or_default())
    }

    fn can_use_input(&self) -> bool {
        self.buffers.can_use_input()
    }
}

/// Makes time-outs coarse, so that most of them need not be told to the socket again. It stands below TLS, which counts anew, to
/// the nanosecond, what is left for each read and write.
#[derive(Debug)]
pub(crate) struct Coarse;

/// Time-outs above this are rounded up to a multiple of [`STEP`].
const LONG: time::Duration = time::Duration::from_secs(2);
const STEP: time::Duration = time::Duration::from_millis(250);

/// What is left of a long time-out, with less precision.
fn coarse(mut timeout: NextTimeout) -> NextTimeout {
    if let Duration::Exact(left) = timeout.after
        && left > LONG
        && let Ok(steps) = u32::try_from(left.as_nanos().div_ceil(STEP.as_nanos()))
    {
        timeout.after = STEP.saturating_mul(steps).into();
    }
    timeout
}

impl<In: Transport> Connector<In> for Coarse {
    type Out = CoarseTransport<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(CoarseTransport))
    }
}

#[derive(Debug)]
pub(crate) struct CoarseTransport<T>(T);

impl<T: Transport> Transport for CoarseTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, coarse(timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(coarse(timeout))
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_time_outs_are_rounded_up_and_short_ones_are_exact() {
        let exact = |ms| NextTimeout { after: Duration::from_millis(ms), ..NextTimeout::default() };
        for (left, rounded) in [
            (1, 1),
            (1_999, 1_999),
            (2_000, 2_000),
            (2_001, 2_250),
            (29_999, 30_000),
            (30_000, 30_000),
            (30_001, 30_250),
        ] {
            assert_eq!(coarse(exact(left)).after, Duration::from_millis(rounded), "{left}");
        }
        assert!(coarse(NextTimeout::default()).after.is_not_happening());
    }
}
