//! Finds the one token and the one private key that are meant, and reads the public half.

use std::fmt;

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use sansal::base64::hex_encode;
use sansal::jose::Jwk;

use super::Pkcs11Error;

/// The object identifier prime256v1 in DER (RFC 5480 s2.1.1.1).
const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// The head of an octet string of 65 bytes in DER, which is how `CKA_EC_POINT` wraps the point; then 04, an uncompressed one.
const POINT_HEAD: [u8; 3] = [0x04, 0x41, 0x04];

/// What a key and its token are known by. What is not given is not compared.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) token: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) slot: Option<u64>,
    pub(super) label: Option<String>,
    pub(super) id: Option<Vec<u8>>,
}

impl Wanted {
    /// The one slot whose token fits.
    pub(super) fn slot_in(&self, context: &Pkcs11) -> Result<Slot, Pkcs11Error> {
        let (mut fitting, mut labels, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for slot in context.get_slots_with_initialized_token()? {
            let info = context.get_token_info(slot)?;
            all.push(info.label().to_owned());
            let fits = self.token.as_ref().is_none_or(|token| token == info.label())
                && self.serial.as_ref().is_none_or(|serial| serial == info.serial_number())
                && self.slot.is_none_or(|id| id == slot.id());
            if fits {
                fitting.push(slot);
                labels.push(info.label().to_owned());
            }
        }
        match fitting.as_slice() {
            [] => Err(Pkcs11Error::NoToken { found: all }),
            [one] => Ok(*one),
            _ => Err(Pkcs11Error::ManyTokens(labels)),
        }
    }

    /// The one private key that fits.
    pub(super) fn key_in(&self, session: &Session) -> Result<ObjectHandle, Pkcs11Error> {
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        template.extend(self.label.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
        template.extend(self.id.iter().map(|id| Attribute::Id(id.clone())));
        match session.find_objects(&template)?.as_slice() {
            [] => Err(Pkcs11Error::NoKey(self.to_string())),
            [one] => Ok(*one),
            _ => Err(Pkcs11Error::ManyKeys(self.to_string())),
        }
    }

    /// Refuses a key that cannot sign. The public half, where it can be read: of an RSA key from the private object too, else
    /// from the public object with the same id.
    pub(super) fn describe(&self, session: &Session, key: ObjectHandle) -> Result<Option<Jwk>, Pkcs11Error> {
        use AttributeType as T;
        let (mut kind, mut id) = (None, Vec::new());
        // One by one: some modules refuse the whole list for one attribute that they do not know.
        for one in [T::KeyType, T::Sign, T::AlwaysAuthenticate, T::Id] {
            for attribute in session.get_attributes(key, &[one]).unwrap_or_default() {
                match attribute {
                    Attribute::KeyType(of) => kind = Some(of),
                    Attribute::Sign(false) => return Err(Pkcs11Error::CannotSign),
                    Attribute::AlwaysAuthenticate(true) => return Err(Pkcs11Error::AlwaysAuthenticate),
                    Attribute::Id(of) => id = of,
                    _ => {}
                }
            }
        }
        let read: fn(&Session, ObjectHandle) -> Result<Option<Jwk>, Pkcs11Error> = match kind {
            Some(KeyType::RSA) => rsa,
            Some(KeyType::EC) => p256,
            _ => return Err(Pkcs11Error::KeyKind),
        };
        if let Some(public) = read(session, key)? {
            return Ok(Some(public));
        }
        if id.is_empty() {
            return Ok(None);
        }
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id)];
        match session.find_objects(&template)?.first() {
            Some(public) => read(session, *public),
            None => Ok(None),
        }
    }
}

fn rsa(session: &Session, object: ObjectHandle) -> Result<Option<Jwk>, Pkcs11Error> {
    let (mut n, mut e) = (Vec::new(), Vec::new());
    for attribute in
        session.get_attributes(object, &[AttributeType::Modulus, AttributeType::PublicExponent]).unwrap_or_default()
    {
        match attribute {
            Attribute::Modulus(of) => n = of,
            Attribute::PublicExponent(of) => e = of,
            _ => {}
        }
    }
    match n.is_empty() || e.is_empty() {
        true => Ok(None),
        false => Jwk::rsa(&n, &e).map(Some).map_err(|_| Pkcs11Error::KeyKind),
    }
}

fn p256(session: &Session, object: ObjectHandle) -> Result<Option<Jwk>, Pkcs11Error> {
    let mut point = Vec::new();
    for one in [AttributeType::EcParams, AttributeType::EcPoint] {
        for attribute in session.get_attributes(object, &[one]).unwrap_or_default() {
            match attribute {
                Attribute::EcParams(curve) if curve != PRIME256V1 => return Err(Pkcs11Error::KeyKind),
                Attribute::EcPoint(of) => point = of,
                _ => {}
            }
        }
    }
    // Some modules forget to wrap the point.
    let bare = point.strip_prefix(&POINT_HEAD).or_else(|| point.strip_prefix(&[0x04]));
    let halves = bare.and_then(|bare| bare.split_first_chunk::<32>());
    Ok(halves.and_then(|(x, y)| Some(Jwk::p256(*x, y.try_into().ok()?))))
}

/// As people look for it.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.label, &self.id) {
            (Some(label), Some(id)) => write!(f, "{label:?} with the id {}", hex_encode(id)),
            (Some(label), None) => write!(f, "{label:?}"),
            (None, Some(id)) => write!(f, "with the id {}", hex_encode(id)),
            (None, None) => f.write_str("of any name"),
        }
    }
}
