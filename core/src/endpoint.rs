//! One strict kind of URL: `https`, ASCII host, bounded, no user info, no fragment (decision 10).
//!
//! What this type accepts, the WHATWG URL standard reads the same; a fuzz target holds it against the `url` crate.

#[cfg(not(target_has_atomic = "ptr"))]
use alloc::boxed::Box as Shared;
use alloc::string::{String, ToString};
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc as Shared;
use core::fmt;

use crate::http::form;
use crate::limits::{MAX_HOST, MAX_URL};
use crate::text::{self, parts};

/// Why a text is not an [`Endpoint`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidEndpoint {
    /// Longer than [`MAX_URL`].
    TooLong,
    /// Not `https://`; `http://` only for loopback and link-local addresses.
    NotHttps,
    /// The host is empty or not a DNS name, an IPv4 address or `[::1]`.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
    /// There is a `user@` part.
    UserInfo,
    /// There is a `#fragment`.
    Fragment,
    /// A character that must be percent-encoded, a broken escape, or a `.` or `..` segment.
    Path,
}

impl InvalidEndpoint {
    /// What is wrong, for a message; one for all without the feature `sentences`.
    pub const fn reason(self) -> &'static str {
        if !cfg!(feature = "sentences") {
            return "the address";
        }
        match self {
            Self::TooLong => "the address is too long",
            Self::NotHttps => "the address must begin with https://",
            Self::Host => "the address has no usable host name",
            Self::Port => "the port is not a number from 1 to 65535",
            Self::UserInfo => "the address must not have a user name in it",
            Self::Fragment => "the address must not have a # part",
            Self::Path => "the address has characters that do not belong there",
        }
    }
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for InvalidEndpoint {}

/// The address of a request. A value of this type is always well formed.
///
/// ```
/// use sansal::Endpoint;
/// let endpoint = Endpoint::parse("https://login.microsoftonline.com/common/oauth2/v2.0/token")?;
/// assert_eq!(endpoint.host(), "login.microsoftonline.com");
/// assert_eq!(endpoint.path(), "/common/oauth2/v2.0/token");
/// assert!(Endpoint::parse("http://login.microsoftonline.com/").is_err());
/// # Ok::<(), sansal::endpoint::InvalidEndpoint>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// As it was written, with a path; behind it the host in lower case, where it was not written so. An endpoint is known in many
    /// places: where processors can share a text, it is copied for none.
    text: Shared<str>,
    /// Where the host begins and ends.
    host: (u16, u16),
    /// Where the path begins, and with that the origin ends; where it ends; where the address does.
    path: u16,
    path_end: u16,
    end: u16,
    port: Option<u16>,
    secure: bool,
}

impl Endpoint {
    /// Reads an address exactly; nothing is repaired.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        if text.len() > MAX_URL {
            return Err(InvalidEndpoint::TooLong);
        }
        let (scheme, rest) = text::split_once(text, "://").ok_or(InvalidEndpoint::NotHttps)?;
        let secure = match scheme {
            s if s.eq_ignore_ascii_case("https") => true,
            s if s.eq_ignore_ascii_case("http") => false,
            _ => return Err(InvalidEndpoint::NotHttps),
        };
        if rest.bytes().any(|byte| byte == b'#') {
            return Err(InvalidEndpoint::Fragment);
        }
        let (before_query, query) = match text::cut(rest, b'?') {
            Some((before, query)) => (before, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match before_query.bytes().position(|byte| byte == b'/') {
            Some(at) => before_query.split_at(at),
            None => (before_query, "/"),
        };
        if authority.bytes().any(|byte| byte == b'@') {
            return Err(InvalidEndpoint::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        let lower = host.to_ascii_lowercase();
        if !secure && !is_local(&lower) {
            return Err(InvalidEndpoint::NotHttps);
        }
        if !parts(path, b'/').all(is_segment) || !query.is_none_or(|q| is_text(q, |b| b == b'/' || b == b'?')) {
            return Err(InvalidEndpoint::Path);
        }
        let mut out = Self::of([scheme, "://", authority].concat(), path, query);
        out.secure = secure;
        out.port = port;
        let start = length(scheme).saturating_add(3);
        out.host = (start, start.saturating_add(length(host)));
        if host != lower {
            out.spell_host(&lower);
        }
        Ok(out)
    }

    /// Puts the parts together; that they are of the strict kind is the caller's affair, and so is the host.
    fn of(origin: String, path: &str, query: Option<&str>) -> Self {
        let mut text = origin;
        let start = length(&text);
        text.push_str(path);
        let path_end = length(&text);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Self { end: length(&text), text: text.into(), host: (0, 0), path: start, path_end, port: None, secure: true }
    }

    /// Keeps the host in lower case behind the address.
    fn spell_host(&mut self, lower: &str) {
        self.text = [self.as_str(), lower].concat().into();
        self.host = (self.end, length(&self.text));
    }

    fn part(&self, from: u16, to: u16) -> &str {
        self.text.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }

    /// The address, with the query.
    pub fn as_str(&self) -> &str {
        self.part(0, self.end)
    }

    /// Reads an address as people type it: with the feature `url`, international names and odd spellings are
    /// brought into the strict form first.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] names the part that is wrong.
    pub fn parse_typed(text: &str) -> Result<Self, InvalidEndpoint> {
        let text = text::trimmed(text);
        let strict = Self::parse(text);
        #[cfg(feature = "url")]
        if let (Err(_), true, Ok(url)) = (&strict, text.len() <= MAX_URL, url::Url::parse(text)) {
            return Self::parse(url.as_str());
        }
        strict
    }

    /// The host in lower case, without port.
    pub fn host(&self) -> &str {
        let (start, end) = self.host;
        self.part(start, end)
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port to connect to.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Whether it is `https`; `http` exists for loopback and link-local addresses only.
    pub fn is_https(&self) -> bool {
        self.secure
    }

    /// Whether the host is this machine (RFC 8252 s7.3).
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// Whether the host is this machine or has a link-local address: such requests never go through a proxy.
    pub fn is_local(&self) -> bool {
        is_local(self.host())
    }

    /// Scheme, host and port as they were written, without a slash at the end.
    pub fn origin(&self) -> &str {
        self.part(0, self.path)
    }

    /// The path; begins with `/`.
    pub fn path(&self) -> &str {
        self.part(self.path, self.path_end)
    }

    /// The query without its `?`, where there is one.
    pub fn query(&self) -> Option<&str> {
        self.part(self.path_end, self.end).strip_prefix('?')
    }

    /// The parts of the path between slashes, empty ones left out.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        parts(self.path(), b'/').filter(|segment| !segment.is_empty())
    }

    /// The same address with these parameters added to its query, form-encoded.
    ///
    /// # Errors
    /// [`InvalidEndpoint::TooLong`] when it grows past [`MAX_URL`].
    pub fn with_query(&self, parameters: &[(&str, &str)]) -> Result<Self, InvalidEndpoint> {
        let added = form::encode(parameters.iter().copied());
        let own = self.query().unwrap_or_default();
        let query = [own, if own.is_empty() { "" } else { "&" }, added.expose()].concat();
        let length = usize::from(self.path_end).saturating_add(query.len()).saturating_add(1);
        if length > MAX_URL {
            return Err(InvalidEndpoint::TooLong);
        }
        let with_query = Self::of(self.origin().to_string(), self.path(), Some(&query));
        let mut out = Self { host: self.host, port: self.port, secure: self.secure, ..with_query };
        if self.host.0 >= self.end {
            out.spell_host(self.host());
        }
        Ok(out)
    }

    /// Path and query as they go into the request line.
    pub fn request_target(&self) -> String {
        self.part(self.path, self.end).to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Without the query: it may carry personal data.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part(0, self.path_end))?;
        f.write_str(if self.query().is_some() { "?.." } else { "" })
    }
}

/// Nothing here is longer than `MAX_URL` and a host.
fn length(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), InvalidEndpoint> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(_) => match text::cut(authority, b']') {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(InvalidEndpoint::Host)?)),
            None => return Err(InvalidEndpoint::Host),
        },
        None => match text::cut(authority, b':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host =
        if host.starts_with('[') { authority.get(..host.len().saturating_add(1)).unwrap_or_default() } else { host };
    match port {
        None => Ok((host, None)),
        Some(digits) if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) => {
            Err(InvalidEndpoint::Port)
        }
        Some(digits) => match text::integer(digits).map(u16::try_from) {
            Some(Ok(port)) => Ok((host, Some(port))),
            _ => Err(InvalidEndpoint::Port),
        },
    }
}

/// A DNS name of letters, digits and hyphens, four decimal numbers, or `[::1]`.
fn check_host(host: &str) -> Result<(), InvalidEndpoint> {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let last = parts(host, b'.').last().unwrap_or_default();
    // The URL standard reads a name whose last label is a number, even a hexadecimal one, as an IPv4 address.
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    let good = match numeric {
        _ if host == "[::1]" => true,
        _ if host.len() > MAX_HOST => false,
        true => is_ipv4(host),
        false => parts(host, b'.').all(label),
    };
    if good { Ok(()) } else { Err(InvalidEndpoint::Host) }
}

fn is_ipv4(host: &str) -> bool {
    let octet = |t: &str| {
        !t.is_empty()
            && t.bytes().all(|b| b.is_ascii_digit())
            && (t.len() == 1 || !t.starts_with('0'))
            && text::integer(t).is_some_and(|number| number <= 255)
    };
    parts(host, b'.').count() == 4 && parts(host, b'.').all(octet)
}

/// Loopback (RFC 6761 s6.3, RFC 1122 s3.2.1.3) and link-local addresses (RFC 3927), which no router forwards: there are the
/// metadata services of clouds, and the endpoint for managed identities of App Service.
fn is_local(host: &str) -> bool {
    is_loopback(host) || (host.starts_with("169.254.") && is_ipv4(host))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || (host.starts_with("127.") && is_ipv4(host))
}

/// A path segment of RFC 3986 s3.3 that no reader removes or rewrites.
fn is_segment(segment: &str) -> bool {
    let after_dot = |text: &str| -> Option<usize> {
        let escaped = text.get(..3).is_some_and(|first| first.eq_ignore_ascii_case("%2e"));
        if escaped { Some(3) } else { text.starts_with('.').then_some(1) }
    };
    let after_first = after_dot(segment).and_then(|length| segment.get(length..));
    let is_dots = after_first.is_some_and(|rest| rest.is_empty() || after_dot(rest) == Some(rest.len()));
    !is_dots && is_text(segment, |_| false)
}

/// Unreserved characters, sub-delimiters (but `'`, which the URL standard escapes in queries), `:`, `@`, escapes, and what `also` adds.
fn is_text(text: &str, also: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let ok = match byte {
            b'%' => {
                matches!((bytes.next(), bytes.next()), (Some(a), Some(b)) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
            }
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
            | b'@' => true,
            other => other.is_ascii_alphanumeric() || also(other),
        };
        if !ok {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::InvalidEndpoint as E;
    use super::*;

    #[test]
    fn addresses() {
        let cases: &[(&str, Result<(&str, u16, &str), E>)] = &[
            ("https://a.example/t", Ok(("a.example", 443, "/t"))),
            ("https://A.Example", Ok(("a.example", 443, "/"))),
            ("HTTPS://a.example:8443/", Ok(("a.example", 8443, "/"))),
            ("https://a.example/x//y?q=1&r=%20", Ok(("a.example", 443, "/x//y"))),
            ("http://localhost:50342/oauth2/token", Ok(("localhost", 50342, "/oauth2/token"))),
            ("http://169.254.169.254/metadata", Ok(("169.254.169.254", 80, "/metadata"))),
            ("http://169.254.129.5:8081/msi/token", Ok(("169.254.129.5", 8081, "/msi/token"))),
            ("http://169.254.1.1.evil.example/", Err(E::NotHttps)),
            ("http://169.253.1.1/", Err(E::NotHttps)),
            ("http://[::1]:8080/cb", Ok(("[::1]", 8080, "/cb"))),
            ("https://127.0.0.1/", Ok(("127.0.0.1", 443, "/"))),
            ("http://a.example/", Err(E::NotHttps)),
            ("http://localhost.evil.example/", Err(E::NotHttps)),
            ("ftp://a.example/", Err(E::NotHttps)),
            ("a.example/t", Err(E::NotHttps)),
            ("https:a.example", Err(E::NotHttps)),
            ("https://", Err(E::Host)),
            ("https:///t", Err(E::Host)),
            ("https://a..b/", Err(E::Host)),
            ("https://1.2.3/", Err(E::Host)),
            ("https://0x7f.1/", Err(E::Host)),
            ("https://a.0x1/", Err(E::Host)),
            ("https://256.1.1.1/", Err(E::Host)),
            ("https://01.1.1.1/", Err(E::Host)),
            ("https://a_b/", Err(E::Host)),
            ("https://[::2]/", Err(E::Host)),
            ("https://[::1/", Err(E::Host)),
            ("https://ex\u{e4}mple.com/", Err(E::Host)),
            ("https://a.example:/", Err(E::Port)),
            ("https://a.example:0/", Err(E::Port)),
            ("https://a.example:65536/", Err(E::Port)),
            ("https://user@a.example/", Err(E::UserInfo)),
            ("https://a.example/#f", Err(E::Fragment)),
            ("https://a.example/a/../b", Err(E::Path)),
            ("https://a.example/%2E%2e/b", Err(E::Path)),
            ("https://a.example/a b", Err(E::Path)),
            ("https://a.example\\b", Err(E::Host)),
            ("https://a.example/%zz", Err(E::Path)),
            ("https://a.example/?a=\"", Err(E::Path)),
        ];
        for (text, expected) in cases {
            let got = Endpoint::parse(text);
            let got = got.as_ref().map(|e| (e.host(), e.port_or_default(), e.path()));
            assert_eq!(got.map_err(|e| *e), *expected, "{text:?}");
        }
    }

    #[test]
    fn queries_are_added() {
        let endpoint = Endpoint::parse("https://a.example/t?x=1").unwrap();
        let endpoint = endpoint.with_query(&[("a b", "c&d")]).unwrap();
        assert_eq!(endpoint.to_string(), "https://a.example/t?x=1&a+b=c%26d");
        assert_eq!(alloc::format!("{endpoint:?}"), "https://a.example/t?..");
    }

    #[cfg(feature = "url")]
    #[test]
    fn typed_addresses_are_brought_into_form() {
        let endpoint = Endpoint::parse_typed(" https://login.b\u{fc}cher.example/t ").unwrap();
        assert_eq!(endpoint.host(), "login.xn--bcher-kva.example");
        assert!(Endpoint::parse_typed("https://user@a.example/").is_err());
    }
}
