//! The async way: a device code flow as a task of embassy's executor, beside another task that goes on meanwhile.

use alloc::boxed::Box;
use core::future::Future;
use core::sync::atomic::{AtomicU32, Ordering};

use board::{NetworkError, Stream, println};
use embassy_executor::{Executor, Spawner};
use embassy_time::{Instant, Timer};
use embedded_io::{ErrorType, Read as _, ReadReady, Write as _, WriteReady};
use embedded_io_async::{Read, Write};
use sansal::DeviceCode;
use sansal::error::SendError;
use sansal::time::{Millis, UnixTime};
use sansal_embedded::{Connect, Driver, Peer, Time};
use sansal_embedded_tls::Tls;

use crate::device::{BUILT, Chance, Console};
use crate::flows::{BUFFER, Failed, show, thing};
use crate::link::{self, Wire};

/// How often the other task looked up.
static BEATS: AtomicU32 = AtomicU32::new(0);

/// Embassy's timers, and the board's date.
struct Timers;

impl Time for Timers {
    fn mono(&self) -> Millis {
        Millis(Instant::now().as_millis())
    }

    fn wall(&self) -> Option<UnixTime> {
        board::seconds().map(UnixTime)
    }

    fn sleep(&self, span: Millis) -> impl Future<Output = ()> {
        Timer::after_millis(span.0)
    }
}

/// TCP whose futures sleep until it is ready. A driver with interrupts would wake them earlier.
struct Tcp(&'static Wire);

struct Waiting(Stream<'static>);

/// Comes back when `look` sees something; other tasks run meanwhile.
async fn until<R>(mut look: impl FnMut() -> Result<Option<R>, NetworkError>) -> Result<R, NetworkError> {
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        Timer::after_millis(1).await;
    }
}

impl Connect for Tcp {
    type Stream = Waiting;

    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Waiting, SendError> {
        self.0.borrow_mut().begin(peer.port).map_err(|_| SendError::NotSent)?;
        let stream = Stream::new(self.0, peer.timeout.0);
        let connected = until(|| Ok(self.0.borrow_mut().is_connected()?.then_some(())));
        connected.await.map_err(|_| SendError::NotSent)?;
        Ok(Waiting(stream))
    }
}

impl ErrorType for Waiting {
    type Error = NetworkError;
}

impl Read for Waiting {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, NetworkError> {
        until(|| Ok(self.0.read_ready()?.then_some(()))).await?;
        self.0.read(out)
    }
}

impl Write for Waiting {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, NetworkError> {
        until(|| Ok(self.0.write_ready()?.then_some(()))).await?;
        self.0.write(bytes)
    }

    async fn flush(&mut self) -> Result<(), NetworkError> {
        self.0.flush()
    }
}

#[embassy_executor::task]
async fn beat() {
    loop {
        Timer::after_millis(10).await;
        BEATS.fetch_add(1, Ordering::Relaxed);
    }
}

#[embassy_executor::task]
async fn sign_in(wire: &'static Wire) {
    let before = board::heap().used;
    let done = device_code(wire).await.map_err(|why| println!("error {why}"));
    println!("beats {}", BEATS.load(Ordering::Relaxed));
    println!("heap-left {}", board::heap().used.saturating_sub(before));
    crate::end(done.is_ok())
}

async fn device_code(wire: &'static Wire) -> Result<(), Failed> {
    let client = thing()?;
    let flow = DeviceCode::new(&["User.Read"])?.flow(&client)?;
    let connector = Tls::new(Tcp(wire), link::roots().ok_or(Failed::Board("no root certificate"))?, &link::RANDOM);
    let mut buffer = [0; BUFFER];
    let mut driver = Driver::new(connector, Timers, Chance, &mut buffer, BUILT)?.asks(Console);
    show(&driver.drive(&client, flow).await?);
    Ok(())
}

/// Runs both tasks; the first to end ends the firmware.
pub(crate) fn run() -> ! {
    let Some(wire) = link::wire() else {
        println!("error no network");
        crate::end(false)
    };
    let wire: &'static Wire = Box::leak(Box::new(wire));
    let executor: &'static mut Executor = Box::leak(Box::new(Executor::new()));
    executor.run(|spawner: Spawner| match (beat(), sign_in(wire)) {
        (Ok(beat), Ok(sign_in)) => {
            spawner.spawn(beat);
            spawner.spawn(sign_in);
        }
        _ => crate::end(false),
    })
}
