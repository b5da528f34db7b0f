//! The dates of HTTP (RFC 9110 s5.6.7).

use crate::time::UnixTime;

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that is generated. The day of the week is not checked.
pub fn imf_fixdate(text: &str) -> Option<UnixTime> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    const SHAPE: &[u8; 29] = b"???, 00 ??? 0000 00:00:00 GMT";
    let bytes: &[u8; SHAPE.len()] = text.as_bytes().try_into().ok()?;
    let fits = bytes.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'?' => byte.is_ascii_alphabetic(),
        other => byte == other,
    });
    let number = |from: usize, length: usize| {
        let digits = bytes.iter().skip(from).take(length);
        digits.fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit & 15)))
    };
    let name = bytes.get(8..11)?;
    let month = MONTHS.chunks_exact(3).position(|month| month == name).and_then(|at| u32::try_from(at).ok())?;
    let (day, year) = (number(5, 2), number(12, 4));
    let (hour, minute, second) = (number(17, 2), number(20, 2), number(23, 2));
    // RFC 9110 s5.6.7 allows a leap second.
    if !fits || year < 1970 || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let seconds = hour.saturating_mul(60).saturating_add(minute).saturating_mul(60).saturating_add(second);
    Some(UnixTime(u64::from(days).saturating_mul(24 * 3600).saturating_add(u64::from(seconds))))
}

/// Days from 1970-01-01, counted in years that begin with March, so that the leap day is the last one; January is month 0.
pub(crate) fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    let (year, month) =
        if month > 1 { (year, month.checked_sub(2)?) } else { (year.checked_sub(1)?, month.checked_add(10)?) };
    let leaps = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    let in_year = month.checked_mul(153)?.checked_add(2)? / 5;
    let days = year.checked_mul(365)?.checked_add(leaps)?.checked_add(in_year)?.checked_add(day)?;
    // 0000-03-01 to 1970-01-01, and the day that `day` counts from one.
    days.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixdates() {
        let cases = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)), // RFC 9110 s5.6.7
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Fri, 31 Dec 2038 23:59:59 GMT", Some(2_177_452_799)),
            ("Sun, 28 Feb 2100 00:00:00 GMT", Some(4_107_456_000)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 x GMT", None),
            ("Sun, 06 Nov 1994 08:49:37:00 GMT", None),
            ("Sun, +6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 nov 1994 08:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(imf_fixdate(text), expected.map(UnixTime), "{text:?}");
        }
    }
}
