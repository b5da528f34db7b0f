//! What date it is on a device that has no clock: a floor, and what verified servers say (decision 12 of the design).

use sansal::time::{Millis, UnixTime};

/// How far from its floor a device believes a server's date: as long as a public server certificate may live (CA/Browser
/// Forum baseline requirements s6.3.2), since one that counts at the floor has ended after that, in seconds.
pub const MAX_AHEAD: u64 = 398 * 24 * 3600;

/// The date as far as it is known.
///
/// The floor is the time at which the firmware was built, or the last one that was stored, whichever is later. It is no date:
/// tokens in the cache do not count as fresh by it. Certificates are held against it, until a date is there. A `Date` header
/// counts if it came over verified TLS, and does not lead backwards or too far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    floor: UnixTime,
    learned: Option<(UnixTime, Millis)>,
}

impl Dates {
    /// Not before this.
    pub const fn not_before(floor: UnixTime) -> Self {
        Self { floor, learned: None }
    }

    /// Raises the floor to what was stored.
    pub fn stored(&mut self, latest: UnixTime) {
        self.floor = self.floor.max(latest);
    }

    /// The date, if one was learned.
    pub fn wall(&self, mono: Millis) -> Option<UnixTime> {
        let (date, at) = self.learned?;
        Some(date.after(mono.since(at).0 / 1000))
    }

    /// The date, or its floor: what certificates are held against, and what is worth storing.
    pub fn at_least(&self, mono: Millis) -> UnixTime {
        self.wall(mono).unwrap_or(self.floor)
    }

    /// A `Date` header (RFC 9110 s6.6.1) that came over verified TLS; whether it was believed.
    pub fn learn(&mut self, header: &str, mono: Millis) -> bool {
        let Some(date) = imf_fixdate(header) else { return false };
        let believed = self.at_least(mono) <= date && date.since(self.floor) <= MAX_AHEAD;
        if believed {
            self.learned = Some((date, mono));
        }
        believed
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that is generated (RFC 9110 s5.6.7). The day of the week is not checked.
fn imf_fixdate(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let rest = text.split_once(", ").filter(|(day, _)| day.len() == 3)?.1.strip_suffix(" GMT")?;
    let mut parts = rest.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mut clock = time.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next()?);
    let month = MONTHS.iter().position(|name| *name == month).and_then(|at| u64::try_from(at).ok())?.checked_add(1)?;
    let (day, year) = (number(day, 2)?, number(year, 4)?);
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let over = parts.next().is_some() || clock.next().is_some();
    // RFC 9110 s5.6.7 allows a leap second.
    if over || year < 1970 || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_1970(year, month, day)?;
    let seconds = hour.checked_mul(60)?.checked_add(minute)?.checked_mul(60)?.checked_add(second)?;
    Some(UnixTime(days.checked_mul(24 * 3600)?.checked_add(seconds)?))
}

fn number(digits: &str, len: usize) -> Option<u64> {
    (digits.len() == len && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Days from 1970-01-01, counted in years that begin with March, so that the leap day is the last one.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) =
        if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month.checked_add(9)?) };
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

    #[test]
    fn dates_lead_forward_and_not_too_far() {
        let floor = UnixTime(784_111_777 - 100);
        let mut dates = Dates::not_before(floor);
        assert_eq!((dates.wall(Millis(0)), dates.at_least(Millis(0))), (None, floor));
        let cases = [
            // header, at, believed, then the date 2.5 s later
            ("Sun, 06 Nov 1994 08:47:00 GMT", 1_000, false, None), // before the floor
            ("Sun, 06 Nov 2094 08:49:37 GMT", 1_000, false, None), // too far
            ("nonsense", 1_000, false, None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 1_000, true, Some(784_111_779)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", 5_000, false, Some(784_111_783)), // backwards by three seconds
            ("Sun, 06 Nov 1994 08:59:37 GMT", 5_000, true, Some(784_112_379)),
            ("Sun, 06 Nov 2094 08:49:37 GMT", 6_000, false, Some(784_112_380)),
        ];
        for (header, at, believed, after) in cases {
            assert_eq!(dates.learn(header, Millis(at)), believed, "{header}");
            assert_eq!(dates.wall(Millis(at + 2_500)), after.map(UnixTime), "{header}");
        }
        let mut later = Dates::not_before(floor);
        later.stored(UnixTime(5));
        assert_eq!(later.at_least(Millis(0)), floor, "what is stored never lowers the floor");
        later.stored(floor.after(MAX_AHEAD));
        assert_eq!(later.at_least(Millis(9)), floor.after(MAX_AHEAD));
    }
}
