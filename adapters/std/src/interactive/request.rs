//! Reads one HTTP/1.1 request (RFC 9112) from the bytes that have come so far: a pure function over them.

use std::str;

use super::refusal::Refusal;

/// Request line and headers, in bytes. In `query` mode the code is in the request line.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// The form, in bytes: code, state and, from some servers, an ID token.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// Browsers send about fifteen.
const MAX_HEADERS: usize = 64;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading<'a> {
    /// More bytes are needed.
    Partial,
    /// All of it is there. What comes behind it is not looked at.
    Whole(Request<'a>),
    /// It will not become a request that is served here, whatever follows.
    Refused(Refusal),
}

/// A request, with what decides about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// As it was sent: methods are case-sensitive.
    pub(crate) method: &'a str,
    /// The request target up to `?`.
    pub(crate) path: &'a str,
    /// The request target behind `?`.
    pub(crate) query: Option<&'a str>,
    /// The one `Host` header.
    pub(crate) host: &'a str,
    /// The media type of the body, without parameters.
    pub(crate) content_type: &'a str,
    /// As long as `Content-Length` says; empty without one.
    pub(crate) body: &'a [u8],
}

/// Path, query and body may hold a code: not shown.
impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// Reads what has come so far.
///
/// More bytes never change a decision: what is refused stays refused, what is whole stays the same request.
pub(crate) fn read(bytes: &[u8]) -> Reading<'_> {
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut space);
    let head = match parsed.parse(bytes.get(..MAX_HEAD).unwrap_or(bytes)) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() >= MAX_HEAD => return Reading::Refused(Refusal::HeadTooLarge),
        Ok(httparse::Status::Partial) => return Reading::Partial,
        Err(httparse::Error::TooManyHeaders) => return Reading::Refused(Refusal::HeadTooLarge),
        Err(_) => return Reading::Refused(Refusal::NotHttp),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Reading::Refused(Refusal::NotHttp) };
    let fields = match Fields::of(parsed.headers) {
        Ok(fields) => fields,
        Err(refusal) => return Reading::Refused(refusal),
    };
    let Some(rest) = bytes.get(head..) else { return Reading::Partial };
    let Some(body) = rest.get(..fields.length) else { return Reading::Partial };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Fields { host, content_type, .. } = fields;
    Reading::Whole(Request { method, path, query, host, content_type, body })
}

/// The headers that count.
struct Fields<'a> {
    host: &'a str,
    content_type: &'a str,
    length: usize,
}

impl<'a> Fields<'a> {
    fn of(headers: &[httparse::Header<'a>]) -> Result<Self, Refusal> {
        // RFC 9112 s6.1: who sends both a length and a coding wants two readers to see two requests.
        if named(headers, "transfer-encoding").next().is_some() {
            return Err(Refusal::Chunked);
        }
        let host = match only(headers, "host") {
            Ok(Some(host)) => str::from_utf8(host).map_err(|_| Refusal::Host)?,
            _ => return Err(Refusal::Host),
        };
        let content_type = only(headers, "content-type")?.map(str::from_utf8).transpose();
        let content_type = content_type.map_err(|_| Refusal::NotHttp)?.unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let length = only(headers, "content-length")?.map_or(Ok(0), content_length)?;
        Ok(Self { host, content_type, length })
    }
}

fn named<'a>(headers: &[httparse::Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn only<'a>(headers: &[httparse::Header<'a>], name: &str) -> Result<Option<&'a [u8]>, Refusal> {
    let mut all = named(headers, name);
    let first = all.next();
    if all.next().is_some() { Err(Refusal::NotHttp) } else { Ok(first) }
}

/// RFC 9110 s8.6: digits and nothing else.
fn content_length(value: &[u8]) -> Result<usize, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::NotHttp);
    }
    // All digits, so what does not fit is too large.
    let length = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    length.filter(|&length| length <= MAX_BODY).ok_or(Refusal::BodyTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str = "POST / HTTP/1.1\r\nHost: localhost:1\r\nContent-Type: application/x-www-form-urlencoded; \
                        charset=utf-8\r\nContent-Length: 8\r\n\r\ncode=abc";

    #[test]
    fn a_form_post() {
        let Reading::Whole(request) = read(POST.as_bytes()) else { panic!("not whole") };
        assert_eq!((request.method, request.path, request.query), ("POST", "/", None));
        assert_eq!((request.host, request.content_type), ("localhost:1", "application/x-www-form-urlencoded"));
        assert_eq!(request.body, b"code=abc");
        assert_eq!(format!("{request:?}"), "Request { body_len: 8, .. }");
    }

    #[test]
    fn every_prefix_is_partial() {
        for end in 0..POST.len() {
            assert_eq!(read(&POST.as_bytes()[..end]), Reading::Partial, "{end}");
        }
        let longer = format!("{POST}GET /next HTTP/1.1\r\n\r\n");
        assert_eq!(read(longer.as_bytes()), read(POST.as_bytes()));
    }

    /// RFC 9112 s2 to s6, RFC 9110 s8.6.
    #[test]
    fn refusals() {
        let head = |headers: &str| format!("POST / HTTP/1.1\r\n{headers}\r\n");
        for (bytes, expected) in [
            ("\u{16}\u{3}\u{1}TLS".to_string(), Refusal::NotHttp),
            ("GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_string(), Refusal::NotHttp),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_string(), Refusal::NotHttp),
            (head(""), Refusal::Host),
            (head("Host: a\r\nHost: a\r\n"), Refusal::Host),
            (head("Host: a\r\nTransfer-Encoding: chunked\r\n"), Refusal::Chunked),
            (head("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n"), Refusal::Chunked),
            (head("Host: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n"), Refusal::NotHttp),
            (head("Host: a\r\nContent-Length: +3\r\n"), Refusal::NotHttp),
            (head("Host: a\r\nContent-Length: -1\r\n"), Refusal::NotHttp),
            (head("Host: a\r\nContent-Length: 3, 3\r\n"), Refusal::NotHttp),
            (head("Host: a\r\nContent-Length:\r\n"), Refusal::NotHttp),
            (head("Host: a\r\nContent-Length: 65537\r\n"), Refusal::BodyTooLarge),
            (head("Host: a\r\nContent-Length: 99999999999999999999999\r\n"), Refusal::BodyTooLarge),
            (head(&"X: y\r\n".repeat(MAX_HEADERS + 1)), Refusal::HeadTooLarge),
            (format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_HEAD)), Refusal::HeadTooLarge),
        ] {
            assert_eq!(read(bytes.as_bytes()), Reading::Refused(expected), "{}", &bytes[..bytes.len().min(60)]);
        }
    }
}
