//! HTTP/1.1 (RFC 9112) as far as a client of token endpoints needs it: one request, one response, then the connection ends.

use sansal::flow::{Request, Response, SendError};
use sansal::http::ResponseHeader;
use sansal::secret::SecretBytes;

/// Bytes of status line and headers at the most, and of framing around the chunks of a body.
const MAX_OVERHEAD: usize = 64 * 1024;
/// Headers at the most.
const MAX_HEADERS: usize = 96;

/// A whole response, owned.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names and values in the order they came; values that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: SecretBytes,
}

impl Answer {
    /// A response with a JSON body, for scripted servers.
    pub fn json(status: u16, body: &str) -> Self {
        let headers = Vec::from([("Content-Type".into(), "application/json".into())]);
        Self { status, headers, body: SecretBytes::from(body.as_bytes()) }
    }

    /// Lends it to a machine.
    pub fn with<R>(&self, look: impl FnOnce(Response<'_>) -> R) -> R {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| ResponseHeader { name, value }).collect();
        look(Response { status: self.status, headers: &headers, body: self.body.expose() })
    }
}

/// The request as it goes over the wire.
pub fn write(request: &Request) -> SecretBytes {
    let authority = request.endpoint.origin().split_once("://").map_or("", |(_, authority)| authority);
    let body = request.body.as_ref().map(|body| (body.content_type, body.bytes.expose()));
    // Reserved once: memory that grows leaves copies of secrets behind.
    let headers: usize = request.headers.iter().map(|h| h.name.len().saturating_add(h.value.expose().len())).sum();
    let target = request.endpoint.request_target();
    let guess = [headers, target.len(), authority.len(), body.map_or(0, |(_, bytes)| bytes.len()), 1024];
    let mut out = Vec::with_capacity(guess.into_iter().fold(0, usize::saturating_add));
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    put(&[request.method.as_str().as_bytes(), b" ", target.as_bytes(), b" HTTP/1.1\r\nHost: ", authority.as_bytes()]);
    put(&[b"\r\nConnection: close\r\n"]);
    for header in &request.headers {
        put(&[header.name.as_bytes(), b": ", header.value.expose().as_bytes(), b"\r\n"]);
    }
    if let Some((content_type, bytes)) = body {
        let length = bytes.len().to_string();
        put(&[b"Content-Type: ", content_type.as_bytes(), b"\r\nContent-Length: ", length.as_bytes(), b"\r\n"]);
    }
    put(&[b"\r\n", body.map_or(&[], |(_, bytes)| bytes)]);
    SecretBytes::new(out)
}

/// The response in what has been `received` so far; `None` while it is not complete. `ended` says that the server
/// closed the connection in good order.
///
/// # Errors
/// [`SendError::TooLarge`] for a body over `limit` bytes, [`SendError::NoAnswer`] for what is not HTTP or ends too early.
pub fn read(received: &[u8], limit: usize, ended: bool) -> Result<Option<Answer>, SendError> {
    let incomplete = if ended { Err(SendError::NoAnswer) } else { Ok(None) };
    let mut rest = received;
    loop {
        let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut space);
        let length = match head.parse(rest).map_err(|_| SendError::NoAnswer)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial if rest.len() > MAX_OVERHEAD => return Err(SendError::TooLarge),
            httparse::Status::Partial => return incomplete,
        };
        rest = rest.get(length..).unwrap_or_default();
        let status = head.code.unwrap_or(0);
        if (100..200).contains(&status) {
            continue; // RFC 9110 s15.2: an interim response, the final one follows
        }
        let headers: Vec<(String, String)> = head
            .headers
            .iter()
            .filter_map(|h| Some((h.name.to_owned(), core::str::from_utf8(h.value).ok()?.to_owned())))
            .collect();
        let Some(body) = body(&headers, status, rest, limit, ended)? else { return incomplete };
        return Ok(Some(Answer { status, headers, body: SecretBytes::new(body) }));
    }
}

/// The body by the rules of RFC 9112 s6.3.
fn body(
    headers: &[(String, String)],
    status: u16,
    rest: &[u8],
    limit: usize,
    ended: bool,
) -> Result<Option<Vec<u8>>, SendError> {
    let mut lengths = values(headers, "content-length").map(|text| text.trim().parse::<usize>());
    let coding = values(headers, "transfer-encoding").last();
    if matches!(status, 204 | 304) {
        return Ok(Some(Vec::new()));
    }
    if let Some(coding) = coding {
        return match coding.trim().eq_ignore_ascii_case("chunked") {
            true => chunks(rest, limit),
            false => Err(SendError::NoAnswer),
        };
    }
    match lengths.next() {
        Some(Err(_)) => Err(SendError::NoAnswer),
        Some(first) if lengths.any(|other| other != first) => Err(SendError::NoAnswer),
        Some(Ok(length)) if length > limit => Err(SendError::TooLarge),
        Some(Ok(length)) => Ok(rest.get(..length).map(<[u8]>::to_vec)),
        None if rest.len() > limit => Err(SendError::TooLarge),
        None => Ok(ended.then(|| rest.to_vec())),
    }
}

/// A chunked body, RFC 9112 s7.1. Trailers are not waited for: the connection ends here anyway.
fn chunks(mut rest: &[u8], limit: usize) -> Result<Option<Vec<u8>>, SendError> {
    if rest.len() > limit.saturating_add(MAX_OVERHEAD) {
        return Err(SendError::TooLarge);
    }
    let mut body = Vec::new();
    loop {
        let Ok(status) = httparse::parse_chunk_size(rest) else { return Err(SendError::NoAnswer) };
        let httparse::Status::Complete((start, size)) = status else { return Ok(None) };
        let size = usize::try_from(size).map_err(|_| SendError::TooLarge)?;
        if body.len().saturating_add(size) > limit {
            return Err(SendError::TooLarge);
        }
        if size == 0 {
            return Ok(Some(body));
        }
        let end = start.saturating_add(size);
        let (Some(chunk), Some(after)) = (rest.get(start..end), rest.get(end..)) else { return Ok(None) };
        body.extend_from_slice(chunk);
        rest = match after {
            [b'\r', b'\n', after @ ..] => after,
            [] | [b'\r'] => return Ok(None),
            _ => return Err(SendError::NoAnswer),
        };
    }
}

fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansal::Endpoint;
    use sansal::http::Body;
    use sansal::time::Millis;

    #[test]
    fn requests() {
        let endpoint = Endpoint::parse("https://login.example:8443/t/token?x=1").unwrap();
        let body = Body::form([("a", "b c")].into_iter());
        let request = Request::post(endpoint, body, 10, Millis(10)).header("Accept", "application/json");
        let written = write(&request);
        assert_eq!(
            core::str::from_utf8(written.expose()).unwrap(),
            "POST /t/token?x=1 HTTP/1.1\r\nHost: login.example:8443\r\nConnection: close\r\nAccept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\na=b+c"
        );
    }

    #[test]
    fn responses_arrive_byte_by_byte() {
        let cases: &[(&str, u16, &str)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, ""),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno", 400, "no"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nA;x=y\r\n0123456789\r\n0\r\n",
                200,
                "hi0123456789",
            ),
            // RFC 9112 s6.3: the transfer coding overrides the length.
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", 200, "hi"),
        ];
        for (text, status, body) in cases {
            let bytes = text.as_bytes();
            let end = bytes.len();
            for cut in 0..end {
                assert!(read(&bytes[..cut], 100, false).unwrap().is_none(), "{text:?} is complete at {cut}");
                assert_eq!(read(&bytes[..cut], 100, true).err(), Some(SendError::NoAnswer), "{text:?} cut at {cut}");
            }
            let answer = read(bytes, 100, false).unwrap().unwrap();
            assert_eq!((answer.status, answer.body.expose()), (*status, body.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn a_body_may_end_with_the_connection() {
        let bytes = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi";
        assert!(read(bytes, 100, false).unwrap().is_none());
        assert_eq!(read(bytes, 100, true).unwrap().unwrap().body.expose(), b"hi");
    }

    #[test]
    fn what_is_refused() {
        let cases: &[(&str, SendError)] = &[
            ("SSH-2.0-OpenSSH\r\n", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", SendError::TooLarge),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", SendError::NoAnswer),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nB\r\n", SendError::TooLarge),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", SendError::TooLarge),
            ("HTTP/1.1 200 OK\r\n\r\n01234567890", SendError::TooLarge),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text.as_bytes(), 10, false).err(), Some(*expected), "{text:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_OVERHEAD));
        assert_eq!(read(endless.as_bytes(), 10, false).err(), Some(SendError::TooLarge));
    }
}
