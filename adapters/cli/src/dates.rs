//! Dates for people, RFC 3339 in UTC.

use std::time::Duration;

use der::DateTime;

/// Seconds since 1970 as `2026-01-31T12:00:00Z`; beyond the year 9999 the seconds themselves.
pub(crate) fn readable(seconds: u64) -> String {
    match DateTime::from_unix_duration(Duration::from_secs(seconds)) {
        Ok(date) => date.to_string(),
        Err(_) => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
            (u64::MAX, "18446744073709551615"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(readable(seconds), expected);
        }
    }
}
