//! What this device has: clocks, random numbers, and a console that shows codes.

use board::println;
use core::future::{Future, poll_fn};
use core::task::Poll;

use sansal::entropy::{Entropy, NoEntropy};
use sansal::error::AskError;
use sansal::time::{Millis, UnixTime};
use sansal_embedded::{Asks, DeviceCodePrompt, Time};

/// When this firmware was made: no date is before it (decision 12 of the design).
pub(crate) const BUILT: UnixTime = UnixTime(1_760_000_000);

/// The board's counter, and the date.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Whether a sleep may stop the processor until the next tick. In a superloop the loop decides that.
    pub(crate) rests: bool,
}

impl Time for Clock {
    fn mono(&self) -> Millis {
        Millis(board::milliseconds())
    }

    fn wall(&self) -> Option<UnixTime> {
        board::seconds().map(UnixTime)
    }

    fn sleep(&self, span: Millis) -> impl Future<Output = ()> {
        let until = self.mono().after(span);
        poll_fn(move |_| {
            if self.mono() >= until {
                return Poll::Ready(());
            }
            if self.rests {
                board::idle();
            }
            Poll::Pending
        })
    }
}

/// The board's random numbers.
pub(crate) struct Chance;

impl Entropy for Chance {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        if board::random(out) { Ok(()) } else { Err(NoEntropy) }
    }
}

/// Shows codes on the console.
pub(crate) struct Console;

impl Asks for Console {
    fn show_code(&mut self, code: &DeviceCodePrompt<'_>) -> Result<(), AskError> {
        println!("code {} at {}", code.user_code, code.verification_uri);
        Ok(())
    }
}
