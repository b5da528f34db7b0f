//! Bodies of the fuzz targets of this adapter, each stating a property. `fuzz/` calls them, an ordinary test replays the corpora.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use sansal::error::SendError;

use crate::flash::simulated::{Counting, SECTOR, Simulated};
use crate::flash::{DeviceKey, FlashSlots};
use crate::http1::{MAX_HEADERS, Reader};

/// A fuzz target: a name and the property it holds input against.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of the folders in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[("http_response", http_response), ("flash_store", flash_store)];

/// A response is read the same whole and byte by byte, in its bounds. The first two bytes choose the limit of the body and
/// the size of the buffer; the rest is what a server sends before it ends the connection.
pub fn http_response(data: &[u8]) {
    let [small, large, text @ ..] = data else { return };
    let limit = usize::from(*small).saturating_mul(16);
    let size = usize::from(*large).saturating_mul(32);
    let whole = read(text, limit, size, usize::MAX);
    for piece in [1, 2, 13] {
        assert_eq!(read(text, limit, size, piece), whole, "{piece} bytes at a time");
    }
    let Ok(read) = whole else { return };
    assert!((200..1000).contains(&read.status) && read.body.len() <= limit.min(size));
    assert!(read.headers.len() <= MAX_HEADERS && read.used <= text.len());
}

#[derive(Debug, PartialEq, Eq)]
struct Read {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the text that the response had.
    used: usize,
}

fn read(text: &[u8], limit: usize, size: usize, piece: usize) -> Result<Read, SendError> {
    let (mut reader, mut buffer, mut at) = (Reader::new(limit), vec![0; size], 0_usize);
    loop {
        let room = reader.room(&mut buffer)?;
        let rest = text.get(at..).unwrap_or_default();
        let n = rest.len().min(room.len()).min(piece);
        room.iter_mut().zip(rest.iter().take(n)).for_each(|(to, from)| *to = *from);
        at = at.saturating_add(n);
        let complete = reader.received(&mut buffer, n)?;
        if complete {
            return reader.response(&buffer, |response| Read {
                status: response.status,
                headers: response.headers.iter().map(|h| (h.name.to_string(), h.value.to_string())).collect(),
                body: response.body.to_vec(),
                used: at.saturating_sub(reader.excess()),
            });
        }
        assert!(n > 0, "the end of a connection ends a response, well or not");
    }
}

/// Flash gives back what was saved last, or what was being saved when the power failed; and of flash that somebody changed,
/// nothing that was never saved. The first byte chooses the size of words and the number of slots; then operations follow, each
/// with two bytes of choices.
pub fn flash_store(data: &[u8]) {
    let Some((choice, script)) = data.split_first() else { return };
    let slots = u32::from(choice / 4 % 3).saturating_add(2);
    match choice % 4 {
        0 => play::<1>(script, slots),
        1 => play::<4>(script, slots),
        2 => play::<8>(script, slots),
        _ => play::<32>(script, slots),
    }
}

fn play<const W: usize>(script: &[u8], slots: u32) {
    let sectors = usize::try_from(slots).unwrap_or(0).saturating_mul(4);
    let end = u32::try_from(sectors.saturating_mul(SECTOR)).unwrap_or(0);
    let (flash, key) = (Simulated::<W>::new(sectors), DeviceKey::new(&[7; 32]));
    let Ok(mut store) = FlashSlots::new(flash, 0..end, slots, key, "fuzz", Counting(0)) else { return };
    // What may be found, and what was ever tried to be saved.
    let (mut may, mut tried) = (vec![None], vec![None]);
    let mut was_changed = false;
    for (step, operation) in (0_u8..200).zip(script.chunks_exact(3)) {
        let [kind, a, b] = operation else { return };
        let number = usize::from(*a).saturating_add(usize::from(*b).saturating_mul(256));
        match kind % 4 {
            0 | 1 => {
                let content = vec![step; usize::from(*a)];
                store.with_flash(|flash| flash.power = (kind % 4 == 1).then(|| usize::from(*b).saturating_mul(3)));
                let saved = store.save(&content).is_ok();
                store.with_flash(|flash| flash.power = None);
                if saved {
                    may.clear();
                }
                if content.len() <= store.capacity() {
                    may.push(Some(content.clone()));
                    tried.push(Some(content));
                }
                assert!(saved || kind % 4 == 1 || usize::from(*a) > store.capacity(), "good flash is written");
            }
            2 => {
                was_changed = true;
                store.with_flash(|flash| {
                    let at = number.checked_rem(flash.bytes.len()).unwrap_or(0);
                    flash.bytes.get_mut(at).into_iter().for_each(|byte| *byte = step);
                });
            }
            _ => {}
        }
        let found = store.load().map(|content| content.to_vec());
        assert!(tried.contains(&found), "what was never saved");
        assert!(was_changed || may.contains(&found), "neither the old nor the new");
        if !was_changed {
            may = vec![found];
        }
    }
}
