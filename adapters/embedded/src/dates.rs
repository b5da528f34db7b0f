//! What date it is on a device that has no clock: a floor, and what verified servers say (decision 12 of the design).

use sansal::http::imf_fixdate;
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

#[cfg(test)]
mod tests {
    use super::*;

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
