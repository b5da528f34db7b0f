//! A link in memory: a connector whose other end is the simulated platform, with the faults that only a transport can have.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embedded_io::ErrorKind;
use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::SendError;
use sansal::time::{Millis, UnixTime};
use sansal_embedded::{BlockingConnect, Connect, Peer, PolledConnect, Time};
use sansal_sim::{CONTOSO_USER, Platform, Request, Response};

/// The date at which the tests begin.
pub(crate) const NOW: u64 = 1_800_000_000;

/// How the other end frames a body.
#[derive(Clone, Debug)]
pub(crate) enum Framing {
    Length,
    /// In chunks of these sizes, the last one repeated.
    Chunked(Vec<usize>),
    UntilClose,
}

/// What the link does to one connection.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Connecting fails so.
    Refuse(SendError),
    /// Connecting never ends.
    ConnectStalls,
    /// After this many bytes of answers nothing more comes.
    Stall(usize),
    /// After this many bytes of answers the connection is reset.
    Reset(usize),
    /// After this many bytes of answers the connection ends in good order.
    Close(usize),
    /// After this many bytes of requests the connection is reset.
    ResetOnWrite(usize),
    /// A byte of the answer every so many milliseconds.
    Drip(u64),
    /// Exactly these bytes for every request.
    Answer(Vec<u8>),
    /// These lines are added to the head.
    Headers(&'static str),
    /// The answer is framed so.
    Framed(Framing),
}

/// The other end.
pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) framing: Framing,
    pub(crate) clock: Rc<Cell<u64>>,
    /// Bytes that one read or write moves at the most.
    pub(crate) piece: usize,
    /// Whether answers carry a `Date`.
    pub(crate) dated: bool,
    /// For the next connections, one each.
    pub(crate) faults: VecDeque<Option<Fault>>,
    /// Request lines, in the order in which they came.
    pub(crate) requests: Vec<String>,
    /// A user code, and when somebody approves it.
    pub(crate) approval: Option<(String, u64)>,
    pub(crate) connections: usize,
    pub(crate) open: usize,
}

#[derive(Clone)]
pub(crate) struct Link(pub(crate) Rc<RefCell<World>>);

impl Link {
    pub(crate) fn new(platform: Platform) -> Self {
        let world = World {
            platform,
            framing: Framing::Length,
            clock: Rc::new(Cell::new(0)),
            piece: usize::MAX,
            dated: false,
            faults: VecDeque::new(),
            requests: Vec::new(),
            approval: None,
            connections: 0,
            open: 0,
        };
        Self(Rc::new(RefCell::new(world)))
    }

    pub(crate) fn clock(&self, wall: bool) -> Clock {
        Clock { mono: Rc::clone(&self.0.borrow().clock), wall }
    }

    /// Runs a future; each time it waits, five milliseconds go by.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let clock = Rc::clone(&self.0.borrow().clock);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return done;
            }
            clock.set(clock.get() + 5);
        }
    }

    fn open(&self) -> Result<Option<Wire>, SendError> {
        let mut world = self.0.borrow_mut();
        let fault = world.faults.pop_front().flatten();
        match fault {
            Some(Fault::Refuse(why)) => return Err(why),
            Some(Fault::ConnectStalls) => return Ok(None),
            _ => {}
        }
        world.connections += 1;
        world.open += 1;
        drop(world);
        Ok(Some(Wire {
            link: self.clone(),
            fault,
            asked: Vec::new(),
            answers: VecDeque::new(),
            written: 0,
            read: 0,
            ended: false,
            drip: 0,
            flips: 0,
        }))
    }
}

impl Connect for Link {
    type Stream = Wire;

    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Wire, SendError> {
        assert!(peer.secure && peer.port == 443 && peer.client_cert.is_none());
        match self.open()? {
            Some(wire) => Ok(wire),
            None => std::future::pending().await,
        }
    }
}

impl BlockingConnect for Link {
    type Stream = Wire;

    fn connect(&mut self, _: &Peer<'_>) -> Result<Wire, SendError> {
        Ok(self.open()?.expect("a link that blocks is not stalled in these tests"))
    }
}

/// Takes three polls to connect.
pub(crate) struct Slow(pub(crate) Link, pub(crate) u8);

impl PolledConnect for Slow {
    type Stream = Wire;

    fn connect(&mut self, peer: &Peer<'_>) -> Result<Option<Wire>, SendError> {
        assert_eq!(peer.host, "login.microsoftonline.com");
        self.1 += 1;
        if self.1.is_multiple_of(3) { self.0.open() } else { Ok(None) }
    }
}

/// One connection, seen from the device.
pub(crate) struct Wire {
    link: Link,
    fault: Option<Fault>,
    asked: Vec<u8>,
    answers: VecDeque<u8>,
    written: usize,
    read: usize,
    ended: bool,
    drip: u64,
    flips: usize,
}

#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}
impl std::error::Error for Broken {}
impl embedded_io::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}
impl embedded_io::ErrorType for Wire {
    type Error = Broken;
}

enum Now {
    Bytes(usize),
    Nothing,
}

impl Wire {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut n = bytes.len().min(self.link.0.borrow().piece);
        if let Some(Fault::ResetOnWrite(most)) = self.fault {
            n = n.min(most - self.written);
            if n == 0 {
                return Err(Broken);
            }
        }
        if self.ended {
            return Err(Broken);
        }
        self.asked.extend_from_slice(&bytes[..n]);
        self.written += n;
        self.answer();
        Ok(n)
    }

    fn give(&mut self, room: &mut [u8]) -> Result<Now, Broken> {
        let (piece, clock) = {
            let world = self.link.0.borrow();
            (world.piece, world.clock.get())
        };
        let mut n = room.len().min(piece).min(self.answers.len());
        match self.fault {
            Some(Fault::Stall(most)) => n = n.min(most.saturating_sub(self.read)),
            Some(Fault::Reset(most)) if self.read >= most => return Err(Broken),
            Some(Fault::Close(most)) if self.read >= most => return Ok(Now::Bytes(0)),
            Some(Fault::Reset(most) | Fault::Close(most)) => n = n.min(most - self.read),
            Some(Fault::Drip(span)) => {
                if clock < self.drip {
                    return Ok(Now::Nothing);
                }
                self.drip = clock + span;
                n = n.min(1);
            }
            _ => {}
        }
        if n == 0 {
            return Ok(if self.ended && self.answers.is_empty() { Now::Bytes(0) } else { Now::Nothing });
        }
        room.iter_mut().zip(self.answers.drain(..n)).for_each(|(to, from)| *to = from);
        self.read += n;
        Ok(Now::Bytes(n))
    }

    /// Answers what has been asked in full.
    fn answer(&mut self) {
        while let Some((request, length)) = parse(&self.asked) {
            self.asked.drain(..length);
            let mut world = self.link.0.borrow_mut();
            let (now, seconds) = (world.clock.get(), world.clock.get() / 1000);
            if let Some((code, _)) = world.approval.take_if(|(_, at)| *at <= now) {
                assert!(world.platform.approve_device(&code, CONTOSO_USER));
            }
            let request = Request { now: NOW + seconds, ..request };
            world.requests.push(format!("{} {}", request.method, request.path()));
            let response = world.platform.answer(&request);
            let framing = match &self.fault {
                Some(Fault::Framed(framing)) => framing.clone(),
                _ => world.framing.clone(),
            };
            let mut more = match self.fault {
                Some(Fault::Headers(lines)) => lines.to_owned(),
                _ => String::new(),
            };
            if world.dated {
                more += &format!("Date: {}\r\n", date(NOW + seconds));
            }
            drop(world);
            match &self.fault {
                Some(Fault::Answer(bytes)) => self.answers.extend(bytes),
                _ => self.answers.extend(write(&response, &framing, &more)),
            }
            self.ended |= matches!(framing, Framing::UntilClose);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.link.0.borrow_mut().open -= 1;
    }
}

impl embedded_io_async::Read for Wire {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Broken> {
        std::future::poll_fn(|_| match self.give(room) {
            Ok(Now::Bytes(n)) => Poll::Ready(Ok(n)),
            Ok(Now::Nothing) => Poll::Pending,
            Err(why) => Poll::Ready(Err(why)),
        })
        .await
    }
}

impl embedded_io_async::Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.take(bytes)
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

/// As a stream that blocks: where there is nothing, its own time-out ends it.
impl embedded_io::Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Broken> {
        match self.give(room)? {
            Now::Bytes(n) => Ok(n),
            Now::Nothing => {
                let clock = Rc::clone(&self.link.0.borrow().clock);
                clock.set(clock.get() + 30_000);
                Err(Broken)
            }
        }
    }
}

impl embedded_io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.take(bytes)
    }

    fn flush(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

/// Ready every other time, if there is something.
impl embedded_io::ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, Broken> {
        self.flips += 1;
        Ok(self.flips.is_multiple_of(2) && (!self.answers.is_empty() || self.ended))
    }
}

impl embedded_io::WriteReady for Wire {
    fn write_ready(&mut self) -> Result<bool, Broken> {
        self.flips += 1;
        Ok(self.flips.is_multiple_of(2))
    }
}

/// The first whole request in these bytes, and its length.
fn parse(bytes: &[u8]) -> Option<(Request, usize)> {
    let text = std::str::from_utf8(bytes).expect("these tests send texts");
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> =
        lines.map(|line| line.split_once(": ").expect("a header")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let length = header("Content-Length").map_or(0, |length| length.parse().expect("a length"));
    let body = rest.as_bytes().get(..length)?.to_vec();
    let host = header("Host").expect("RFC 9112 s3.2");
    Some((Request { method, target, host, headers, body, now: 0 }, head.len() + 4 + length))
}

/// A response as bytes.
pub(crate) fn write(response: &Response, framing: &Framing, more: &str) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {} sim\r\n", response.status);
    for (name, value) in &response.headers {
        out += &format!("{name}: {value}\r\n");
    }
    out += more;
    match framing {
        Framing::Length => out += &format!("Content-Length: {}\r\n", response.body.len()),
        Framing::Chunked(_) => out += "Transfer-Encoding: chunked\r\n",
        Framing::UntilClose => out += "Connection: close\r\n",
    }
    out += "\r\n";
    let mut out = out.into_bytes();
    let Framing::Chunked(sizes) = framing else {
        out.extend_from_slice(&response.body);
        return out;
    };
    let (mut rest, mut sizes) = (response.body.as_slice(), sizes.iter().peekable());
    while !rest.is_empty() {
        let size = if sizes.len() > 1 { sizes.next() } else { sizes.peek().copied() };
        let (chunk, after) = rest.split_at(size.copied().expect("a size").min(rest.len()));
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Within January 2027, where these tests play.
fn date(now: u64) -> String {
    // Friday, 15 January 2027, 08:00:00 is 1 800 000 000.
    let seconds = now - NOW + 8 * 3600;
    format!(
        "Fri, {:02} Jan 2027 {:02}:{:02}:{:02} GMT",
        15 + seconds / 86400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A clock that only the link moves.
#[derive(Clone)]
pub(crate) struct Clock {
    mono: Rc<Cell<u64>>,
    wall: bool,
}

impl Time for Clock {
    fn mono(&self) -> Millis {
        Millis(self.mono.get())
    }

    fn wall(&self) -> Option<UnixTime> {
        self.wall.then(|| UnixTime(NOW + self.mono.get() / 1000))
    }
}

/// The same clock on a device that blocks while it sleeps.
pub(crate) struct Sleeper(pub(crate) Clock);

impl Time for Sleeper {
    fn mono(&self) -> Millis {
        self.0.mono()
    }

    fn wall(&self) -> Option<UnixTime> {
        self.0.wall()
    }

    async fn sleep(&self, span: Millis) {
        self.0.mono.set(self.0.mono.get() + span.0);
    }
}

/// Counts upwards: no test here depends on chance.
pub(crate) struct Dice(pub(crate) u64);

impl rand_core::TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0 += 1;
        Ok((self.0 % 251) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 += 1;
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            self.0 += 1;
            *byte = (self.0 % 251) as u8;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Dice {}

/// A generator that is not ready.
pub(crate) struct Unready;

impl Entropy for Unready {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
        Err(NoEntropy)
    }
}
