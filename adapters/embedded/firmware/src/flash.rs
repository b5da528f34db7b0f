//! What outlives a reset: a file of the emulator's host as a flash chip, with the tokens in one region and a sign-in that waits in
//! another.

use core::cell::RefCell;

use board::println;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use sansal::device_code::PollOptions;
use sansal::flow::Clock as Now;
use sansal::json::parse_object;
use sansal::{DeviceCode, DeviceFlow, GetAccounts, Silent};
use sansal_embedded::flash::{DeviceKey, FlashSlots, FlashTokens, Shared};
use sansal_embedded::{Asks, DeviceCodePrompt, Driver};

use crate::device::{BUILT, Chance, Clock, Console};
use crate::flows::{BUFFER, Failed, show, thing};
use crate::link;

const SECTOR: usize = 4096;
const CAPACITY: usize = 8 * SECTOR;
const TOKENS: core::ops::Range<u32> = 0..16_384;
const SIGN_IN: core::ops::Range<u32> = 16_384..32_768;
const SLOTS: u32 = 2;
/// The most that a sign-in that waits may take.
const MAX_SIGN_IN: usize = 4 * 1024;
/// Stands for the key that only this device has, in fuses or a PUF.
const KEY: [u8; 32] = [0x5A; 32];

const SCOPES: [&str; 1] = ["User.Read"];

/// The chip.
struct Flash(board::Image);

/// The host took nothing, or the address is none.
#[derive(Debug)]
struct Broken;

impl NorFlashError for Broken {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Flash {
    fn open() -> Option<Self> {
        board::Image::open(c"flash.bin", CAPACITY, 0xFF).map(Self)
    }
}

impl ErrorType for Flash {
    type Error = Broken;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        self.0.read(offset, bytes).ok_or(Broken)
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        (from..to).step_by(64).try_for_each(|at| self.0.write(at, &[0xFF; 64])).ok_or(Broken)
    }

    /// Bits only fall, as on the real thing.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Broken> {
        for (at, word) in (offset..).step_by(4).zip(bytes.chunks(4)) {
            let mut both = [0; 4];
            let both = both.get_mut(..word.len()).ok_or(Broken)?;
            self.0.read(at, both).ok_or(Broken)?;
            both.iter_mut().zip(word).for_each(|(old, new)| *old &= new);
            self.0.write(at, both).ok_or(Broken)?;
        }
        Ok(())
    }
}

/// A sign-in that is begun, shown, and gone on with after a reset; tokens on flash, which another reset finds; and their refresh.
#[inline(never)]
pub(crate) fn reboot(wire: &link::Wire) -> Result<(), Failed> {
    let flash = RefCell::new(Flash::open().ok_or(Failed::Board("no flash"))?);
    let slots = |region, purpose| {
        FlashSlots::new(Shared(&flash), region, SLOTS, DeviceKey::new(&KEY), purpose, Chance)
            .map_err(|_| Failed::Board("the flash does not fit"))
    };
    let mut sign_in = slots(SIGN_IN, "sign-in")?;
    let client = thing()?;
    let connector = link::connector(wire).ok_or(Failed::Board("no root certificate"))?;
    let mut buffer = [0; BUFFER];
    let mut driver = Driver::new(connector, Clock { rests: true }, Chance, &mut buffer, BUILT)?
        .tokens(FlashTokens(slots(TOKENS, "tokens")?));

    let accounts = driver.drive_blocking(&client, GetAccounts::new())?;
    if let Some(account) = accounts.first() {
        println!("boot with tokens");
        let flow = Silent::new(account, &SCOPES)?.force_refresh(true).flow(&client)?;
        let token = driver.drive_blocking(&client, flow)?;
        show(&token);
        return token.stored().map_err(|_| Failed::Board("the tokens are not on flash"));
    }
    let waiting = sign_in.load().and_then(|bytes| parse_object(&bytes, MAX_SIGN_IN).ok());
    if let Some(members) = waiting {
        println!("boot with a sign-in that waits");
        let flow = DeviceFlow::from_members(&client, &members, driver.clock())?;
        let token = driver.drive_blocking(&client, flow.poll(&client, &PollOptions::default())?)?;
        token.stored().map_err(|_| Failed::Board("the tokens are not on flash"))?;
        sign_in.erase().map_err(|_| Failed::Board("the sign-in is still on flash"))?;
        board::reset();
    }
    println!("boot with nothing");
    let flow = driver.drive_blocking(&client, DeviceCode::new(&SCOPES)?.initiate(&client)?)?;
    let now: Now = driver.clock();
    sign_in.save(&flow.to_members(now).to_json()).map_err(|_| Failed::Board("the sign-in is not on flash"))?;
    let prompt = DeviceCodePrompt {
        user_code: flow.user_code(),
        verification_uri: flow.verification_uri(),
        verification_uri_complete: flow.verification_uri_complete(),
        message: flow.message(),
        expires_in: flow.expires_in(),
    };
    Console.show_code(&prompt).map_err(|_| Failed::Board("no console"))?;
    board::reset();
}
