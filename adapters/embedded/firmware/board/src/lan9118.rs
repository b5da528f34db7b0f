//! A polled driver of the SMSC LAN9118 as it is wired on mps2 boards, as a device of smoltcp. Registers: the part's data sheet.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

const BASE: usize = 0x4020_0000;
const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const ID_REV: usize = 0x50;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5C;
const BYTE_TEST: usize = 0x64;
const RX_CFG: usize = 0x6C;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_DP_CTRL: usize = 0x78;
const RX_FIFO_INF: usize = 0x7C;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xA4;
const MAC_CSR_DATA: usize = 0xA8;

const MAC_CR: u32 = 1;
const MAC_ADDRH: u32 = 2;
const MAC_ADDRL: u32 = 3;

const BUSY: u32 = 1 << 31;
/// An Ethernet frame without its checksum.
const FRAME: usize = 1514;
const CHECKSUM: usize = 4;
const RX_WORDS: usize = (FRAME + CHECKSUM).div_ceil(4) + 1;
const TX_WORDS: usize = FRAME.div_ceil(4);

fn get(register: usize) -> u32 {
    // SAFETY: a register of the part; only this driver has it.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn set(register: usize, value: u32) {
    // SAFETY: as above.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

fn mac_ready() {
    while get(MAC_CSR_CMD) & BUSY != 0 {}
}

fn mac_get(index: u32) -> u32 {
    mac_ready();
    set(MAC_CSR_CMD, BUSY | 1 << 30 | index);
    mac_ready();
    get(MAC_CSR_DATA)
}

fn mac_set(index: u32, value: u32) {
    mac_ready();
    set(MAC_CSR_DATA, value);
    set(MAC_CSR_CMD, BUSY | index);
    mac_ready();
}

/// The part, and room for one frame each way.
pub(crate) struct Lan9118 {
    received: [u32; RX_WORDS],
    sent: [u32; TX_WORDS],
}

impl Lan9118 {
    pub(crate) const fn new() -> Self {
        Self { received: [0; RX_WORDS], sent: [0; TX_WORDS] }
    }

    /// Resets and starts it; its hardware address, or nothing if it does not answer.
    pub(crate) fn begin(&mut self) -> Option<[u8; 6]> {
        if get(BYTE_TEST) != 0x8765_4321 || get(ID_REV) >> 16 != 0x0118 {
            return None;
        }
        set(HW_CFG, 1);
        while get(HW_CFG) & 1 != 0 {}
        set(HW_CFG, 1 << 20 | 5 << 16); // must be one; 5 KiB for what is sent
        set(INT_EN, 0);
        set(INT_STS, u32::MAX);
        set(RX_CFG, 0);
        set(TX_CFG, 1 << 1); // on
        mac_set(MAC_CR, 1 << 20 | 1 << 3 | 1 << 2); // full duplex, sends, receives
        let ([a, b, c, d], [e, f, ..]) = (mac_get(MAC_ADDRL).to_le_bytes(), mac_get(MAC_ADDRH).to_le_bytes());
        Some([a, b, c, d, e, f])
    }

    /// Fetches a good frame; its length without the checksum.
    fn fetch(&mut self) -> Option<usize> {
        loop {
            if get(RX_FIFO_INF) >> 16 & 0xFF == 0 {
                return None;
            }
            let status = get(RX_STATUS);
            let length = (status >> 16 & 0x3FFF) as usize;
            match self.received.get_mut(..length.div_ceil(4)) {
                Some(words) if status & 1 << 15 == 0 && length >= 14 + CHECKSUM => {
                    words.iter_mut().for_each(|word| *word = get(RX_DATA));
                    return Some(length - CHECKSUM);
                }
                _ => {
                    set(RX_DP_CTRL, BUSY); // throws it away
                    while get(RX_DP_CTRL) & BUSY != 0 {}
                }
            }
        }
    }

    fn can_send() -> bool {
        for _ in 0..get(TX_FIFO_INF) >> 16 & 0xFF {
            get(TX_STATUS);
        }
        (get(TX_FIFO_INF) & 0xFFFF) as usize >= FRAME + 8
    }
}

fn bytes(words: &[u32], length: usize) -> &[u8] {
    assert!(length <= words.len() * 4);
    // SAFETY: these bytes are those words.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), length) }
}

fn bytes_mut(words: &mut [u32], length: usize) -> &mut [u8] {
    assert!(length <= words.len() * 4);
    // SAFETY: as above, and nobody else has them.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), length) }
}

pub(crate) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

pub(crate) struct Sender<'a>(&'a mut [u32]);

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let result = write(bytes_mut(self.0, length));
        set(TX_DATA, 1 << 13 | 1 << 12 | length as u32); // the first and the last piece
        set(TX_DATA, length as u32);
        self.0.iter().take(length.div_ceil(4)).for_each(|word| set(TX_DATA, *word));
        result
    }
}

impl Device for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sender<'_>)> {
        if !Self::can_send() {
            return None;
        }
        let length = self.fetch()?;
        Some((Received(bytes(&self.received, length)), Sender(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sender<'_>> {
        Self::can_send().then(|| Sender(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut all = DeviceCapabilities::default();
        all.medium = Medium::Ethernet;
        all.max_transmission_unit = FRAME;
        all
    }
}
