//! A response (RFC 9112 s4 to s8) out of pieces of any size, into a buffer that the caller owns.
//!
//! ```text
//! buffer: | head | body, decoded | received, not yet looked at | room |
//! ```
//! What is read is the same whether the bytes come at once or one by one; a fuzz target holds it to that.

use core::fmt;

use sansal::error::SendError;
use sansal::http::{Response, ResponseHeader};

use super::chunked::{Byte, Chunked};

/// Bytes of status line and headers at the most. Entra's are below 4 KiB.
pub const MAX_HEAD: usize = 16 * 1024;
/// Headers at the most; Entra sends about twenty.
pub const MAX_HEADERS: usize = 48;
/// Interim responses (RFC 9110 s15.2) before the final one at the most.
const MAX_INTERIM: u8 = 8;
/// How every response that we can read begins.
const BEGINNING: &[u8] = b"HTTP/1.";

/// One response being read.
///
/// ```text
/// Head --blank line--> Length | Chunked | UntilClose --> Complete
///  ^---- 1xx ----'
/// ```
#[derive(Clone, Copy)]
pub struct Reader {
    /// The most bytes that the body may have.
    limit: usize,
    phase: Phase,
    /// Bytes of the head, once it is whole.
    head: usize,
    /// Where the body ends that is decoded so far.
    end: usize,
    /// Where in the buffer what has been received ends.
    filled: usize,
    interim: u8,
    keeps: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Looking for the blank line from here on.
    Head {
        looked: usize,
    },
    Length {
        left: usize,
    },
    Chunked(Chunked),
    UntilClose,
    Complete,
}

/// How long a body is, RFC 9112 s6.3.
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Reader {
    /// Nothing has been received yet.
    pub const fn new(limit: usize) -> Self {
        Self { limit, phase: Phase::Head { looked: 0 }, head: 0, end: 0, filled: 0, interim: 0, keeps: false }
    }

    /// Where the next bytes go.
    ///
    /// # Errors
    /// [`SendError::TooLarge`] when the buffer is full.
    pub fn room<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b mut [u8], SendError> {
        let room = buffer.get_mut(self.filled..).unwrap_or_default();
        if room.is_empty() { Err(SendError::TooLarge) } else { Ok(room) }
    }

    /// Takes note of `n` bytes in the [room](Self::room), none when the server has ended the connection. Whether the
    /// response is complete.
    ///
    /// # Errors
    /// [`SendError::NoAnswer`] for what is not HTTP or ends too early; [`SendError::TooLarge`] beyond the limits.
    pub fn received(&mut self, buffer: &mut [u8], n: usize) -> Result<bool, SendError> {
        if n == 0 {
            return self.ended();
        }
        self.filled = self.filled.saturating_add(n).min(buffer.len());
        loop {
            match self.phase {
                Phase::Head { looked } => {
                    let Some(head) = find_head(buffer.get(..self.filled).unwrap_or_default(), looked)? else {
                        // The last three bytes may be the first of a blank line.
                        self.phase = Phase::Head { looked: self.filled.saturating_sub(3) };
                        return Ok(false);
                    };
                    self.take_head(buffer, head)?;
                }
                Phase::Length { left } => {
                    let taken = left.min(self.filled.saturating_sub(self.end));
                    self.end = self.end.saturating_add(taken);
                    let left = left.saturating_sub(taken);
                    self.phase = Phase::Length { left };
                    return Ok(left == 0 && self.complete());
                }
                Phase::Chunked(framing) => return self.chunks(buffer, framing),
                Phase::UntilClose => {
                    self.end = self.filled;
                    return if self.body_len() > self.limit { Err(SendError::TooLarge) } else { Ok(false) };
                }
                Phase::Complete => {
                    // More than was asked for: whatever it is, it is not for the next request.
                    self.keeps = false;
                    return Ok(true);
                }
            }
        }
    }

    /// Whether anything has been received.
    pub const fn has_begun(&self) -> bool {
        self.filled > 0 || self.interim > 0
    }

    /// Whether the connection may serve another request (RFC 9112 s9.3), once the response is complete.
    pub const fn keeps(&self) -> bool {
        self.keeps && matches!(self.phase, Phase::Complete)
    }

    /// Bytes that came behind the response, once it is complete.
    pub const fn excess(&self) -> usize {
        self.filled.saturating_sub(self.end)
    }

    /// Lends the response to `look`, once it is complete.
    ///
    /// # Errors
    /// [`SendError::NoAnswer`] when it is not.
    pub fn response<R>(&self, buffer: &[u8], look: impl FnOnce(Response<'_>) -> R) -> Result<R, SendError> {
        let (head, body) = (buffer.get(..self.head), buffer.get(self.head..self.end));
        let (Phase::Complete, Some(head), Some(body)) = (self.phase, head, body) else {
            return Err(SendError::NoAnswer);
        };
        let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut space);
        parsed.parse(head).map_err(|_| SendError::NoAnswer)?;
        let mut headers = [ResponseHeader { name: "", value: "" }; MAX_HEADERS];
        let texts = parsed.headers.iter().filter_map(|h| Some((h.name, core::str::from_utf8(h.value).ok()?)));
        let mut count = 0_usize;
        for (to, (name, value)) in headers.iter_mut().zip(texts) {
            *to = ResponseHeader { name, value };
            count = count.saturating_add(1);
        }
        let headers = headers.get(..count).unwrap_or_default();
        Ok(look(Response { status: parsed.code.unwrap_or(0), headers, body }))
    }

    fn body_len(&self) -> usize {
        self.end.saturating_sub(self.head)
    }

    fn complete(&mut self) -> bool {
        self.phase = Phase::Complete;
        self.keeps &= self.end == self.filled;
        true
    }

    fn ended(&mut self) -> Result<bool, SendError> {
        self.keeps = false;
        match self.phase {
            Phase::Complete => Ok(true),
            Phase::UntilClose => Ok(self.complete()),
            _ => Err(SendError::NoAnswer),
        }
    }

    /// Reads the head that ends there.
    fn take_head(&mut self, buffer: &mut [u8], head: usize) -> Result<(), SendError> {
        let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut space);
        let text = buffer.get(..head).unwrap_or_default();
        match parsed.parse(text) {
            Ok(httparse::Status::Complete(length)) if length == head => {}
            Err(httparse::Error::TooManyHeaders) => return Err(SendError::TooLarge),
            _ => return Err(SendError::NoAnswer),
        }
        let status = parsed.code.unwrap_or(0);
        if status == 101 || status < 100 {
            return Err(SendError::NoAnswer); // nobody asked for another protocol
        }
        if status < 200 {
            self.interim = self.interim.saturating_add(1);
            if self.interim > MAX_INTERIM {
                return Err(SendError::TooLarge);
            }
            buffer.copy_within(head..self.filled, 0);
            self.filled = self.filled.saturating_sub(head);
            self.phase = Phase::Head { looked: 0 };
            return Ok(());
        }
        let framing = framing(status, parsed.headers)?;
        self.keeps = parsed.version == Some(1) && !values(parsed.headers, "connection").any(|v| names(v, "close"));
        (self.head, self.end) = (head, head);
        self.phase = match framing {
            Framing::Length(length) if length > self.limit => return Err(SendError::TooLarge),
            Framing::Length(length) if length > buffer.len().saturating_sub(head) => return Err(SendError::TooLarge),
            Framing::Length(length) => Phase::Length { left: length },
            Framing::Chunked => Phase::Chunked(Chunked::BEGIN),
            Framing::UntilClose => {
                self.keeps = false;
                Phase::UntilClose
            }
        };
        Ok(())
    }

    /// Decodes in place: the data moves down over the framing.
    fn chunks(&mut self, buffer: &mut [u8], mut framing: Chunked) -> Result<bool, SendError> {
        let mut at = self.end;
        let done = loop {
            if at >= self.filled {
                break false;
            }
            if let Chunked::Data { left } = framing {
                let n = left.min(self.filled.saturating_sub(at));
                let next = at.saturating_add(n);
                buffer.copy_within(at..next, self.end);
                (at, self.end) = (next, self.end.saturating_add(n));
                framing = if n == left { Chunked::DataCr } else { Chunked::Data { left: left.saturating_sub(n) } };
                continue;
            }
            let byte = buffer.get(at).copied().unwrap_or_default();
            at = at.saturating_add(1);
            if framing.byte(byte, self.limit.saturating_sub(self.body_len()))? == Byte::Last {
                break true;
            }
        };
        self.phase = Phase::Chunked(framing);
        buffer.copy_within(at..self.filled, self.end);
        self.filled = self.end.saturating_add(self.filled.saturating_sub(at));
        Ok(done && self.complete())
    }
}

/// Where the head ends, if it does: after the first blank line.
fn find_head(received: &[u8], looked: usize) -> Result<Option<usize>, SendError> {
    let beginning = received.get(..BEGINNING.len()).unwrap_or(received);
    if !BEGINNING.starts_with(beginning) {
        return Err(SendError::NoAnswer);
    }
    let rest = received.get(looked..).unwrap_or_default();
    let blank = rest.windows(4).position(|window| window == b"\r\n\r\n");
    let end = blank.map(|at| looked.saturating_add(at).saturating_add(4));
    if end.unwrap_or(received.len()) > MAX_HEAD { Err(SendError::TooLarge) } else { Ok(end) }
}

/// RFC 9112 s6.3. What could be read in two ways is not read at all.
fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Result<Framing, SendError> {
    let mut codings = values(headers, "transfer-encoding");
    let mut lengths = values(headers, "content-length");
    if matches!(status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    match (codings.next(), lengths.next()) {
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
            Ok(Framing::Chunked)
        }
        (Some(_), _) => Err(SendError::NoAnswer),
        (None, Some(first)) if lengths.all(|other| other == first) => length(first).map(Framing::Length),
        (None, Some(_)) => Err(SendError::NoAnswer),
        (None, None) => Ok(Framing::UntilClose),
    }
}

/// Digits and nothing else, RFC 9110 s8.6.
fn length(text: &[u8]) -> Result<usize, SendError> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(SendError::NoAnswer);
    }
    let digits = core::str::from_utf8(text).map_err(|_| SendError::NoAnswer)?;
    digits.parse().map_err(|_| SendError::TooLarge)
}

fn values<'a>(headers: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.trim_ascii())
}

/// Whether a list (RFC 9110 s5.6.1) has this member.
fn names(list: &[u8], member: &str) -> bool {
    list.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(member.as_bytes()))
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("phase", &self.phase).field("body", &self.body_len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    type Read = Result<(u16, String, bool), SendError>;

    /// Feeds at most `piece` bytes at a time, then the end of the connection.
    fn read(text: &[u8], limit: usize, size: usize, piece: usize) -> Read {
        let (mut reader, mut buffer, mut rest) = (Reader::new(limit), vec![0; size], text);
        loop {
            let room = reader.room(&mut buffer)?;
            let n = room.len().min(rest.len()).min(piece);
            room[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            if reader.received(&mut buffer, n)? {
                let keeps = reader.keeps();
                return reader.response(&buffer, |r| (r.status, String::from_utf8(r.body.to_vec()).unwrap(), keeps));
            }
            assert!(n > 0, "the end of a connection ends a response, well or not");
        }
    }

    fn all_pieces(text: &[u8], limit: usize, size: usize) -> Read {
        let whole = read(text, limit, size, usize::MAX);
        for piece in [1, 2, 3, 7, 64] {
            assert_eq!(read(text, limit, size, piece), whole, "{piece} bytes at a time: {}", text.escape_ascii());
        }
        whole
    }

    #[test]
    fn responses() {
        let ok = |status, body: &str, keeps| Ok((status, String::from(body), keeps));
        let cases: &[(&str, Read)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", ok(200, "ab", true)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ok(200, "", true)),
            ("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab", ok(200, "ab", true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", ok(200, "0123456789", true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", ok(200, "ab", true)),
            ("HTTP/1.1 400 Bad\r\nContent-Length: 2\r\nConnection: x, Close\r\n\r\nab", ok(400, "ab", false)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", ok(200, "ab", false)),
            ("HTTP/1.1 204 No Content\r\n\r\n", ok(204, "", true)),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", ok(304, "", true)),
            ("HTTP/1.1 200 OK\r\n\r\nuntil", ok(200, "until", false)),
            ("HTTP/1.1 200 OK\r\n\r\n", ok(200, "", false)),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=\"y\"\r\nc\r\n0\r\n\r\n",
                ok(200, "abc", true),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\nZ: \r\n\r\n",
                ok(200, "0123456789", true),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000a \r\n0123456789\r\n00\r\n\r\n",
                ok(200, "0123456789", true),
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
                ok(200, "x", true),
            ),
            // What is not HTTP, is not clear, or ends too early.
            ("", Err(SendError::NoAnswer)),
            ("SSH-2.0-x\r\n\r\n", Err(SendError::NoAnswer)),
            ("HTTP/2 200 OK\r\n\r\n", Err(SendError::NoAnswer)),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 20x OK\r\n\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 101 Switching\r\n\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nContent-Le", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nab", Err(SendError::NoAnswer)),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
                Err(SendError::NoAnswer),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                Err(SendError::NoAnswer),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nx", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", Err(SendError::NoAnswer)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx", Err(SendError::NoAnswer)),
            // Too much.
            ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", Err(SendError::TooLarge)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", Err(SendError::TooLarge)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nB\r\n", Err(SendError::TooLarge)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n", Err(SendError::TooLarge)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", Err(SendError::TooLarge)),
            ("HTTP/1.1 200 OK\r\n\r\n01234567890", Err(SendError::TooLarge)),
        ];
        for (text, expected) in cases {
            assert_eq!(all_pieces(text.as_bytes(), 10, 512), *expected, "{text:?}");
        }
    }

    #[test]
    fn what_comes_behind_a_response_ends_the_connection() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nX",
        ] {
            assert_eq!(read(text.as_bytes(), 10, 512, usize::MAX), Ok((200, "ab".into(), false)), "{text}");
            assert_eq!(read(text.as_bytes(), 10, 512, 1), Ok((200, "ab".into(), true)), "{text}");
        }
    }

    #[test]
    fn limits() {
        let x = |n: usize| "x".repeat(n);
        let head = |n| alloc::format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", x(n));
        let fixed = head(0).len();
        let many = |n| alloc::format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: y\r\n".repeat(n));
        let interim = |n| "HTTP/1.1 102 x\r\n\r\n".repeat(n) + &head(0);
        let extension = |n| alloc::format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0;{}\r\n\r\n", x(n));
        let trailer = |n| alloc::format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n\r\n", x(n));
        let cases = [
            (head(MAX_HEAD - fixed), true),
            (head(MAX_HEAD - fixed + 1), false),
            (many(MAX_HEADERS - 1), true),
            (many(MAX_HEADERS), false),
            (interim(8), true),
            (interim(9), false),
            (extension(255), true),
            (extension(256), false),
            (trailer(4096), true),
            (trailer(4097), false),
        ];
        for (text, fits) in cases {
            let expected = if fits { Ok((200, String::new(), true)) } else { Err(SendError::TooLarge) };
            assert_eq!(all_pieces(text.as_bytes(), 10, MAX_HEAD + 100), expected, "{} bytes", text.len());
        }
        // A buffer that ends at the last byte, and one byte before.
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
        assert!(all_pieces(text.as_bytes(), 10, text.len()).is_ok());
        assert_eq!(all_pieces(text.as_bytes(), 10, text.len() - 1), Err(SendError::TooLarge));
        assert_eq!(all_pieces(text.as_bytes(), 10, 20), Err(SendError::TooLarge));
    }

    #[test]
    fn headers_are_lent() {
        let text = b"HTTP/1.1 401 No\r\nDate: now\r\nX: \xFF\r\nx-y:  z \r\nContent-Length: 0\r\n\r\n";
        let (mut reader, mut buffer) = (Reader::new(0), [0; 200]);
        assert!(reader.response(&buffer, |_| ()).is_err(), "there is none yet");
        reader.room(&mut buffer).unwrap()[..text.len()].copy_from_slice(text);
        assert!(reader.received(&mut buffer, text.len()).unwrap());
        let seen = reader.response(&buffer, |r| {
            let seen: Vec<_> = r.headers.iter().map(|h| (String::from(h.name), String::from(h.value))).collect();
            assert_eq!((r.status, r.header("DATE"), r.header("x-Y")), (401, Some("now"), Some("z")));
            seen.len()
        });
        assert_eq!(seen, Ok(3), "a value that is not UTF-8 is left out");
    }
}
