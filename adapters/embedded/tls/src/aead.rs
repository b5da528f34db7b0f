//! AES-128-GCM records of TLS 1.3 (RFC 8446 s5.2) and TLS 1.2 (RFC 5288).

use alloc::boxed::Box;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Key};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter, Nonce,
    OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls12AeadAlgorithm, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls12_aad, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

const KEY: usize = 16;
const TAG: usize = 16;
/// The part of a TLS 1.2 nonce that is sent with each record.
const EXPLICIT: usize = 8;
/// RFC 5246 s6.2.1.
const MAX_FRAGMENT: usize = 16_384;

pub(crate) struct Gcm;

/// A cipher with its key; `None`, which fails each record, for a key of another length.
fn cipher(key: &AeadKey) -> Option<Aes128Gcm> {
    let key = <[u8; KEY]>::try_from(key.as_ref().get(..KEY)?).ok()?;
    Some(Aes128Gcm::new(&Key::<Aes128Gcm>::from(key)))
}

/// Encrypts in place and puts the tag behind.
fn seal(
    cipher: Option<&Aes128Gcm>,
    nonce: [u8; 12],
    aad: &[u8],
    from: usize,
    payload: &mut PrefixedPayload,
) -> Result<(), Error> {
    let plain = payload.as_mut().get_mut(from..).ok_or(Error::EncryptError)?;
    let cipher = cipher.ok_or(Error::EncryptError)?;
    let tag = cipher.encrypt_inout_detached(&nonce.into(), aad, plain.into()).map_err(|_| Error::EncryptError)?;
    payload.extend_from_slice(&tag);
    Ok(())
}

/// Decrypts in place what stands before the tag; its length.
fn open(cipher: Option<&Aes128Gcm>, nonce: [u8; 12], aad: &[u8], sealed: &mut [u8]) -> Result<usize, Error> {
    let length = sealed.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
    let (text, tag) = sealed.split_at_mut_checked(length).ok_or(Error::DecryptError)?;
    let tag = <[u8; TAG]>::try_from(&*tag).map_err(|_| Error::DecryptError)?;
    let cipher = cipher.ok_or(Error::DecryptError)?;
    let opened = cipher.decrypt_inout_detached(&nonce.into(), aad, text.into(), &tag.into());
    opened.map(|()| length).map_err(|_| Error::DecryptError)
}

struct Records13 {
    cipher: Option<Aes128Gcm>,
    iv: Iv,
}

impl Tls13AeadAlgorithm for Gcm {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Records13 { cipher: cipher(&key), iv })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Records13 { cipher: cipher(&key), iv })
    }

    fn key_len(&self) -> usize {
        KEY
    }

    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

impl MessageEncrypter for Records13 {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&[u8::from(message.typ)]);
        seal(self.cipher.as_ref(), Nonce::new(&self.iv, seq).0, &make_tls13_aad(length), 0, &mut payload)?;
        // RFC 8446 s5.1: as if it were TLS 1.2.
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        length.saturating_add(1).saturating_add(TAG)
    }
}

impl MessageDecrypter for Records13 {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let aad = make_tls13_aad(payload.len());
        let length = open(self.cipher.as_ref(), Nonce::new(&self.iv, seq).0, &aad, payload)?;
        payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}

struct Encrypter12 {
    cipher: Option<Aes128Gcm>,
    iv: Iv,
}

struct Decrypter12 {
    cipher: Option<Aes128Gcm>,
    salt: [u8; 4],
}

impl Tls12AeadAlgorithm for Gcm {
    fn encrypter(&self, key: AeadKey, iv: &[u8], explicit: &[u8]) -> Box<dyn MessageEncrypter> {
        let mut whole = [0; 12];
        whole.iter_mut().zip(iv.iter().chain(explicit)).for_each(|(to, from)| *to = *from);
        Box::new(Encrypter12 { cipher: cipher(&key), iv: Iv::new(whole) })
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        let mut salt = [0; 4];
        salt.iter_mut().zip(iv).for_each(|(to, from)| *to = *from);
        Box::new(Decrypter12 { cipher: cipher(&key), salt })
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape { enc_key_len: KEY, fixed_iv_len: 4, explicit_nonce_len: EXPLICIT }
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: &[u8],
        _: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

impl MessageEncrypter for Encrypter12 {
    fn encrypt(&mut self, message: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error> {
        let length = message.payload.len();
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(length));
        let nonce = Nonce::new(&self.iv, seq).0;
        payload.extend_from_slice(nonce.get(4..).unwrap_or_default());
        payload.extend_from_chunks(&message.payload);
        let aad = make_tls12_aad(seq, message.typ, message.version, length);
        seal(self.cipher.as_ref(), nonce, &aad, EXPLICIT, &mut payload)?;
        Ok(OutboundOpaqueMessage::new(message.typ, message.version, payload))
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        length.saturating_add(EXPLICIT).saturating_add(TAG)
    }
}

impl MessageDecrypter for Decrypter12 {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let (typ, version) = (message.typ, message.version);
        let payload = &mut message.payload;
        let length = payload.len().checked_sub(EXPLICIT.saturating_add(TAG)).ok_or(Error::DecryptError)?;
        let mut nonce = [0; 12];
        let sent = payload.get(..EXPLICIT).ok_or(Error::DecryptError)?;
        nonce.iter_mut().zip(self.salt.iter().chain(sent)).for_each(|(to, from)| *to = *from);
        let aad = make_tls12_aad(seq, typ, version, length);
        let sealed = payload.get_mut(EXPLICIT..).ok_or(Error::DecryptError)?;
        open(self.cipher.as_ref(), nonce, &aad, sealed)?;
        if length > MAX_FRAGMENT {
            return Err(Error::PeerSentOversizedRecord);
        }
        payload.copy_within(EXPLICIT..EXPLICIT.saturating_add(length), 0);
        payload.truncate(length);
        Ok(message.into_plain_message())
    }
}
