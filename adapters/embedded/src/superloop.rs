//! The superloop: streams that say whether they are ready, and a `poll` that does a little and returns.

use alloc::boxed::Box;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use embedded_io::{ReadReady, WriteReady};
use embedded_io_async::{ErrorType, Read, Write};
use sansal::error::SendError;

use crate::connect::{Connect, Peer};

/// Makes connections without waiting for them.
pub trait PolledConnect {
    /// What comes out. Its `read` and `write` are called only after they were said to be ready, and must not wait then.
    type Stream: embedded_io::Read + embedded_io::Write + ReadReady + WriteReady;

    /// Begins to connect, or goes on with it; `None` as long as it is not done. The same peer is asked for until it is; another
    /// one means that the first was given up.
    ///
    /// # Errors
    /// As [`Connect::connect`].
    fn connect(&mut self, peer: &Peer<'_>) -> Result<Option<Self::Stream>, SendError>;
}

/// Makes a connector or stream of a superloop fit for the driver: its futures wait until it is ready.
#[derive(Clone, Copy, Debug)]
pub struct Polled<T>(pub T);

impl<C: PolledConnect> Connect for Polled<C> {
    type Stream = Polled<C::Stream>;

    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Self::Stream, SendError> {
        poll_fn(|_| match self.0.connect(peer) {
            Ok(None) => Poll::Pending,
            Ok(Some(stream)) => Poll::Ready(Ok(Polled(stream))),
            Err(why) => Poll::Ready(Err(why)),
        })
        .await
    }
}

impl<S: ErrorType> ErrorType for Polled<S> {
    type Error = S::Error;
}

impl<S: embedded_io::Read + ReadReady> Read for Polled<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        poll_fn(|_| ready(self.0.read_ready())).await?;
        self.0.read(buffer)
    }
}

impl<S: embedded_io::Write + WriteReady> Write for Polled<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        poll_fn(|_| ready(self.0.write_ready())).await?;
        self.0.write(bytes)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        poll_fn(|_| ready(self.0.write_ready())).await?;
        self.0.flush()
    }
}

fn ready<E>(is_ready: Result<bool, E>) -> Poll<Result<(), E>> {
    match is_ready {
        Ok(true) => Poll::Ready(Ok(())),
        Ok(false) => Poll::Pending,
        Err(why) => Poll::Ready(Err(why)),
    }
}

/// Something under way in a superloop. No interrupt and no executor is needed: each [`poll`](Self::poll) looks at whatever it
/// waits for. Dropped, it ends with its connection; nothing that was committed is lost.
pub struct Superloop<F: Future> {
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Superloop<F> {
    /// Of [`Driver::drive`](crate::Driver::drive), or of any future that looks by itself. Its one allocation.
    pub fn new(future: F) -> Self {
        Self { future: Some(Box::pin(future)) }
    }

    /// Does what can be done now. `None`: call again, after whatever else the loop has to do; or it is over.
    pub fn poll(&mut self) -> Option<F::Output> {
        let future = self.future.as_mut()?;
        let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { return None };
        self.future = None;
        Some(done)
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.future.is_none()
    }
}

impl<F: Future> fmt::Debug for Superloop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Superloop").field("is_over", &self.is_over()).finish()
    }
}
