//! Time on a device: a counter that never jumps, and a date if there is one.

use core::future::{Future, poll_fn};
use core::task::Poll;

use sansal::time::{Millis, UnixTime};

/// The clocks of a device.
pub trait Time {
    /// Milliseconds since any moment, only forward, also while the device sleeps.
    fn mono(&self) -> Millis;

    /// The date, from an RTC or the network, if it is known and trusted. `None` until then: see [`Dates`](crate::Dates).
    fn wall(&self) -> Option<UnixTime> {
        None
    }

    /// Comes back after that long, or later. As it stands it looks at [`mono`](Self::mono) each time it is polled, which a
    /// superloop does; an executor's timer is used by writing this function anew, and so is `wfi`.
    fn sleep(&self, span: Millis) -> impl Future<Output = ()> {
        let until = self.mono().after(span);
        poll_fn(move |_| if self.mono() < until { Poll::Pending } else { Poll::Ready(()) })
    }
}

impl<T: Time> Time for &T {
    fn mono(&self) -> Millis {
        (**self).mono()
    }

    fn wall(&self) -> Option<UnixTime> {
        (**self).wall()
    }

    fn sleep(&self, span: Millis) -> impl Future<Output = ()> {
        (**self).sleep(span)
    }
}
