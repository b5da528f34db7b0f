//! Streams that block, as ones that never keep a future waiting.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{ErrorType, Read, Write};
use sansal::error::SendError;

use crate::connect::{Connect, Peer};

/// Makes connections whose streams block (`embedded-io`).
pub trait BlockingConnect {
    /// What comes out. Its `read` and `write` come back within [`Peer::timeout`], with an error when nothing happened.
    type Stream: embedded_io::Read + embedded_io::Write;

    /// As [`Connect::connect`].
    ///
    /// # Errors
    /// As [`Connect::connect`].
    fn connect(&mut self, peer: &Peer<'_>) -> Result<Self::Stream, SendError>;
}

/// Makes a blocking connector or stream fit for the driver: each future is ready at once.
#[derive(Clone, Copy, Debug)]
pub struct Blocking<T>(pub T);

impl<C: BlockingConnect> Connect for Blocking<C> {
    type Stream = Blocking<C::Stream>;

    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Self::Stream, SendError> {
        self.0.connect(peer).map(Blocking)
    }
}

impl<S: ErrorType> ErrorType for Blocking<S> {
    type Error = S::Error;
}

impl<S: embedded_io::Read> Read for Blocking<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(buffer)
    }
}

impl<S: embedded_io::Write> Write for Blocking<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(bytes)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.0.flush()
    }
}

/// Runs a future to its end on the spot. Whoever has something better to do than to turn in a circle while a
/// [`sleep`](crate::Time::sleep) lasts says so there.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return done;
        }
        core::hint::spin_loop();
    }
}
