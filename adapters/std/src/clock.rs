//! The clocks of the operating system, and its name: the only file here that reads them.

use std::sync::OnceLock;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, Timespec, clock_gettime};
use sansal::time::{Clock, Millis, UnixTime};

/// One start for the whole process: clients that share a store count from the same instant.
static START: OnceLock<Start> = OnceLock::new();

struct Start {
    instant: Instant,
    #[cfg(target_os = "linux")]
    raw: Timespec,
}

impl Start {
    #[expect(clippy::disallowed_methods, reason = "the one place where this adapter reads the clocks")]
    fn now() -> Self {
        Self {
            instant: Instant::now(),
            #[cfg(target_os = "linux")]
            raw: clock_gettime(ClockId::Monotonic),
        }
    }
}

/// What time it is, and a way to let it pass. Tests bring their own.
pub trait Time: Send + Sync {
    /// Both clocks.
    fn now(&self) -> Clock;
    /// Both clocks as they were some milliseconds ago at the most: for whoever reads them with each look into the cache.
    fn recent(&self) -> Clock {
        self.now()
    }
    /// Comes back after this long.
    fn sleep(&self, span: Millis);
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Time for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where this adapter reads the clocks")]
    fn now(&self) -> Clock {
        let mono = START.get_or_init(Start::now).instant.elapsed().as_millis();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        Clock {
            mono: Millis(u64::try_from(mono).unwrap_or(u64::MAX)),
            wall: wall.map(|since| UnixTime(since.as_secs())),
        }
    }

    /// The time of the last tick: the processor's counter is not read.
    #[cfg(target_os = "linux")]
    #[inline]
    fn recent(&self) -> Clock {
        let since = |clock, start: Timespec| {
            let now = clock_gettime(clock);
            let seconds = now.tv_sec.saturating_sub(start.tv_sec);
            let millis = now.tv_nsec.saturating_sub(start.tv_nsec).div_euclid(1_000_000);
            (seconds, seconds.saturating_mul(1000).saturating_add(millis))
        };
        let start = START.get_or_init(Start::now).raw;
        let (_, mono) = since(ClockId::MonotonicCoarse, start);
        let (wall, _) = since(ClockId::RealtimeCoarse, Timespec { tv_sec: 0, tv_nsec: 0 });
        // The last tick may lie before the start.
        Clock { mono: Millis(u64::try_from(mono).unwrap_or(0)), wall: u64::try_from(wall).ok().map(UnixTime) }
    }

    fn sleep(&self, span: Millis) {
        thread::sleep(span.into());
    }
}

/// The operating system as Microsoft's servers know it (`x-client-os`): Python's `sys.platform`.
pub fn platform() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second.mono >= first.mono);
        // 2026-01-01: the date is in seconds, not milliseconds, and since 1970.
        assert!((1_767_225_600..4_102_444_800).contains(&first.wall.unwrap().0));
    }

    #[test]
    fn the_recent_time_is_not_far_behind() {
        for _ in 0..20 {
            let (before, recent) = (SystemClock.now(), SystemClock.recent());
            let after = SystemClock.now();
            assert!(recent.mono <= after.mono && recent.wall <= after.wall);
            // A tick comes every few milliseconds; a machine that was held up for long may owe some.
            assert!(recent.mono.0 + 5_000 >= before.mono.0, "{} {}", recent.mono.0, before.mono.0);
            assert!(recent.wall.unwrap().0 + 5 >= before.wall.unwrap().0);
            thread::sleep(std::time::Duration::from_millis(3));
        }
    }
}
