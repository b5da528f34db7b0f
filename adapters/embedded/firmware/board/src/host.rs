//! What the emulator's host stands in for: console, arguments, the date, random numbers, and files for what lies on a device.
//! A real board has an RTC or SNTP, a TRNG and flash; it must not call any of this, since it stops without a debugger.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{Read, Seek, SeekFrom, Write};

/// The argument at this place of the command line; 0 is the name.
pub fn argument(at: usize) -> Option<String> {
    let arguments = semihosting::experimental::env::args::<256>().ok()?;
    let mut left = &arguments;
    left.nth(at)?.ok().map(ToString::to_string)
}

/// Ends the emulator with this status.
pub fn exit(status: i32) -> ! {
    semihosting::process::exit(status)
}

/// The date in seconds since 1970, if the host tells it.
pub fn seconds() -> Option<u64> {
    semihosting::sys::arm_compat::sys_time().ok().and_then(|seconds| u64::try_from(seconds).ok())
}

/// Fills `out` with random bytes; `false` if there are none.
pub fn random(out: &mut [u8]) -> bool {
    File::open(c"/dev/urandom").is_ok_and(|mut file| file.read_exact(out).is_ok())
}

/// A whole file of the host's working folder.
pub fn read(path: &CStr) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut bytes = vec![0; usize::try_from(file.metadata().ok()?.len()).ok()?];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// A file of a fixed length that stands for a memory of the device; it is written through.
pub struct Image(File);

impl Image {
    /// Opens it; a new one is made of `fresh` bytes.
    pub fn open(path: &CStr, length: usize, fresh: u8) -> Option<Self> {
        if File::open(path).is_err() {
            let mut file = File::create(path).ok()?;
            let piece = [fresh; 256];
            for _ in 0..length.div_ceil(piece.len()) {
                file.write_all(&piece).ok()?;
            }
        }
        File::options().read(true).write(true).open(path).ok().map(Self)
    }

    /// Reads from this address on.
    pub fn read(&mut self, at: u32, out: &mut [u8]) -> Option<()> {
        self.0.seek(SeekFrom::Start(u64::from(at))).ok()?;
        self.0.read_exact(out).ok()
    }

    /// Writes from this address on.
    pub fn write(&mut self, at: u32, bytes: &[u8]) -> Option<()> {
        self.0.seek(SeekFrom::Start(u64::from(at))).ok()?;
        self.0.write_all(bytes).ok()
    }
}
