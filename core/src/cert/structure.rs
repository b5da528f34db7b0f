//! The structure of an X.509 certificate (RFC 5280 s4.1), read as far as it is needed here, by a small reader of DER (X.690).

use crate::time::UnixTime;

/// Where the parts of a certificate are; names and the public key with their tags and lengths.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) subject: &'a [u8],
    pub(super) spki: &'a [u8],
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`: the version.
const VERSION: u8 = 0xA0;
/// What may come last, in this order: unique identifiers `[1]` and `[2]`, extensions `[3]`.
const LAST: [u8; 3] = [0x81, 0x82, 0xA3];
/// RFC 5280 s4.1.2.2, and a zero before the first bit.
const MAX_SERIAL: usize = 21;

impl<'a> Parts<'a> {
    /// Reads a certificate and nothing after it. What names and extensions consist of is not looked at.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Elements(der);
        let mut certificate = Elements(outer.take(SEQUENCE)?.value);
        outer.end()?;
        let mut tbs = Elements(certificate.take(SEQUENCE)?.value);
        certificate.take(SEQUENCE)?;
        certificate.take(BIT_STRING)?.bits()?;
        certificate.end()?;
        let mut first = tbs.next()?;
        if first.tag == VERSION {
            let mut version = Elements(first.value);
            if !matches!(version.take(INTEGER)?.value, [0..=2]) {
                return None;
            }
            version.end()?;
            first = tbs.next()?;
        }
        if first.tag != INTEGER || !(1..=MAX_SERIAL).contains(&first.value.len()) {
            return None;
        }
        tbs.take(SEQUENCE)?;
        let issuer = tbs.take(SEQUENCE)?.whole;
        let mut validity = Elements(tbs.take(SEQUENCE)?.value);
        let (not_before, not_after) = (validity.next()?.time()?, validity.next()?.time()?);
        validity.end()?;
        let subject = tbs.take(SEQUENCE)?.whole;
        let key = tbs.take(SEQUENCE)?;
        let mut inside = Elements(key.value);
        inside.take(SEQUENCE)?;
        inside.take(BIT_STRING)?.bits()?;
        inside.end()?;
        for tag in LAST {
            if tbs.0.first() == Some(&tag) {
                tbs.next()?;
            }
        }
        tbs.end()?;
        Some(Self { serial: first.value, issuer, not_before, not_after, subject, spki: key.whole })
    }
}

/// One element after the other.
struct Elements<'a>(&'a [u8]);

/// A tag, a length, and what they are about.
struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    value: &'a [u8],
}

impl<'a> Elements<'a> {
    /// X.690 s8.1.2 and s10.1: tags of one byte, and lengths in the fewest bytes, three of them at most.
    fn next(&mut self) -> Option<Element<'a>> {
        let (&[tag, short], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match short {
            0..=0x7F => (usize::from(short), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(short & 3))?;
                let length = digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit));
                let is_shortest = *digits.first()? != 0 && length >= 0x80;
                (is_shortest.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len().checked_sub(rest.len())?)?;
        self.0 = rest;
        (tag & 0x1F != 0x1F).then_some(Element { tag, whole, value })
    }

    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

impl Element<'_> {
    /// X.690 s8.6.2: how many bits of the last byte are unused.
    fn bits(&self) -> Option<()> {
        let (unused, bytes) = self.value.split_first()?;
        (*unused == 0 || (*unused < 8 && !bytes.is_empty())).then_some(())
    }

    /// RFC 5280 s4.1.2.5: seconds always, in UTC, no fraction. What lies before 1970 is refused.
    fn time(&self) -> Option<UnixTime> {
        let digits = self.value.strip_suffix(b"Z")?;
        let expected = match self.tag {
            UTC_TIME => 12,
            GENERALIZED_TIME => 14,
            _ => return None,
        };
        if digits.len() != expected || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (year, rest) = digits.split_at_checked(expected.checked_sub(10)?)?;
        let year = match (number(year), self.tag) {
            (year @ 0..50, UTC_TIME) => year.checked_add(2000)?,
            (year, UTC_TIME) => year.checked_add(1900)?,
            (year, _) => year,
        };
        let mut pairs = rest.chunks_exact(2).map(number);
        let (month, day) = (pairs.next()?, pairs.next()?);
        let (hour, minute, second) = (pairs.next()?, pairs.next()?, pairs.next()?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = hour.checked_mul(60)?.checked_add(minute)?.checked_mul(60)?.checked_add(second)?;
        let days = days_since_1970(year, month, day)?;
        Some(UnixTime(u64::from(days).checked_mul(24 * 3600)?.checked_add(u64::from(seconds))?))
    }
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit & 15)))
}

/// Of the Gregorian calendar; none for a day that is not in it.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if day == 0 || day > length || year < 1970 {
        return None;
    }
    // In years that begin with March, so that the leap day is the last one.
    let (year, month) =
        if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month.checked_add(9)?) };
    let leaps = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    let in_year = month.checked_mul(153)?.checked_add(2)? / 5;
    // From 0000-03-01 to 1970-01-01, and the day that `day` counts from one.
    year.checked_mul(365)?.checked_add(leaps)?.checked_add(in_year)?.checked_add(day)?.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use der::{Decode, Encode};
    use x509_cert::Certificate as X509;

    /// What another reader makes of it.
    pub(super) fn holds(der: &[u8]) -> bool {
        let Ok(other) = X509::from_der(der) else { return false };
        let (tbs, own) = (other.tbs_certificate(), Parts::read(der).unwrap());
        let validity = tbs.validity();
        assert_eq!(own.serial, tbs.serial_number().as_bytes());
        assert_eq!(own.issuer, tbs.issuer().to_der().unwrap());
        assert_eq!(own.subject, tbs.subject().to_der().unwrap());
        assert_eq!(own.spki, tbs.subject_public_key_info().to_der().unwrap());
        assert_eq!(own.not_before.0, validity.not_before.to_unix_duration().as_secs());
        assert_eq!(own.not_after.0, validity.not_after.to_unix_duration().as_secs());
        true
    }

    #[test]
    fn as_another_reader_has_it() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/certs");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            let blocks = super::super::pem::blocks(&text).unwrap_or_default();
            let ders: Vec<_> = blocks.iter().filter(|block| block.is_certificate()).map(|block| block.der()).collect();
            count += ders.iter().flatten().filter(|der| holds(der.expose())).count();
        }
        assert!(count > 10, "{count} certificates");
    }

    #[test]
    fn broken_certificates() {
        let der = include_bytes!("../../../tests/certs/rsa2048.cert.der");
        assert!(holds(der));
        for len in 0..der.len() {
            assert_eq!(Parts::read(&der[..len]), None, "{len}");
        }
        // Whatever another reader takes, this one takes, and says the same of it.
        let taken = (0..der.len()).flat_map(|at| [0x01, 0x81, 0x20, 0xFF].map(|bits| (at, bits)));
        let taken = taken.filter(|(at, bits)| {
            let mut changed = der.to_vec();
            changed[*at] ^= bits;
            holds(&changed)
        });
        assert!(taken.count() > 500);
        assert_eq!(Parts::read(&[&der[..], &[0]].concat()), None);
    }

    #[test]
    fn times() {
        let time = |tag, value: &[u8]| Element { tag, whole: value, value }.time().map(|time| time.0);
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", None), // 1950
            (UTC_TIME, "000229000000Z", Some(951_782_400)),
            (UTC_TIME, "010229000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000000+0000", None),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)), // RFC 5280 s4.1.2.5: none is known
            (GENERALIZED_TIME, "21000229000000Z", None),
            (GENERALIZED_TIME, "20240431000000Z", None),
            (GENERALIZED_TIME, "20241301000000Z", None),
            (GENERALIZED_TIME, "20240101240000Z", None),
            (GENERALIZED_TIME, "20240101000060Z", None),
            (GENERALIZED_TIME, "20240101000000.5Z", None),
            (GENERALIZED_TIME, "2024010100000 Z", None),
            (BIT_STRING, "20240101000000Z", None),
        ] {
            assert_eq!(time(tag, text.as_bytes()), expected, "{text}");
        }
    }
}
