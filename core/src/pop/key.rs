//! The key whose possession is proved: ES256 made here, RSA imported, or held by the host (RFC 7518 s3).

#[cfg(all(feature = "rsa", feature = "pop"))]
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
#[cfg(not(feature = "pop"))]
use core::convert::Infallible;
use core::fmt;

use crate::entropy::Entropy;
use crate::error::Error;
use crate::jose::Jwk;
use crate::key::{Algorithm, KeyName, KeyProtection};
#[cfg(feature = "pop")]
use crate::{error::CertError, jose::PublicKey};

#[cfg(all(feature = "rsa", feature = "pop"))]
use crate::cert::{PrivateKey, RsaKey};
#[cfg(feature = "es256")]
use {
    crate::entropy::{Chance, NoEntropy},
    p256::ecdsa::signature::hazmat::RandomizedPrehashSigner,
    p256::ecdsa::{Signature, SigningKey},
    sha2::{Digest, Sha256},
    zeroize::Zeroizing,
};

/// How often a number is drawn that is no private key; one in 2^32 is none.
#[cfg(feature = "es256")]
const MAX_DRAWS: usize = 8;

/// A key pair for proofs. A private half in memory is overwritten on drop, is not in `Debug`, and is stored nowhere: with the
/// key go the tokens that are bound to it.
///
/// ```
/// # #[cfg(feature = "es256")] {
/// # struct Dice;
/// # impl sansal::entropy::Entropy for Dice {
/// #     fn fill(&mut self, out: &mut [u8]) -> Result<(), sansal::entropy::NoEntropy> { out.fill(4); Ok(()) }
/// # }
/// use sansal::pop::PopKey;
/// let key = PopKey::generate(&mut Dice)?;
/// assert_eq!(key.thumbprint().len(), 43);
/// # }
/// # Ok::<(), sansal::Error>(())
/// ```
#[derive(Clone)]
pub struct PopKey {
    holder: Holder,
    alg: Algorithm,
    jwk: Jwk,
    /// Without the feature there is no value of this type, and whatever is done with one is left out of the program.
    #[cfg(not(feature = "pop"))]
    #[expect(dead_code, reason = "its type is what counts")]
    never: Infallible,
}

#[cfg_attr(not(feature = "pop"), expect(dead_code, reason = "there is no key"))]
#[derive(Clone)]
enum Holder {
    #[cfg(feature = "es256")]
    Es256(SigningKey),
    #[cfg(all(feature = "rsa", feature = "pop"))]
    Rsa(Box<RsaKey>),
    External(KeyName, Option<KeyProtection>),
}

impl PopKey {
    /// A new ES256 key.
    ///
    /// # Errors
    /// [`Error::NoEntropy`] when the host has no random bytes.
    #[cfg(feature = "es256")]
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, Error> {
        let mut scalar = Zeroizing::new([0_u8; 32]);
        for _ in 0..MAX_DRAWS {
            entropy.fill(&mut *scalar)?;
            if let Ok(key) = Self::es256(&scalar) {
                return Ok(key);
            }
        }
        Err(NoEntropy.into())
    }

    /// An ES256 key from its private number, `d` of RFC 7518 s6.2.2.1.
    ///
    /// # Errors
    /// [`CertError::BadKey`] for zero and numbers beyond the order of the curve.
    #[cfg(feature = "es256")]
    pub fn es256(d: &[u8; 32]) -> Result<Self, CertError> {
        let key = SigningKey::from_slice(d).map_err(|_| CertError::BadKey)?;
        let point = key.verifying_key().to_sec1_point(false);
        // SEC 1 s2.3.3: 04, then x, then y.
        let (x, y) = point
            .as_bytes()
            .split_first_chunk::<1>()
            .and_then(|(_, rest)| rest.split_first_chunk::<32>())
            .and_then(|(x, y)| Some((*x, <[u8; 32]>::try_from(y).ok()?)))
            .ok_or(CertError::BadKey)?;
        Ok(Self { holder: Holder::Es256(key), alg: Algorithm::Es256, jwk: Jwk::p256(x, y) })
    }

    /// An RSA key, for RS256 or PS256.
    ///
    /// # Errors
    /// [`CertError::WrongAlgorithm`] for ES256; [`CertError`] says what is wrong with the key.
    #[cfg(all(feature = "rsa", feature = "pop"))]
    pub fn rsa(key: &PrivateKey, alg: Algorithm) -> Result<Self, CertError> {
        let key = RsaKey::new(key)?;
        let jwk = key.jwk()?;
        fits(alg, &jwk)?;
        Ok(Self { holder: Holder::Rsa(Box::new(key)), alg, jwk })
    }

    #[cfg(feature = "pop")]
    /// A key that the host holds and signs with, by [`Ask::Sign`](crate::flow::Ask::Sign). Its public half comes from
    /// [`Ask::PublicKey`](crate::flow::Ask::PublicKey) or from where it was made.
    ///
    /// # Errors
    /// [`CertError::WrongAlgorithm`] when the key is not for the algorithm.
    pub fn external(name: KeyName, alg: Algorithm, public: &Jwk) -> Result<Self, CertError> {
        fits(alg, public)?;
        Ok(Self { holder: Holder::External(name, None), alg, jwk: public.clone() })
    }

    /// How the host protects the key, in its own words. A key in memory stays what it is.
    #[must_use]
    pub fn protected_by(mut self, protection: KeyProtection) -> Self {
        match &mut self.holder {
            Holder::External(_, named) => *named = Some(protection),
            #[cfg(any(all(feature = "rsa", feature = "pop"), feature = "es256"))]
            _ => {}
        }
        self
    }

    /// How the private half is protected; `None` where the host that holds it has not said.
    pub fn protection(&self) -> Option<KeyProtection> {
        match &self.holder {
            Holder::External(_, named) => *named,
            #[cfg(any(all(feature = "rsa", feature = "pop"), feature = "es256"))]
            _ => Some(KeyProtection::Software),
        }
    }

    /// The algorithm of its signatures.
    pub fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The public half.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The thumbprint of the public half (RFC 7638), under which its tokens are kept.
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// Under which name the host holds the key, if it does.
    pub fn name(&self) -> Option<&KeyName> {
        match &self.holder {
            Holder::External(name, _) => Some(name),
            #[cfg(any(all(feature = "rsa", feature = "pop"), feature = "es256"))]
            _ => None,
        }
    }

    /// The JOSE signature over `message` (RFC 7518 s3), or the name under which the host has to be asked for it.
    ///
    /// ES256 signatures are deterministic (RFC 6979) with random bytes mixed in (its s3.6).
    ///
    /// # Errors
    /// [`Error::NoEntropy`]; [`Error::Config`] when the key cannot sign so.
    #[cfg_attr(
        not(any(all(feature = "rsa", feature = "pop"), feature = "es256")),
        expect(unused_variables, reason = "the host signs")
    )]
    pub fn sign(&self, message: &[u8], entropy: &mut dyn Entropy) -> Result<Signed<'_>, Error> {
        match &self.holder {
            #[cfg(feature = "es256")]
            Holder::Es256(key) => {
                let digest = Sha256::digest(message);
                let signature: Signature =
                    key.sign_prehash_with_rng(&mut Chance::new(entropy, 32), &digest).map_err(|_| NoEntropy)?;
                Ok(Signed::Here(signature.to_bytes().to_vec()))
            }
            #[cfg(all(feature = "rsa", feature = "pop"))]
            Holder::Rsa(key) => Ok(Signed::Here(key.sign(self.alg, message, entropy)?)),
            Holder::External(name, _) => Ok(Signed::Elsewhere(name)),
        }
    }
}

/// A signature, or who makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed<'a> {
    /// The signature as JOSE wants it.
    Here(Vec<u8>),
    /// The host signs with this key.
    Elsewhere(&'a KeyName),
}

#[cfg(feature = "pop")]
fn fits(alg: Algorithm, jwk: &Jwk) -> Result<(), CertError> {
    match (alg, jwk.key()) {
        (Algorithm::Es256, PublicKey::P256 { .. }) | (Algorithm::Rs256 | Algorithm::Ps256, PublicKey::Rsa { .. }) => {
            Ok(())
        }
        _ => Err(CertError::WrongAlgorithm),
    }
}

/// The public half alone.
impl fmt::Debug for PopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PopKey({}, {})", self.alg.as_str(), self.thumbprint())
    }
}

#[cfg(all(test, feature = "es256"))]
mod tests {
    use super::*;
    use alloc::format;

    struct Dice(Vec<[u8; 32]>);
    impl Entropy for Dice {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.copy_from_slice(self.0.pop().ok_or(NoEntropy)?.get(..out.len()).ok_or(NoEntropy)?);
            Ok(())
        }
    }

    /// RFC 6979 A.2.5
    const D: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    const X: &str = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";
    const Y: &str = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";

    #[test]
    fn public_half_of_rfc_6979() {
        let hex = |text| crate::base64::hex_decode::<32>(text).unwrap();
        let key = PopKey::es256(&hex(D)).unwrap();
        assert_eq!(key.jwk(), &Jwk::p256(hex(X), hex(Y)));
        assert_eq!((key.alg(), key.name()), (Algorithm::Es256, None));
    }

    #[test]
    fn numbers_that_are_no_key() {
        // SEC 2 s2.4.2: from 1 to the order of the curve, without it.
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let order = crate::base64::hex_decode::<32>(order).unwrap();
        for bad in [[0; 32], order, [0xFF; 32]] {
            assert_eq!(PopKey::es256(&bad).err(), Some(CertError::BadKey));
        }
        let made = PopKey::generate(&mut Dice(Vec::from([[7; 32], [0xFF; 32], [0; 32]]))).unwrap();
        assert_eq!(made.jwk(), PopKey::es256(&[7; 32]).unwrap().jwk());
        assert!(matches!(PopKey::generate(&mut Dice(alloc::vec![[0; 32]; 20])), Err(Error::NoEntropy)));
        assert!(matches!(PopKey::generate(&mut Dice(Vec::new())), Err(Error::NoEntropy)));
    }

    #[test]
    fn signing_needs_chance() {
        let key = PopKey::es256(&[7; 32]).unwrap();
        let sign = |chance| match key.sign(b"m", &mut Dice(chance)) {
            Ok(Signed::Here(signature)) => Some(signature),
            _ => None,
        };
        assert_eq!(sign(Vec::new()), None);
        let [first, again, other] = [[1; 32], [1; 32], [2; 32]].map(|chance| sign(Vec::from([chance])).unwrap());
        assert_eq!((first.len(), &first), (64, &again));
        assert_ne!(first, other);
    }

    #[test]
    fn private_half_is_not_shown() {
        let key = PopKey::es256(b"planted-private-key-32-bytes-xyz").unwrap();
        let shown = format!("{key:?} {key:#?}");
        assert_eq!(format!("{key:?}"), format!("PopKey(ES256, {})", key.thumbprint()));
        let d = crate::base64::hex_encode(b"planted-private-key-32-bytes-xyz");
        assert!(!shown.contains("planted") && !shown.contains(&d));
    }

    #[test]
    fn external_keys_fit_their_algorithm() {
        let jwk = Jwk::p256([1; 32], [2; 32]);
        let key = PopKey::external(KeyName("k".into()), Algorithm::Es256, &jwk).unwrap();
        assert_eq!(key.sign(b"m", &mut Dice(Vec::new())).unwrap(), Signed::Elsewhere(&KeyName("k".into())));
        assert_eq!(key.protection(), None);
        assert_eq!(key.protected_by(KeyProtection::Hardware).protection(), Some(KeyProtection::Hardware));
        let ours = PopKey::es256(&[7; 32]).unwrap().protected_by(KeyProtection::Hardware);
        assert_eq!(ours.protection(), Some(KeyProtection::Software));
        for alg in [Algorithm::Rs256, Algorithm::Ps256] {
            let bad = PopKey::external(KeyName("k".into()), alg, &jwk);
            assert_eq!(bad.err(), Some(CertError::WrongAlgorithm));
        }
    }
}
