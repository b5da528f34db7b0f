//! One connection to the loopback listener: reads a request, writes a response, closes. Never blocks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use sansal::time::Millis;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::request::{MAX_BODY, MAX_HEAD, Reading, Request, read};

/// How long a client may take for its request. Browsers open connections ahead and leave them silent for a while.
const READING: Millis = Millis(10_000);
/// How long it may take to fetch the response.
const WRITING: Millis = Millis(5_000);
/// How long it may take to close: closing first would take the response from it (RFC 9112 s9.6).
const CLOSING: Millis = Millis(1_000);
/// A slow client keeps its place this long when there are more clients than places. Browsers send at once.
pub(super) const PATIENCE: Millis = Millis(100);
/// Read in one go, so that no client keeps the others waiting.
const CHUNK: usize = 8 * 1024;
/// What most browsers send fits.
const USUAL: usize = 8 * 1024;

/// A client and how far it is.
pub(super) struct Connection {
    stream: TcpStream,
    since: Millis,
    stage: Stage,
    /// Whether its response is the page that ends the sign-in.
    pub(super) has_page: bool,
}

enum Stage {
    Reading(Zeroizing<Vec<u8>>),
    Writing { response: Vec<u8>, written: usize },
    Closing,
    Over,
}

/// What to send, and whether it is the page that ends the sign-in.
pub(super) struct Reply {
    pub(super) response: Vec<u8>,
    pub(super) is_page: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, now: Millis) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stage = Stage::Reading(Zeroizing::new(Vec::with_capacity(USUAL)));
        Ok(Self { stream, since: now, stage, has_page: false })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Since when it has kept others from its place, if it still owes its request.
    pub(super) fn owes_request_since(&self) -> Option<Millis> {
        matches!(self.stage, Stage::Reading(_)).then_some(self.since)
    }

    /// Does what can be done at once; whether anything could.
    pub(super) fn advance(&mut self, now: Millis, reply: impl FnOnce(Result<Request<'_>, Refusal>) -> Reply) -> bool {
        let allowed = match self.stage {
            Stage::Reading(_) => READING,
            Stage::Writing { .. } => WRITING,
            Stage::Closing => CLOSING,
            Stage::Over => return false,
        };
        if now.since(self.since) >= allowed {
            self.stage = Stage::Over;
            return true;
        }
        let done = match &mut self.stage {
            Stage::Reading(bytes) => receive(&mut self.stream, bytes).map(|()| match read(bytes) {
                Reading::Partial => None,
                Reading::Whole(request) => Some(reply(Ok(request))),
                Reading::Refused(refusal) => Some(reply(Err(refusal))),
            }),
            Stage::Writing { response, written } => send(&mut self.stream, response, written).map(|()| None),
            Stage::Closing => discard(&mut self.stream).map(|()| None),
            Stage::Over => return false,
        };
        match done {
            Ok(Some(Reply { response, is_page })) => {
                self.has_page = is_page;
                self.since = now;
                self.stage = Stage::Writing { response, written: 0 };
            }
            Ok(None) => self.close_when_written(now),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock) => return false,
            Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted) => {}
            Err(_) => self.stage = Stage::Over,
        }
        true
    }

    fn close_when_written(&mut self, now: Millis) {
        if matches!(&self.stage, Stage::Writing { response, written } if *written >= response.len()) {
            self.since = now;
            let closed = self.stream.shutdown(Shutdown::Write).is_ok();
            self.stage = if closed { Stage::Closing } else { Stage::Over };
        }
    }
}

/// One read; the end of the stream is an error, since the request is not whole.
fn receive(stream: &mut impl Read, bytes: &mut Zeroizing<Vec<u8>>) -> io::Result<()> {
    let mut chunk = Zeroizing::new([0; CHUNK]);
    let length = stream.read(chunk.as_mut_slice())?;
    let Some(new) = chunk.get(..length).filter(|new| !new.is_empty()) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    if bytes.len().saturating_add(new.len()) > bytes.capacity() {
        // Growing by itself would leave a copy of the code behind; the old buffer is overwritten when it is dropped.
        let largest = MAX_HEAD.saturating_add(MAX_BODY).saturating_add(CHUNK);
        let mut larger = Zeroizing::new(Vec::with_capacity(largest));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(new);
    Ok(())
}

fn send(stream: &mut impl Write, response: &[u8], written: &mut usize) -> io::Result<()> {
    match stream.write(response.get(*written..).unwrap_or_default())? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        length => {
            *written = written.saturating_add(length);
            Ok(())
        }
    }
}

/// Reads what is left and forgets it; the end of the stream is an error, since there is nothing left to do.
fn discard(stream: &mut impl Read) -> io::Result<()> {
    let mut chunk = Zeroizing::new([0; CHUNK]);
    if stream.read(chunk.as_mut_slice())? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
