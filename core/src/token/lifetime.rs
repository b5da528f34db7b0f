//! Lifetimes as servers write them: numbers, and texts with numbers.

use crate::json::{Value, whole_number};
use crate::text;

/// Seconds a token lives when the server does not say: ten minutes, as in the reference (section 5.3).
pub(super) const UNSAID: i64 = 600;

/// A number of seconds: a JSON number, its fraction cut off, or a text with a whole number. Saturates.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(whole_number(number)),
        Value::String(text) => text::integer(text::trimmed(text)),
        _ => None,
    }
}

/// An instant in seconds since 1970: a number, or, from managed identities, a date with its offset from UTC.
pub(super) fn instant(value: &Value) -> Option<i64> {
    let instant = seconds(value);
    #[cfg(feature = "managed")]
    let instant = instant.or_else(|| super::date::date(value.as_str()?));
    instant
}
