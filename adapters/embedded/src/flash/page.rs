//! Reads and writes of any length on flash that takes only whole words.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use sansal::error::CommitError;

/// Bytes of a word at the most; NOR flash has 1 to 256.
pub(super) const MAX_WORD: usize = 256;

/// `length` up to the next multiple of `word`.
pub(super) fn padded(length: usize, word: usize) -> usize {
    length.checked_next_multiple_of(word).unwrap_or(usize::MAX)
}

/// Reads from an address that is a multiple of a word.
pub(super) fn read<F: ReadNorFlash>(flash: &mut F, at: u32, out: &mut [u8]) -> Option<()> {
    let whole = out.len().saturating_sub(out.len().checked_rem(F::READ_SIZE)?);
    let (words, tail) = out.split_at_mut_checked(whole)?;
    if !words.is_empty() {
        flash.read(at, words).ok()?;
    }
    if !tail.is_empty() {
        let mut word = [0; MAX_WORD];
        let word = word.get_mut(..F::READ_SIZE)?;
        flash.read(at.checked_add(u32::try_from(whole).ok()?)?, word).ok()?;
        tail.copy_from_slice(word.get(..tail.len())?);
    }
    Some(())
}

/// Writes to an erased address that is a multiple of a word; what is left of the last word stays erased.
pub(super) fn write<F: NorFlash>(flash: &mut F, at: u32, bytes: &[u8]) -> Result<(), CommitError> {
    let failed = CommitError::NotWritten;
    let whole = bytes.len().saturating_sub(bytes.len().checked_rem(F::WRITE_SIZE).ok_or(failed)?);
    let (words, tail) = bytes.split_at_checked(whole).ok_or(failed)?;
    if !words.is_empty() {
        flash.write(at, words).map_err(|_| failed)?;
    }
    if !tail.is_empty() {
        let mut word = [0xFF; MAX_WORD];
        let word = word.get_mut(..F::WRITE_SIZE).ok_or(failed)?;
        word.get_mut(..tail.len()).ok_or(failed)?.copy_from_slice(tail);
        let at = u32::try_from(whole).ok().and_then(|whole| at.checked_add(whole)).ok_or(failed)?;
        flash.write(at, word).map_err(|_| failed)?;
    }
    Ok(())
}
