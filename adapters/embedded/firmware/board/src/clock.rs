//! Milliseconds since the reset, and a pause until the next one.

use cortex_m::peripheral::syst::SystClkSource;

/// The FPGA's I/O block (Arm AN386, table 3-8): an up-counter behind a prescaler, fed with 25 MHz.
const FPGAIO: usize = 0x4002_8000;
const COUNTER: usize = FPGAIO + 0x18;
const PRESCALE: usize = FPGAIO + 0x1C;
const HERTZ: u32 = 25_000_000;

pub(crate) fn begin() {
    // SAFETY: the register exists on this board and is written before anybody reads the counter.
    unsafe { (PRESCALE as *mut u32).write_volatile(HERTZ / 1000 - 1) };
    // SAFETY: runs once, at the start, and nobody else takes the peripherals.
    let mut timer = unsafe { cortex_m::Peripherals::steal() }.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(HERTZ / 1000 - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

/// Ends the pause, and wakes whoever waits for this millisecond.
#[cortex_m_rt::exception]
fn SysTick() {
    #[cfg(feature = "embassy")]
    alarm::ring();
}

/// The counter as embassy's time driver: each tick looks who is to be woken.
#[cfg(feature = "embassy")]
mod alarm {
    use core::cell::RefCell;
    use core::task::Waker;

    use critical_section::Mutex;
    use embassy_time_driver::Driver;
    use embassy_time_queue_utils::Queue;

    struct Ticks(Mutex<RefCell<Queue>>);

    embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks(Mutex::new(RefCell::new(Queue::new()))));

    impl Driver for Ticks {
        fn now(&self) -> u64 {
            super::milliseconds()
        }

        fn schedule_wake(&self, at: u64, waker: &Waker) {
            critical_section::with(|cs| self.0.borrow_ref_mut(cs).schedule_wake(at, waker));
        }
    }

    pub(super) fn ring() {
        critical_section::with(|cs| TICKS.0.borrow_ref_mut(cs).next_expiration(super::milliseconds()));
    }
}

/// Milliseconds since the reset; the counter goes round after 49 days.
pub fn milliseconds() -> u64 {
    // SAFETY: a read of this register has no effect.
    u64::from(unsafe { (COUNTER as *const u32).read_volatile() })
}

/// Waits for at most a millisecond. A loop that polls without it starves the emulator's own.
pub fn idle() {
    cortex_m::asm::wfi();
}
