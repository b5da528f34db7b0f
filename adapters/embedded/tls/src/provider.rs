//! What `rustls` computes with on a device: one source of chance, one group, one cipher in three suites.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::fmt;

use p256::ecdsa::VerifyingKey;
use p256::{PublicKey, SecretKey};
use rustls::crypto::cipher::{Tls12AeadAlgorithm, Tls13AeadAlgorithm};
use rustls::crypto::tls12::PrfUsingHmac;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{
    ActiveKeyExchange, CipherSuiteCommon, CryptoProvider, GetRandomFailed, KeyExchangeAlgorithm, KeyProvider,
    SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{
    CipherSuite, Error, NamedGroup, PeerMisbehaved, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite,
    Tls13CipherSuite,
};
use zeroize::Zeroizing;

use crate::aead::Gcm;
use crate::hash::{Sha256Hash, Sha256Hmac};
use crate::verify::ALGORITHMS;

/// How often a number is drawn that is no private key; one in 2^32 is none.
const MAX_DRAWS: usize = 8;

/// A device's source of random bytes for TLS: fills all of the slice, or says `false`. It is a `static`, since `rustls` holds its
/// parts so.
///
/// ```
/// # fn trng(out: &mut [u8]) -> bool { false }
/// static RANDOM: sansal_embedded_tls::Random = sansal_embedded_tls::Random(trng);
/// ```
pub struct Random(pub fn(&mut [u8]) -> bool);

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(..)")
    }
}

impl SecureRandom for Random {
    fn fill(&self, out: &mut [u8]) -> Result<(), GetRandomFailed> {
        if (self.0)(out) { Ok(()) } else { Err(GetRandomFailed) }
    }
}

impl KeyProvider for Random {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no client keys here".into()))
    }
}

/// ECDHE with P-256 (RFC 8446 s4.2.8.2).
impl SupportedKxGroup for Random {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut scalar = Zeroizing::new([0_u8; 32]);
        for _ in 0..MAX_DRAWS {
            self.fill(&mut *scalar)?;
            if let Ok(secret) = SecretKey::from_slice(&*scalar) {
                let public = VerifyingKey::from(secret.public_key()).to_sec1_point(false);
                return Ok(Box::new(Ephemeral { secret, public: public.as_bytes().into() }));
            }
        }
        Err(GetRandomFailed.into())
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct Ephemeral {
    secret: SecretKey,
    public: Box<[u8]>,
}

impl ActiveKeyExchange for Ephemeral {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        // Points that are not on the curve, and infinity, are refused here.
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| Error::from(PeerMisbehaved::InvalidKeyShare))?;
        let shared = p256::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
        Ok(SharedSecret::from(shared.raw_secret_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

/// Records under one key before it must be changed (draft-irtf-cfrg-aead-limits).
const LIMIT: u64 = 1 << 24;

const fn common(suite: CipherSuite) -> CipherSuiteCommon {
    CipherSuiteCommon { suite, hash_provider: &Sha256Hash, confidentiality_limit: LIMIT }
}

const GCM13: &dyn Tls13AeadAlgorithm = &Gcm;
const GCM12: &dyn Tls12AeadAlgorithm = &Gcm;

static TLS13: Tls13CipherSuite = Tls13CipherSuite {
    common: common(CipherSuite::TLS13_AES_128_GCM_SHA256),
    hkdf_provider: &HkdfUsingHmac(&Sha256Hmac),
    aead_alg: GCM13,
    quic: None,
};

static TLS12_ECDSA: Tls12CipherSuite = Tls12CipherSuite {
    common: common(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: &[SignatureScheme::ECDSA_NISTP256_SHA256],
    aead_alg: GCM12,
    prf_provider: &PrfUsingHmac(&Sha256Hmac),
};

#[cfg(feature = "rsa")]
static TLS12_RSA: Tls12CipherSuite = Tls12CipherSuite {
    common: common(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    kx: KeyExchangeAlgorithm::ECDHE,
    sign: &[
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_SHA384,
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384,
    ],
    aead_alg: GCM12,
    prf_provider: &PrfUsingHmac(&Sha256Hmac),
};

pub(crate) fn provider(random: &'static Random) -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            SupportedCipherSuite::Tls13(&TLS13),
            SupportedCipherSuite::Tls12(&TLS12_ECDSA),
            #[cfg(feature = "rsa")]
            SupportedCipherSuite::Tls12(&TLS12_RSA),
        ],
        kx_groups: vec![random],
        signature_verification_algorithms: ALGORITHMS,
        secure_random: random,
        key_provider: random,
    }
}
