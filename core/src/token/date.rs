//! The dates of older App Service hosts, which write when a token of theirs ends.

use crate::http::days_since_1970;

/// `2019-06-20T02:57:58Z` (RFC 3339 s5.6) and `6/20/2019 2:57:58 AM +00:00` (App Service before 2019-08-01).
pub(super) fn date(text: &str) -> Option<i64> {
    let text = text.trim();
    let (day, rest) = text.split_once(['T', ' '])?;
    let (year, month, day) = match day.split_once('/') {
        Some((month, rest)) => {
            let (day, year) = rest.split_once('/')?;
            (number(year, 9999)?, number(month, 12)?, number(day, 31)?)
        }
        None => {
            let (year, rest) = day.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            (number(year, 9999)?, number(month, 12)?, number(day, 31)?)
        }
    };
    if year < 1970 || month == 0 || day == 0 {
        return None;
    }
    let at = rest.find(['Z', '+', '-'])?;
    let (clock, offset) = rest.split_at_checked(at)?;
    days(year, month, day)?.checked_mul(86_400)?.checked_add(time_of_day(clock)?)?.checked_sub(offset_of(offset)?)
}

/// `14:57:58`, `14:57:58.123`, `2:57:58 PM`.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, half) = match text.trim().split_once(' ') {
        Some((clock, half)) => (clock, Some(half.trim())),
        None => (text.trim(), None),
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let second = second.split('.').next()?;
    let hour = match (number(hour, 23)?, half) {
        (hour, None) => hour,
        (12, Some("AM")) => 0,
        (12, Some("PM")) => 12,
        (hour @ 1..=11, Some("AM")) => hour,
        (hour @ 1..=11, Some("PM")) => hour.checked_add(12)?,
        _ => return None,
    };
    let seconds = hour.checked_mul(3600)?.checked_add(number(minute, 59)?.checked_mul(60)?)?;
    parts.next().is_none().then_some(())?;
    seconds.checked_add(number(second, 60)?)
}

/// `Z`, `+00:00`, `-0730`, in seconds east of UTC.
fn offset_of(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", rest) => (1_i64, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None => rest.split_at_checked(2)?,
    };
    let seconds = number(hours, 23)?.checked_mul(3600)?.checked_add(number(minutes, 59)?.checked_mul(60)?)?;
    seconds.checked_mul(sign)
}

fn number(text: &str, max: i64) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|n| *n <= max)
}

fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let unsigned = |number: i64| u32::try_from(number).ok();
    days_since_1970(unsigned(year)?, unsigned(month)?.checked_sub(1)?, unsigned(day)?).map(i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        // G-33. Expected values from `date -u -d ... +%s`.
        let cases: &[(&str, Option<i64>)] = &[
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59Z", Some(951_868_799)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2019-06-20T02:57:58+00:00", Some(1_560_999_478)),
            ("2019-06-20T02:57:58.123-0730", Some(1_561_026_478)),
            ("06/20/2019 02:57:58 +00:00", Some(1_560_999_478)),
            ("6/20/2019 2:57:58 AM +00:00", Some(1_560_999_478)),
            ("6/20/2019 2:57:58 PM +00:00", Some(1_561_042_678)),
            ("6/20/2019 12:00:00 AM +00:00", Some(1_560_988_800)),
            ("6/20/2019 12:00:00 PM +01:00", Some(1_561_028_400)),
            ("2019-06-20T02:57:58", None), // no offset: nobody knows when that is
            ("2019-06-20", None),
            ("2019-13-20T02:57:58Z", None),
            ("2019-00-20T02:57:58Z", None),
            ("6/20/2019 13:57:58 PM +00:00", None),
            ("6/20/2019 2:57 AM +00:00", None),
            ("2019-06-20T02:57:58:01Z", None),
            ("2019-06-20T02:57:58+", None),
            ("T Z", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(date(text), *expected, "{text:?}");
        }
    }
}
