//! What people see while the program waits for them: the time that is left, at a terminal only.

use std::io::{self, IsTerminal, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansal_std::sansal::time::Millis;
use sansal_std::{Cancel, SystemClock, Time};

/// Counts down on standard error until it is dropped; then its line is gone.
pub(crate) struct Countdown {
    over: Cancel,
    thread: Option<JoinHandle<()>>,
}

impl Countdown {
    /// Begins with this many seconds. Does nothing where standard error is no terminal.
    pub(crate) fn begin(what: &'static str, seconds: u64) -> Self {
        let over = Cancel::new();
        if !io::stderr().is_terminal() {
            return Self { over, thread: None };
        }
        let (until, stop) = (SystemClock.now().mono.after(Millis::from_secs(seconds)), over.clone());
        let count = move || {
            loop {
                let left = until.since(SystemClock.now().mono).as_secs_ceil();
                let _ =
                    write!(io::stderr(), "\r\u{1b}[K{what}: {}", clock_face(left)).and_then(|()| io::stderr().flush());
                if stop.wait(Duration::from_secs(1)) || left == 0 {
                    let _ = write!(io::stderr(), "\r\u{1b}[K").and_then(|()| io::stderr().flush());
                    return;
                }
            }
        };
        Self { over, thread: thread::Builder::new().name("countdown".to_owned()).spawn(count).ok() }
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        self.over.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Minutes and seconds.
fn clock_face(seconds: u64) -> String {
    format!("{}:{:02} left", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_faces() {
        for (seconds, expected) in [(0, "0:00 left"), (59, "0:59 left"), (61, "1:01 left"), (1800, "30:00 left")] {
            assert_eq!(clock_face(seconds), expected);
        }
    }
}
