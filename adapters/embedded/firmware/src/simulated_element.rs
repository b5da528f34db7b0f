//! A simulated secure element on an I²C bus: it makes keys, keeps them and signs. No command gives a private key out.

use embedded_hal::i2c::{Error, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};

use crate::element::{ADDRESS, DONE, GENERATE, PUBLIC, SIGN, crc};

/// How many keys it has room for.
const SLOTS: usize = 2;
const UNKNOWN: u8 = 1;
const EMPTY: u8 = 2;
const NO_CHANCE: u8 = 3;
const CHECKSUM: u8 = 4;

/// The bus with nothing on it but the element.
pub(crate) struct SimulatedElement<E> {
    chance: E,
    keys: [Option<SigningKey>; SLOTS],
    /// What will be read next: the answer to what was written last.
    answer: [u8; 67],
}

/// Nobody answers at that address.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Error for Nobody {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)
    }
}

impl<E: FnMut(&mut [u8]) -> bool> SimulatedElement<E> {
    pub(crate) fn new(chance: E) -> Self {
        Self { chance, keys: [const { None }; SLOTS], answer: [0; 67] }
    }

    fn take(&mut self, request: &[u8]) -> Result<[u8; 64], u8> {
        let ([what, slot, data @ ..], sum) = request.split_last_chunk::<2>().ok_or(CHECKSUM)? else {
            return Err(CHECKSUM);
        };
        if *sum != crc(&request[..request.len() - 2]).to_le_bytes() {
            return Err(CHECKSUM);
        }
        let key = self.keys.get_mut(usize::from(*slot)).ok_or(EMPTY)?;
        match (*what, data) {
            (GENERATE, []) => {
                let mut scalar = [0; 32];
                (self.chance)(&mut scalar).then_some(()).ok_or(NO_CHANCE)?;
                // One draw in 2^32 is no key: the host asks again.
                let new = SigningKey::from_slice(&scalar).map_err(|_| NO_CHANCE)?;
                Ok(public(key.insert(new)))
            }
            (PUBLIC, []) => key.as_ref().map(public).ok_or(EMPTY),
            (SIGN, digest) if digest.len() == 32 => {
                let signature: Result<Signature, _> = key.as_ref().ok_or(EMPTY)?.sign_prehash(digest);
                signature.map(|signature| signature.to_bytes().into()).map_err(|_| UNKNOWN)
            }
            _ => Err(UNKNOWN),
        }
    }
}

/// x and y, behind the byte that says that both are there (SEC 1 s2.3.3).
fn public(key: &SigningKey) -> [u8; 64] {
    let point = key.verifying_key().to_sec1_point(false);
    let mut both = [0; 64];
    both.iter_mut().zip(point.as_bytes().iter().skip(1)).for_each(|(to, from)| *to = *from);
    both
}

impl<E> ErrorType for SimulatedElement<E> {
    type Error = Nobody;
}

impl<E: FnMut(&mut [u8]) -> bool> I2c for SimulatedElement<E> {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Nobody> {
        if address != ADDRESS {
            return Err(Nobody);
        }
        for operation in operations {
            match operation {
                Operation::Write(request) => {
                    let (status, data) = match self.take(request) {
                        Ok(data) => (DONE, data),
                        Err(status) => (status, [0; 64]),
                    };
                    self.answer[0] = status;
                    self.answer[1..65].copy_from_slice(&data);
                    let sum = crc(&self.answer[..65]).to_le_bytes();
                    self.answer[65..].copy_from_slice(&sum);
                }
                Operation::Read(out) => out.iter_mut().zip(&self.answer).for_each(|(to, from)| *to = *from),
            }
        }
        Ok(())
    }
}
