//! The clocks of the operating system, and its name: the only file here that reads them.

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sansal::time::{Clock, Millis, UnixTime};

/// What time it is, and a way to let it pass. Tests bring their own.
pub trait Time: Send + Sync {
    /// Both clocks.
    fn now(&self) -> Clock;
    /// Comes back after this long.
    fn sleep(&self, span: Millis);
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Time for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where this adapter reads the clocks")]
    fn now(&self) -> Clock {
        // One start for the whole process: clients that share a store count from the same instant.
        static START: OnceLock<Instant> = OnceLock::new();
        let mono = START.get_or_init(Instant::now).elapsed().as_millis();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        Clock {
            mono: Millis(u64::try_from(mono).unwrap_or(u64::MAX)),
            wall: wall.map(|since| UnixTime(since.as_secs())),
        }
    }

    fn sleep(&self, span: Millis) {
        thread::sleep(Duration::from_millis(span.0));
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
}
