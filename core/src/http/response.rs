//! A response as data, borrowed from the host while a machine looks at it.

use core::fmt;

use super::date::imf_fixdate;
use crate::limits::MAX_RETRY_AFTER;
use crate::text;
use crate::time::UnixTime;

/// An HTTP response: status, headers, whole body.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    /// The status code.
    pub status: u16,
    /// The headers; names compare without case, values that are not UTF-8 are left out by the host.
    pub headers: &'a [ResponseHeader<'a>],
    /// The body, at most the request's `response_limit` bytes.
    pub body: &'a [u8],
}

/// One header of a [`Response`].
#[derive(Clone, Copy)]
pub struct ResponseHeader<'a> {
    /// The name, in any case.
    pub name: &'a str,
    /// The value.
    pub value: &'a str,
}

impl<'a> Response<'a> {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    }

    /// What `Retry-After` says.
    pub fn retry_after(&self) -> RetryAfter {
        match self.header("retry-after").map(str::trim_ascii) {
            None => RetryAfter::Absent,
            Some(text) => match text::integer(text) {
                // A time that is past is no time to wait.
                Some(seconds) => RetryAfter::Seconds(u64::try_from(seconds).unwrap_or(0).min(MAX_RETRY_AFTER)),
                None => imf_fixdate(text).map_or(RetryAfter::Unreadable, RetryAfter::At),
            },
        }
    }

    /// When the server says it answered (RFC 9110 s6.6.1).
    pub fn date(&self) -> Option<UnixTime> {
        imf_fixdate(self.header("date")?.trim_ascii())
    }
}

/// The `Retry-After` header, RFC 9110 s10.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// There is none.
    Absent,
    /// Seconds, at most [`MAX_RETRY_AFTER`].
    Seconds(u64),
    /// A date.
    At(UnixTime),
    /// Something else: the default for this place applies.
    Unreadable,
}

impl RetryAfter {
    /// A date as seconds from `now`. One that is over, or that is counted from nothing, says as little as a text that is none.
    #[must_use]
    pub fn counted_from(self, now: Option<UnixTime>) -> Self {
        match (self, now) {
            (Self::At(date), Some(now)) if date > now => Self::Seconds(date.since(now).min(MAX_RETRY_AFTER)),
            (Self::At(_), _) => Self::Unreadable,
            (other, _) => other,
        }
    }

    /// The seconds, where there are any.
    pub const fn seconds(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => Some(seconds),
            Self::Absent | Self::At(_) | Self::Unreadable => None,
        }
    }
}

/// Shows status, header names and the body's length only: bodies and cookies are secret.
impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

impl fmt::Debug for ResponseHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ..", self.name)
    }
}
