//! Requests and responses as data, and forms (RFC 6749 appendix B).

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// A request as the platform sees it.
#[derive(Clone, Default)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// The path with its query: `/contoso/oauth2/v2.0/token`.
    pub target: String,
    /// The `Host` header, with the port where there is one. Addresses in answers are built from it.
    pub host: String,
    /// All headers; names compare without case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The time, seconds since 1970. The platform has no clock of its own.
    pub now: u64,
}

impl Request {
    /// A `GET` without headers.
    pub fn get(host: &str, target: &str, now: u64) -> Self {
        Self { method: "GET".to_owned(), target: target.to_owned(), host: host.to_owned(), now, ..Self::default() }
    }

    /// A `POST` of a form.
    pub fn form(host: &str, target: &str, fields: &[(&str, &str)], now: u64) -> Self {
        Self {
            method: "POST".to_owned(),
            headers: vec![("Content-Type".to_owned(), FORM.to_owned())],
            body: encode(fields).into_bytes(),
            ..Self::get(host, target, now)
        }
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The parameters of the query.
    pub fn query(&self) -> Vec<(String, String)> {
        self.target.split_once('?').map(|(_, query)| decode(query)).unwrap_or_default()
    }
}

/// Shows method and path: queries, headers and bodies may hold secrets.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method, self.path())
    }
}

/// An answer, and how it gets to the client. `Debug` shows no header's value and nothing of the body: tokens are in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, without `Content-Length`, which is the transport's.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is delivered: whole, unless a fault says otherwise.
    pub delivery: Delivery,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body_len", &self.body.len())
            .field("delivery", &self.delivery)
            .finish()
    }
}

/// How a [`Response`] gets to the client. The server of this crate does it; a host without sockets decides what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once and whole.
    Whole,
    /// Whole, after this time.
    After(Duration),
    /// The length of the whole is announced, half of the body follows, then the connection ends.
    Cut,
    /// The connection is reset without an answer.
    Reset,
    /// Nothing is ever sent; the connection stays open.
    Never,
    /// One byte at a time, with this time between two.
    Drip(Duration),
}

impl Response {
    /// A JSON document.
    pub fn json(status: u16, document: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", &document.to_string())
    }

    /// A text of any kind.
    pub fn text(status: u16, content_type: &str, text: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: text.as_bytes().to_vec(), delivery: Delivery::Whole }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form in a request, or nothing when it is not one.
pub(crate) fn form(request: &Request) -> Option<Vec<(String, String)>> {
    let kind = request.header("content-type")?.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case(FORM) {
        return None;
    }
    Some(decode(std::str::from_utf8(&request.body).ok()?))
}

pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    let one = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    fields.iter().map(|(name, value)| format!("{}={}", one(name), one(value))).collect::<Vec<_>>().join("&")
}

pub(crate) fn decode(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (unescape(name), unescape(value))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

pub(crate) fn unescape(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, ahead.next().and_then(digit), ahead.next().and_then(digit)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                bytes = ahead;
            }
            (b'+', _, _) => out.push(b' '),
            (other, _, _) => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let cases: [(&str, &[(&str, &str)]); 6] = [
            ("", &[]),
            ("a=b&c=d", &[("a", "b"), ("c", "d")]),
            ("a=b+c%2Bd%20e", &[("a", "b c+d e")]),
            ("a&=b&&", &[("a", ""), ("", "b")]),
            ("a=%4&b=%zz&c=%", &[("a", "%4"), ("b", "%zz"), ("c", "%")]),
            ("a=%C3%A9", &[("a", "\u{e9}")]),
        ];
        for (text, expected) in cases {
            let decoded = decode(text);
            let decoded: Vec<_> = decoded.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(decoded, expected, "{text}");
        }
        let request = Request::form("h", "/t?x=1", &[("s", "a&b=c %+\u{e9}")], 0);
        assert_eq!(form(&request).unwrap(), [("s".to_owned(), "a&b=c %+\u{e9}".to_owned())]);
        assert_eq!((request.path(), request.query().len()), ("/t", 1));
        assert!(!format!("{request:?}").contains("a%26b"));
    }
}
