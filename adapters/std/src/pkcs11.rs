//! A private key in a PKCS#11 token (OASIS PKCS#11 2.40): a security module, a smart card, SoftHSM. It signs there.

mod error;
mod finding;
mod uri;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Fault, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use ring::digest::{SHA256, digest};
use sansal::Secret;
use sansal::error::AskError;
use sansal::jose::{Jwk, PublicKey};
use sansal::key::{Algorithm, KeyProtection};

pub use error::Pkcs11Error;

use crate::signing_key::SigningKey;
use finding::Wanted;

/// SHA-256's `DigestInfo` without the digest (RFC 8017 s9.2, note 1), for modules that do not hash.
const DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
/// SHA-256 with a salt as long as the digest (RFC 7518 s3.5).
const PSS: PkcsPssParams =
    PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: SALT };
const SALT: cryptoki::types::Ulong = cryptoki::types::Ulong::new(32);

/// A private key in a PKCS#11 token: RSA for RS256 and PS256, P-256 for ES256. One session is kept and opened again when the
/// module has lost it. `Debug` shows module and key, never the PIN.
///
/// The module is code that runs in this process: name one that you trust, by its whole path. It is loaded and initialized once
/// and left so, since others here may use it too.
///
/// ```no_run
/// use sansal_std::{CertificateCredential, Pkcs11Key, Secret};
/// let key = Pkcs11Key::builder("/usr/lib/softhsm/libsofthsm2.so")
///     .token("production")
///     .label("client")
///     .pin(Secret::from("1234"))
///     .open()?;
/// let credential = CertificateCredential::held(key).certificate_file("client.pem")?;
/// # Ok::<(), sansal_std::SetupError>(())
/// ```
pub struct Pkcs11Key {
    place: Place,
    public: Option<Jwk>,
    protection: KeyProtection,
    mechanisms: Vec<MechanismType>,
    live: Mutex<Option<Live>>,
}

/// Where the key is and how to get there again.
struct Place {
    module: PathBuf,
    wanted: Wanted,
    pin: Option<Secret>,
}

/// A session in which the key can be used. Handles are good only in it.
struct Live {
    session: Session,
    key: ObjectHandle,
}

/// Says which key a [`Pkcs11Key`] is.
pub struct Pkcs11KeyBuilder {
    place: Place,
    protection: Option<KeyProtection>,
}

impl Pkcs11Key {
    /// Starts with the module: the shared library that came with the device.
    pub fn builder(module: impl AsRef<Path>) -> Pkcs11KeyBuilder {
        let place = Place { module: module.as_ref().to_owned(), wanted: Wanted::default(), pin: None };
        Pkcs11KeyBuilder { place, protection: None }
    }

    /// Starts with a PKCS#11 URI (RFC 7512), such as
    /// `pkcs11:token=production;object=client?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/run/secrets/pin`.
    ///
    /// Of the path `token`, `serial`, `slot-id`, `object`, `id` and `type=private` count, of the query `module-path` and
    /// `pin-source`. Any other attribute is an error, `pin-value` too: addresses are seen by others.
    ///
    /// # Errors
    /// [`Pkcs11Error::Uri`] names the attribute; [`Pkcs11Error::PinFile`] when the PIN's file cannot be read.
    pub fn from_uri(uri: &str) -> Result<Pkcs11KeyBuilder, Pkcs11Error> {
        uri::parse(uri)
    }

    /// Signs in the session that is there, or in a new one; again, once, when the module says that the old one is gone.
    fn sign_in_session(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let mut live = self.lock();
        if let Some(known) = live.as_ref() {
            match known.session.sign(mechanism, known.key, data) {
                Ok(signature) => return Ok(signature),
                Err(why) if !is_lost(&why) => return Err(why.into()),
                // The old session is closed before the new one is opened: with the last session goes the login.
                Err(_) => *live = None,
            }
        }
        let (context, slot) = self.place.slot()?;
        let opened = self.place.enter(&context, slot)?;
        let signature = opened.session.sign(mechanism, opened.key, data)?;
        *live = Some(opened);
        Ok(signature)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to ask the module for: to hash and sign where it can, else to sign what is hashed here.
    fn mechanism(&self, alg: Algorithm, message: &[u8]) -> Result<(Mechanism<'static>, Vec<u8>), AskError> {
        let is_rsa = self.public.as_ref().map(|public| matches!(public.key(), PublicKey::Rsa { .. }));
        let fits = is_rsa.is_none_or(|is_rsa| is_rsa == (alg != Algorithm::Es256));
        if !fits {
            return Err(AskError::NotSupported);
        }
        let digest = || digest(&SHA256, message).as_ref().to_vec();
        let whole = || message.to_vec();
        let can = |mechanism| self.mechanisms.contains(&mechanism);
        Ok(match alg {
            Algorithm::Rs256 if can(MechanismType::SHA256_RSA_PKCS) => (Mechanism::Sha256RsaPkcs, whole()),
            Algorithm::Rs256 if can(MechanismType::RSA_PKCS) => {
                (Mechanism::RsaPkcs, [DIGEST_INFO.as_slice(), &digest()].concat())
            }
            Algorithm::Ps256 if can(MechanismType::SHA256_RSA_PKCS_PSS) => (Mechanism::Sha256RsaPkcsPss(PSS), whole()),
            Algorithm::Ps256 if can(MechanismType::RSA_PKCS_PSS) => (Mechanism::RsaPkcsPss(PSS), digest()),
            Algorithm::Es256 if can(MechanismType::ECDSA) => (Mechanism::Ecdsa, digest()),
            Algorithm::Es256 if can(MechanismType::ECDSA_SHA256) => (Mechanism::EcdsaSha256, whole()),
            _ => return Err(AskError::NotSupported),
        })
    }
}

impl SigningKey for Pkcs11Key {
    fn sign(&self, alg: Algorithm, message: &[u8]) -> Result<Vec<u8>, AskError> {
        let (mechanism, data) = self.mechanism(alg, message)?;
        self.sign_in_session(&mechanism, &data).map_err(|why| {
            tracing::warn!(key = %self.place.wanted, %why, "the PKCS#11 token does not sign");
            why.as_answer()
        })
    }

    fn public_key(&self) -> Result<Jwk, AskError> {
        self.public.clone().ok_or(AskError::NotFound)
    }

    fn protection(&self) -> KeyProtection {
        self.protection
    }
}

impl Pkcs11KeyBuilder {
    /// The label of the token. Needed where the module has several.
    #[must_use]
    pub fn token(mut self, label: &str) -> Self {
        self.place.wanted.token = Some(label.to_owned());
        self
    }

    /// The serial number of the token.
    #[must_use]
    pub fn serial(mut self, serial: &str) -> Self {
        self.place.wanted.serial = Some(serial.to_owned());
        self
    }

    /// The number of the slot. Some modules number them anew each time: better name the token.
    #[must_use]
    pub fn slot(mut self, slot: u64) -> Self {
        self.place.wanted.slot = Some(slot);
        self
    }

    /// The label of the key, `CKA_LABEL`.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.place.wanted.label = Some(label.to_owned());
        self
    }

    /// The id of the key, `CKA_ID`.
    #[must_use]
    pub fn id(mut self, id: &[u8]) -> Self {
        self.place.wanted.id = Some(id.to_owned());
        self
    }

    /// The PIN of the token's user. Without one the token must want none, or have a keypad of its own.
    #[must_use]
    pub fn pin(mut self, pin: impl Into<Secret>) -> Self {
        self.place.pin = Some(pin.into());
        self
    }

    /// How the key is protected. Default: [`KeyProtection::Hardware`] where the module says that its slot is a device, else
    /// [`KeyProtection::Software`].
    #[must_use]
    pub fn protection(mut self, protection: KeyProtection) -> Self {
        self.protection = Some(protection);
        self
    }

    /// Opens a session, logs in and finds the key.
    ///
    /// # Errors
    /// [`Pkcs11Error`] says what is missing or wrong. A wrong PIN is given to the token once: it may count them.
    pub fn open(self) -> Result<Pkcs11Key, Pkcs11Error> {
        let Self { place, protection } = self;
        let (context, slot) = place.slot()?;
        let live = place.enter(&context, slot)?;
        let public = place.wanted.describe(&live.session, live.key)?;
        let is_device = context.get_slot_info(slot)?.hardware_slot();
        let found = if is_device { KeyProtection::Hardware } else { KeyProtection::Software };
        let mechanisms = context.get_mechanism_list(slot)?;
        let protection = protection.unwrap_or(found);
        Ok(Pkcs11Key { place, public, protection, mechanisms, live: Mutex::new(Some(live)) })
    }
}

impl Place {
    /// The module, initialized, and the one slot with the token.
    fn slot(&self) -> Result<(Pkcs11, Slot), Pkcs11Error> {
        let context = loaded(&self.module)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Fault::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(why) => return Err(why.into()),
        }
        let slot = self.wanted.slot_in(&context)?;
        Ok((context, slot))
    }

    /// A session in which the key can be used.
    fn enter(&self, context: &Pkcs11, slot: Slot) -> Result<Live, Pkcs11Error> {
        let session = context.open_ro_session(slot)?;
        let pin = self.pin.as_ref().map(|pin| AuthPin::new(pin.expose().into()));
        let info = context.get_token_info(slot)?;
        if pin.is_some() || info.protected_authentication_path() {
            match session.login(UserType::User, pin.as_ref()) {
                Ok(()) | Err(Fault::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(why) => return Err(why.into()),
            }
        }
        // Without a PIN the private objects of most tokens are not there: no key is found, and that would be misleading.
        let key = self.wanted.key_in(&session).map_err(|why| match why {
            Pkcs11Error::NoKey(_) if pin.is_none() && info.login_required() => Pkcs11Error::PinMissing,
            why => why,
        })?;
        Ok(Live { session, key })
    }
}

/// The module, which stays in this process once it is there: with its code would go its state, and the sessions of others.
fn loaded(module: &Path) -> Result<Pkcs11, Pkcs11Error> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = loaded.get(module) {
        return Ok(known.clone());
    }
    let context = Pkcs11::new(module).map_err(|why| Pkcs11Error::module(module, &why))?;
    loaded.insert(module.to_owned(), context.clone());
    Ok(context)
}

/// Whether a new session may help: the token was pulled out and put back, another part of the program has logged out or
/// finalized the module, or this process is a child.
fn is_lost(why: &Fault) -> bool {
    use RvError as R;
    matches!(
        why,
        Fault::Pkcs11(
            R::SessionHandleInvalid
                | R::SessionClosed
                | R::DeviceRemoved
                | R::DeviceError
                | R::TokenNotPresent
                | R::UserNotLoggedIn
                | R::KeyHandleInvalid
                | R::ObjectHandleInvalid
                | R::CryptokiNotInitialized
                | R::OperationActive,
            _
        )
    )
}

impl fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Key({} in {})", self.place.wanted, self.place.module.display())
    }
}

impl fmt::Debug for Pkcs11KeyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11KeyBuilder({} in {})", self.place.wanted, self.place.module.display())
    }
}
