//! Power losses at every byte, wear, bad regions, worn-out and forged flash.

use super::*;
use crate::flash::simulated::{Counting, SECTOR, Simulated};
use alloc::format;
use alloc::vec;

fn slots<const W: usize>(flash: Simulated<W>, slots: u32, chance: u64) -> FlashSlots<Simulated<W>, Counting> {
    let end = u32::try_from(flash.bytes.len()).unwrap();
    FlashSlots::new(flash, 0..end, slots, DeviceKey::new(&[7; 32]), "test", Counting(chance)).unwrap()
}

fn power_fails_at_every_byte<const W: usize>(count: u32) {
    let content = |n: u8| vec![n; 60 + usize::from(n)];
    let mut store = slots(Simulated::<W>::new(4 * usize::try_from(count).unwrap()), count, 0);
    // Once round all slots and on: the slot that is written is empty, then an old one.
    for n in 0..=u8::try_from(count).unwrap() + 1 {
        let before = store.flash.clone();
        let old = store.load().map(|content| content.to_vec());
        assert_eq!(store.save(&content(n)), Ok(()));
        let work = store.flash.changed - before.changed;
        assert!(work > 4 * SECTOR + 60, "{work} bytes");
        for power in 0..work {
            let mut flash = before.clone();
            flash.power = Some(power);
            let mut torn = slots(flash, count, 1000);
            assert!(torn.save(&content(n)).is_err());
            // The power is back.
            torn.flash.power = None;
            let found = torn.load().map(|content| content.to_vec());
            assert!(found == old || found == Some(content(n)), "after {power} of {work} bytes: {found:?}");
            assert_eq!(torn.save(b"next"), Ok(()), "after {power} bytes");
            assert_eq!(torn.load().unwrap().as_slice(), b"next");
        }
        assert_eq!(store.load().unwrap().as_slice(), content(n));
    }
}

#[test]
fn the_old_or_the_new_whenever_the_power_fails() {
    power_fails_at_every_byte::<1>(2);
    power_fails_at_every_byte::<4>(3);
    power_fails_at_every_byte::<32>(2);
}

#[test]
fn slots_wear_alike() {
    let mut store = slots(Simulated::<4>::new(12), 3, 0);
    for n in 0..300_u32 {
        assert_eq!(store.save(&n.to_le_bytes()), Ok(()));
    }
    assert_eq!(store.flash.wear, [100; 12]);
}

#[test]
fn a_dead_sector_is_passed_over() {
    let mut store = slots(Simulated::<4>::new(12), 3, 0);
    assert_eq!(store.save(b"first"), Ok(()));
    store.flash.dead = Some(4); // in the second slot
    for content in [&b"second"[..], b"third", b"fourth"] {
        assert_eq!(store.save(content), Ok(()));
        assert_eq!(store.load().unwrap().as_slice(), content);
    }
    // With two slots there is no other place; what was there stays.
    let mut store = slots(Simulated::<4>::new(8), 2, 0);
    assert_eq!(store.save(b"first"), Ok(()));
    store.flash.dead = Some(4);
    assert_eq!(store.save(b"second"), Err(CommitError::NotWritten));
    assert_eq!(store.load().unwrap().as_slice(), b"first");
}

#[test]
fn what_was_changed_does_not_open() {
    let mut store = slots(Simulated::<1>::new(8), 2, 0);
    assert_eq!(store.save(b"old"), Ok(()));
    assert_eq!(store.save(b"new"), Ok(()));
    let written = 4 * SECTOR..4 * SECTOR + HEADER + 3 + TAG;
    for at in written {
        for bit in 0..8 {
            let mut forged = slots(store.flash.clone(), 2, 0);
            forged.flash.bytes[at] ^= 1 << bit;
            assert_eq!(forged.load().unwrap().as_slice(), b"old", "bit {bit} of byte {at}");
        }
    }
    // Both slots swapped open, as they must: their place is not what counts. Another purpose or key does not.
    let flash = store.flash.clone();
    for (key, purpose, opens) in [(7, "test", true), (8, "test", false), (7, "flow", false)] {
        let mut other =
            FlashSlots::new(flash.clone(), 0..512, 2, DeviceKey::new(&[key; 32]), purpose, Counting(0)).unwrap();
        assert_eq!(other.load().is_some(), opens, "{key} {purpose}");
    }
    // A length beyond the slot asks for no memory.
    store.flash.bytes[4 * SECTOR + 16..4 * SECTOR + 20].fill(0xFE);
    assert_eq!(store.load().unwrap().as_slice(), b"old");
    assert_eq!(store.erase(), Ok(()));
    assert!(store.load().is_none() && store.flash.bytes.iter().all(|byte| *byte == 0xFF));
}

#[test]
fn regions_and_sizes() {
    let new = |region: Range<u32>, slots| {
        let key = DeviceKey::new(&[7; 32]);
        FlashSlots::new(Simulated::<4>::new(8), region, slots, key, "test", Counting(0)).map(|store| store.capacity())
    };
    let cases = [
        (0..512, 2, Ok(256 - 44 - 16)),
        (128..512, 3, Ok(128 - 44 - 16)),
        (0..512, 8, Ok(64 - 44 - 16)),
        (0..512, 1, Err(FlashError::Slots)),
        (0..512, 0, Err(FlashError::Slots)),
        (0..512, 3, Err(FlashError::Slots)),
        (0..512, 16, Err(FlashError::Slots)),
        (0..0, 2, Err(FlashError::Slots)),
        (0..513, 2, Err(FlashError::Region)),
        (4..512, 2, Err(FlashError::Region)),
        (0..1024, 2, Err(FlashError::Region)),
    ];
    for (region, slots, expected) in cases {
        assert_eq!(new(region.clone(), slots), expected, "{region:?} in {slots}");
    }
    let key = DeviceKey::new(&[7; 32]);
    let shown = format!("{key:?}");
    let large = FlashSlots::new(Simulated::<512>::new(16), 0..1024, 2, key, "test", Counting(0));
    assert_eq!((shown.as_str(), large.err()), ("DeviceKey(..)", Some(FlashError::Words)));
    let mut store = slots(Simulated::<4>::new(8), 2, 0);
    let (most, more) = (vec![1; store.capacity()], vec![1; store.capacity() + 1]);
    assert_eq!((store.save(&more), store.save(&most)), (Err(CommitError::NotWritten), Ok(())));
    assert_eq!(store.load().unwrap().as_slice(), most);
    assert_eq!((store.save(b""), store.load().map(|content| content.len())), (Ok(()), Some(0)));
}
