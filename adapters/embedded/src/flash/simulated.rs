//! Flash in memory with the rules of NOR flash, whose power fails after a chosen number of bytes; for tests and fuzzing.

use alloc::vec;
use alloc::vec::Vec;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use sansal::entropy::{Entropy, NoEntropy};

/// `W` bytes are written at once, 64 erased.
#[derive(Clone, Debug)]
pub(crate) struct Simulated<const W: usize> {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that can still be changed before the power fails.
    pub(crate) power: Option<usize>,
    /// Bytes changed so far.
    pub(crate) changed: usize,
    /// How often each sector was erased.
    pub(crate) wear: Vec<u32>,
    /// A sector that does not take a byte any more.
    pub(crate) dead: Option<usize>,
}

pub(crate) const SECTOR: usize = 64;

/// The power has failed, or a rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    Power,
    Rule,
}

impl NorFlashError for Failed {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const W: usize> Simulated<W> {
    pub(crate) fn new(sectors: usize) -> Self {
        let bytes = vec![0xFF; sectors.saturating_mul(SECTOR)];
        Self { bytes, power: None, changed: 0, wear: vec![0; sectors], dead: None }
    }

    /// Changes one byte; the one at which the power fails is left half done.
    fn change(&mut self, at: usize, value: u8) -> Result<(), Failed> {
        let byte = self.bytes.get_mut(at).ok_or(Failed::Rule)?;
        match &mut self.power {
            Some(0) => {
                *byte ^= (*byte ^ value) & 0x5A;
                return Err(Failed::Power);
            }
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        self.changed = self.changed.saturating_add(1);
        if self.dead != at.checked_div(SECTOR) {
            *byte = value;
        }
        Ok(())
    }
}

impl<const W: usize> ErrorType for Simulated<W> {
    type Error = Failed;
}

impl<const W: usize> ReadNorFlash for Simulated<W> {
    const READ_SIZE: usize = W;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Failed> {
        let at = usize::try_from(offset).map_err(|_| Failed::Rule)?;
        let is_whole = at.checked_rem(W) == Some(0) && bytes.len().checked_rem(W) == Some(0);
        let from = self.bytes.get(at..at.saturating_add(bytes.len())).filter(|_| is_whole).ok_or(Failed::Rule)?;
        bytes.copy_from_slice(from);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const W: usize> NorFlash for Simulated<W> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Failed> {
        let (from, to) = (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(to).unwrap_or(usize::MAX));
        if from > to || from.checked_rem(SECTOR) != Some(0) || to.checked_rem(SECTOR) != Some(0) {
            return Err(Failed::Rule);
        }
        let sectors = from.checked_div(SECTOR).unwrap_or(0)..to.checked_div(SECTOR).unwrap_or(0);
        self.wear.get_mut(sectors).ok_or(Failed::Rule)?.iter_mut().for_each(|count| *count = count.saturating_add(1));
        (from..to).try_for_each(|at| self.change(at, 0xFF))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failed> {
        let at = usize::try_from(offset).map_err(|_| Failed::Rule)?;
        let place = self.bytes.get(at..at.saturating_add(bytes.len())).ok_or(Failed::Rule)?;
        let is_whole = at.checked_rem(W) == Some(0) && bytes.len().checked_rem(W) == Some(0);
        // Bits only fall; each word is written once.
        if !is_whole || place.iter().any(|byte| *byte != 0xFF) && self.dead.is_none() {
            return Err(Failed::Rule);
        }
        (at..).zip(bytes).try_for_each(|(at, byte)| self.change(at, *byte))
    }
}

/// Never the same bytes twice.
#[derive(Clone, Debug)]
pub(crate) struct Counting(pub(crate) u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        self.0 = self.0.wrapping_add(1);
        out.iter_mut().zip(self.0.to_le_bytes().into_iter().cycle()).for_each(|(to, from)| *to = from);
        Ok(())
    }
}
