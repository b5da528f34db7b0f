//! Instants and spans as plain numbers. Nothing here reads a clock: time comes in through [`Cx`](crate::flow::Cx).

use core::time::Duration;

/// Seconds since 1970-01-01T00:00:00Z. Arithmetic saturates: a server may send any `expires_in`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// That many seconds later.
    #[must_use]
    pub const fn after(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// That many seconds earlier.
    #[must_use]
    pub const fn before(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// That many seconds later, or earlier if negative.
    #[must_use]
    pub const fn shifted(self, seconds: i64) -> Self {
        Self(self.0.saturating_add_signed(seconds))
    }

    /// Seconds from `earlier` to here; 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The span since 1970 began, for the standard library's dates.
    ///
    /// ```
    /// # use sansal::time::UnixTime;
    /// use std::time::{Duration, SystemTime};
    /// let date = SystemTime::UNIX_EPOCH.checked_add(UnixTime(1_800_000_000).since_epoch());
    /// # assert_eq!(date, SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1_800_000_000)));
    /// ```
    pub const fn since_epoch(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

/// Milliseconds: a span, or an instant on a clock that only goes forward and starts anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// That much later.
    #[must_use]
    pub const fn after(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to here; 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds, rounded up: a wait is never cut short.
    pub const fn as_secs_ceil(self) -> u64 {
        self.0.div_ceil(1000)
    }
}

impl From<Millis> for Duration {
    fn from(span: Millis) -> Self {
        Self::from_millis(span.0)
    }
}

/// What is less than a millisecond is cut off; what is longer than 584 million years too.
impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What the host's clocks say at one step.
///
/// Waits and deadlines are counted on `mono`, which never jumps. Expiry of tokens is a matter of `wall`;
/// a device that does not know the date passes `None` (decision 12 of the design) and nothing that lies
/// in the cache counts as fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds on a clock that only goes forward.
    pub mono: Millis,
    /// The date, if known.
    pub wall: Option<UnixTime>,
}

impl Clock {
    /// Both clocks at once.
    pub const fn new(mono: Millis, wall: UnixTime) -> Self {
        Self { mono, wall: Some(wall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(UnixTime(u64::MAX).after(1), UnixTime(u64::MAX));
        assert_eq!(UnixTime(5).before(9), UnixTime(0));
        assert_eq!(UnixTime(5).since(UnixTime(9)), 0);
        assert_eq!(Millis(1).since(Millis(2)), Millis(0));
        assert_eq!(Millis::from_secs(u64::MAX), Millis(u64::MAX));
        assert_eq!(Millis(1001).as_secs_ceil(), 2);
        assert_eq!(
            (Millis::from(Duration::MAX), Duration::from(Millis(1500))),
            (Millis(u64::MAX), Duration::new(1, 500_000_000))
        );
    }
}
