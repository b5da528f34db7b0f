//! Keys in a secure element behind I²C (`embedded-hal`): made there, signed with there, never given out.
//!
//! The protocol is that of [`simulated_element`](crate::simulated_element), in the manner of the parts that are sold: one byte that
//! says what is wanted, a slot, what belongs to it, and a checksum both ways. With another part this file is what changes.

use alloc::vec::Vec;

use embedded_hal::i2c::I2c;

/// Where the element answers on its bus.
pub(crate) const ADDRESS: u8 = 0x60;
/// What it can be asked for.
pub(crate) const GENERATE: u8 = 0x40;
pub(crate) const SIGN: u8 = 0x41;
pub(crate) const PUBLIC: u8 = 0x42;
/// The slot for the key of tokens.
pub(crate) const SLOT: u8 = 0;
/// The first byte of an answer to something that was done.
pub(crate) const DONE: u8 = 0;
/// The longest answer: the status, two numbers of P-256, the checksum.
const ANSWER: usize = 1 + 64 + 2;

/// Key pairs of P-256, by the numbers of their slots.
pub(crate) trait SecureElement {
    /// Why the element does not do it.
    type Error;

    /// Makes a new key pair in a slot; x and y of the public key.
    fn generate(&mut self, slot: u8) -> Result<[u8; 64], Self::Error>;

    /// x and y of the public key in a slot.
    fn public_key(&mut self, slot: u8) -> Result<[u8; 64], Self::Error>;

    /// r and s of the ECDSA signature of a SHA-256 digest.
    fn sign(&mut self, slot: u8, digest: &[u8; 32]) -> Result<[u8; 64], Self::Error>;
}

/// The element at [`ADDRESS`] of a bus.
pub(crate) struct Element<B>(B);

/// Why the element did not do it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ElementError {
    /// The bus failed.
    Bus,
    /// Bits changed on the way.
    Checksum,
    /// It refused, with this status.
    Refused(u8),
}

impl<B: I2c> Element<B> {
    pub(crate) fn new(bus: B) -> Self {
        Self(bus)
    }

    fn ask(&mut self, what: u8, slot: u8, data: &[u8]) -> Result<[u8; 64], ElementError> {
        let mut request = Vec::with_capacity(data.len() + 4);
        request.extend_from_slice(&[what, slot]);
        request.extend_from_slice(data);
        let checksum = crc(&request).to_le_bytes();
        request.extend_from_slice(&checksum);
        let mut answer = [0; ANSWER];
        self.0.write_read(ADDRESS, &request, &mut answer).map_err(|_| ElementError::Bus)?;
        match answer.split_last_chunk::<2>() {
            Some(([DONE, rest @ ..], sum)) if *sum == crc(&answer[..ANSWER - 2]).to_le_bytes() => {
                rest.try_into().map_err(|_| ElementError::Checksum)
            }
            Some(([status, ..], sum)) if *sum == crc(&answer[..ANSWER - 2]).to_le_bytes() => {
                Err(ElementError::Refused(*status))
            }
            _ => Err(ElementError::Checksum),
        }
    }
}

impl<B: I2c> SecureElement for Element<B> {
    type Error = ElementError;

    fn generate(&mut self, slot: u8) -> Result<[u8; 64], ElementError> {
        self.ask(GENERATE, slot, &[])
    }

    fn public_key(&mut self, slot: u8) -> Result<[u8; 64], ElementError> {
        self.ask(PUBLIC, slot, &[])
    }

    fn sign(&mut self, slot: u8, digest: &[u8; 32]) -> Result<[u8; 64], ElementError> {
        self.ask(SIGN, slot, digest)
    }
}

/// CRC-16 with the polynomial 0x8005, as such parts have it.
pub(crate) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| sum << 1 ^ if sum & 0x8000 == 0 { 0 } else { 0x8005 })
    })
}

/// What must not work: bits that change on the way, a slot without a key, and asking for the private half.
pub(crate) fn refusals<B: I2c>(element: &mut Element<B>) -> bool {
    let gives_out = (0..=u8::MAX).filter(|what| ![GENERATE, SIGN, PUBLIC].contains(what));
    let all = gives_out.map(|what| element.ask(what, SLOT, &[]));
    let nothing = all.fold(true, |all, answer| all && matches!(answer, Err(ElementError::Refused(_))));
    let empty = matches!(element.sign(7, &[1; 32]), Err(ElementError::Refused(_)));
    let mut answer = [0; ANSWER];
    let torn = element.0.write_read(ADDRESS, &[PUBLIC, SLOT, 0, 0], &mut answer).is_ok() && answer[0] != DONE;
    nothing && empty && torn
}
