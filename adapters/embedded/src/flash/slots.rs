//! Slots on flash, of which the newest whole one counts: the old content or the new one, whenever the power fails.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use embedded_storage::nor_flash::NorFlash;
use sansal::entropy::Entropy;
use sansal::error::CommitError;
use zeroize::{Zeroize, Zeroizing};

use super::page::{MAX_WORD, padded, read, write};

const MAGIC: &[u8; 8] = b"sansal01";
const NONCE: usize = 24;
/// Magic, number, length, nonce.
const HEADER: usize = 8 + 8 + 4 + NONCE;
const TAG: usize = 16;

/// Seals what lies on flash: 32 random bytes that only this device has, from a key store, fuses or a PUF.
#[derive(Clone)]
pub struct DeviceKey(Zeroizing<[u8; 32]>);

impl DeviceKey {
    /// Takes the key over.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*key))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(..)")
    }
}

/// Why a region of flash cannot be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// It does not lie on the chip, or does not begin and end where something can be erased.
    Region,
    /// It cannot be parted into at least two slots, each a multiple of what can be erased at once.
    Slots,
    /// Words of the chip are too large, or do not fit what can be erased.
    Words,
}

impl fmt::Display for FlashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Region => "the region does not lie on the flash, in whole sectors",
            Self::Slots => "the region cannot be parted into that many slots of whole sectors",
            Self::Words => "words of this flash are too large",
        })
    }
}

impl core::error::Error for FlashError {}

/// A region of flash that keeps one value over resets and power losses: the tokens, or a saved flow.
pub struct FlashSlots<F, E> {
    flash: F,
    entropy: E,
    key: DeviceKey,
    /// Stands under the seal: one region's content never opens as another's.
    purpose: &'static str,
    begin: u32,
    slot: u32,
    slots: u32,
}

/// What stands before the sealed bytes.
struct Header {
    number: u64,
    length: u32,
    nonce: [u8; NONCE],
}

/// Which slot holds what counts.
struct Newest {
    index: u32,
    number: u64,
    content: Zeroizing<Vec<u8>>,
}

impl<F: NorFlash, E: Entropy> FlashSlots<F, E> {
    /// Uses this region of the chip in this many slots, two at the least; more wear the flash less. `purpose` names what is kept
    /// here. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`FlashError`] when the region does not fit.
    pub fn new(
        flash: F,
        region: Range<u32>,
        slots: u32,
        key: DeviceKey,
        purpose: &'static str,
        entropy: E,
    ) -> Result<Self, FlashError> {
        let sector = u32::try_from(F::ERASE_SIZE).map_err(|_| FlashError::Words)?;
        let fits = |word: usize| (1..=MAX_WORD).contains(&word) && F::ERASE_SIZE.checked_rem(word) == Some(0);
        if !fits(F::READ_SIZE) || !fits(F::WRITE_SIZE) {
            return Err(FlashError::Words);
        }
        let whole = |at: u32| at.checked_rem(sector) == Some(0);
        let on_chip = usize::try_from(region.end).is_ok_and(|end| end <= flash.capacity());
        let length = region.end.checked_sub(region.start).ok_or(FlashError::Region)?;
        if !on_chip || !whole(region.start) || !whole(region.end) {
            return Err(FlashError::Region);
        }
        let slot = length.checked_div(slots).filter(|slot| slots >= 2 && *slot > 0 && whole(*slot));
        let slot = slot.ok_or(FlashError::Slots)?;
        Ok(Self { flash, entropy, key, purpose, begin: region.start, slot, slots })
    }

    /// The most bytes that can be saved.
    pub fn capacity(&self) -> usize {
        let slot = usize::try_from(self.slot).unwrap_or(usize::MAX);
        slot.saturating_sub(Self::header_size()).saturating_sub(TAG).min(slot)
    }

    /// What was saved last and is whole.
    pub fn load(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.newest().map(|newest| newest.content)
    }

    /// Saves `content`. When the power fails meanwhile, the next [`load`](Self::load) finds what was there before, or this.
    ///
    /// # Errors
    /// [`CommitError::NotWritten`] when it is too long, there are no random bytes, or the flash is worn out; what was there before
    /// is there still.
    pub fn save(&mut self, content: &[u8]) -> Result<(), CommitError> {
        let failed = CommitError::NotWritten;
        if content.len() > self.capacity() {
            return Err(failed);
        }
        let newest = self.newest().map(|newest| (newest.index, newest.number));
        let (last, number) = newest.unwrap_or((self.slots.saturating_sub(1), 0));
        let mut header = Header {
            number: number.checked_add(1).ok_or(failed)?,
            length: u32::try_from(content.len()).map_err(|_| failed)?,
            nonce: [0; NONCE],
        };
        self.entropy.fill(&mut header.nonce).map_err(|_| failed)?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(content.len().saturating_add(TAG)));
        sealed.extend_from_slice(content);
        let bound = self.bound(&header);
        self.cipher().encrypt_in_place(&XNonce::from(header.nonce), &bound, &mut *sealed).map_err(|_| failed)?;
        // A slot that does not take it is passed over; the newest one is not touched.
        for step in 1..=self.slots {
            let index = last.saturating_add(step).checked_rem(self.slots).ok_or(failed)?;
            let is_free = newest.is_none_or(|(newest, _)| newest != index);
            if is_free && self.write_slot(index, &header, &sealed).is_ok() && self.holds(index, &header) {
                return Ok(());
            }
        }
        Err(failed)
    }

    /// Erases everything, also what was saved before and does not count any more.
    ///
    /// # Errors
    /// [`CommitError::NotWritten`] when the flash does not.
    pub fn erase(&mut self) -> Result<(), CommitError> {
        let end = self.begin.saturating_add(self.slot.saturating_mul(self.slots));
        self.flash.erase(self.begin, end).map_err(|_| CommitError::NotWritten)
    }

    #[cfg(feature = "fuzzing")]
    pub(crate) fn with_flash(&mut self, change: impl FnOnce(&mut F)) {
        change(&mut self.flash);
    }

    /// The sealed bytes first and the header last: without it nothing looks like a slot that was written.
    fn write_slot(&mut self, index: u32, header: &Header, sealed: &[u8]) -> Result<(), CommitError> {
        let failed = CommitError::NotWritten;
        let at = self.address(index);
        self.flash.erase(at, at.checked_add(self.slot).ok_or(failed)?).map_err(|_| failed)?;
        write(&mut self.flash, at.saturating_add(Self::header_words()), sealed)?;
        write(&mut self.flash, at, &header.to_bytes())
    }

    fn holds(&mut self, index: u32, header: &Header) -> bool {
        let read = self.header(index);
        read.is_some_and(|read| read.number == header.number && self.open(index, &read).is_some())
    }

    /// The one with the highest number that opens.
    fn newest(&mut self) -> Option<Newest> {
        let mut below = None;
        loop {
            let mut highest: Option<(u32, Header)> = None;
            for index in 0..self.slots {
                let Some(header) = self.header(index) else { continue };
                let is_left = below.is_none_or(|below| (header.number, index) < below);
                let is_higher = highest.as_ref().is_none_or(|(_, other)| header.number >= other.number);
                if is_left && is_higher {
                    highest = Some((index, header));
                }
            }
            let (index, header) = highest?;
            if let Some(content) = self.open(index, &header) {
                return Some(Newest { index, number: header.number, content });
            }
            below = Some((header.number, index));
        }
    }

    fn header(&mut self, index: u32) -> Option<Header> {
        let mut bytes = [0; HEADER];
        let at = self.address(index);
        read(&mut self.flash, at, &mut bytes)?;
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let header = Header {
            number: u64::from_le_bytes(*number),
            length: u32::from_le_bytes(*length),
            nonce: *rest.first_chunk::<NONCE>()?,
        };
        // Held against the slot before any memory is asked for.
        let fits = usize::try_from(header.length).is_ok_and(|length| length <= self.capacity());
        (magic == MAGIC && fits).then_some(header)
    }

    fn open(&mut self, index: u32, header: &Header) -> Option<Zeroizing<Vec<u8>>> {
        let length = usize::try_from(header.length).ok()?.checked_add(TAG)?;
        let mut content = Zeroizing::new(alloc::vec![0; length]);
        let at = self.address(index).checked_add(Self::header_words())?;
        read(&mut self.flash, at, &mut content)?;
        let bound = self.bound(header);
        self.cipher().decrypt_in_place(&XNonce::from(header.nonce), &bound, &mut *content).ok()?;
        Some(content)
    }

    fn bound(&self, header: &Header) -> Vec<u8> {
        [header.to_bytes().as_slice(), self.purpose.as_bytes()].concat()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let mut key = Key::from(*self.key.0);
        let cipher = XChaCha20Poly1305::new(&key);
        key.zeroize();
        cipher
    }

    fn address(&self, index: u32) -> u32 {
        self.begin.saturating_add(self.slot.saturating_mul(index))
    }

    /// Bytes that the header takes: reads and writes of what follows begin at a word.
    fn header_size() -> usize {
        padded(padded(HEADER, F::WRITE_SIZE), F::READ_SIZE.max(F::WRITE_SIZE))
    }

    fn header_words() -> u32 {
        u32::try_from(Self::header_size()).unwrap_or(u32::MAX)
    }
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        let number = self.number.to_le_bytes();
        let length = self.length.to_le_bytes();
        let bytes = MAGIC.iter().chain(&number).chain(&length).chain(&self.nonce);
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        out
    }
}

impl<F, E> fmt::Debug for FlashSlots<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlashSlots")
            .field("purpose", &self.purpose)
            .field("begin", &self.begin)
            .field("slot", &self.slot)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
