//! What `ureq` and `rustls` report, as the machine must know it.

use std::error::Error as StdError;
use std::io;

use rustls::CertificateError;
use sansal::error::{SendError, TlsReason};

/// Sorts a failure; `sent` tells whether a byte of the request left.
pub(crate) fn send_error(error: &ureq::Error, sent: bool) -> SendError {
    if let Some(why) = tls(error) {
        return SendError::Tls(reason(why));
    }
    match error {
        ureq::Error::Tls(_) | ureq::Error::TlsRequired | ureq::Error::Pem(_) => SendError::Tls(TlsReason::Other),
        ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyExceedsLimit(_) => SendError::TooLarge,
        _ if sent => SendError::NoAnswer,
        _ => SendError::NotSent,
    }
}

/// Why TLS failed, if that is the cause, however deep.
pub fn tls_reason(error: &(dyn StdError + 'static)) -> Option<TlsReason> {
    tls(error).map(reason)
}

/// The `rustls` error that is the cause, however deep: `ureq` wraps it in I/O errors, and those in its own.
fn tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(why) = error.downcast_ref::<rustls::Error>() {
        return Some(why);
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return tls(io.get_ref()?);
    }
    match error.downcast_ref::<ureq::Error>() {
        Some(ureq::Error::Rustls(why)) => Some(why),
        Some(ureq::Error::Io(io)) => tls(io.get_ref()?),
        Some(ureq::Error::Other(other)) => tls(other.as_ref()),
        _ => tls(error.source()?),
    }
}

fn reason(why: &rustls::Error) -> TlsReason {
    use CertificateError as C;
    use rustls::AlertDescription as A;
    let why = match why {
        rustls::Error::InvalidCertificate(why) => why,
        // RFC 8446 s6.2: what servers say about a client certificate, or the lack of it. Nothing else of ours could be meant.
        rustls::Error::AlertReceived(
            A::CertificateRequired
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied,
        ) => return TlsReason::ClientCertificate,
        _ => return TlsReason::Other,
    };
    match why {
        // A root with the right name and another key: the signature does not fit.
        C::UnknownIssuer | C::BadSignature => TlsReason::UnknownIssuer,
        C::NotValidForName | C::NotValidForNameContext { .. } => TlsReason::WrongName,
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => TlsReason::Expired,
        // The pin's own verdict: nothing else in this crate judges certificates.
        C::ApplicationVerificationFailure => TlsReason::WrongThumbprint,
        _ => TlsReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use rustls::AlertDescription;

    use super::*;

    fn certificate(why: CertificateError) -> rustls::Error {
        rustls::Error::InvalidCertificate(why)
    }

    #[test]
    fn failures_are_sorted() {
        use SendError as S;
        use io::ErrorKind as K;
        let io = |kind: K| ureq::Error::Io(kind.into());
        let wrapped = |why| ureq::Error::Io(io::Error::new(K::InvalidData, certificate(why)));
        let twice = ureq::Error::Io(io::Error::other(ureq::Error::Rustls(certificate(CertificateError::Expired))));
        let other = ureq::Error::Other(Box::new(certificate(CertificateError::NotValidYet)));
        let alert = |which| ureq::Error::Io(io::Error::other(rustls::Error::AlertReceived(which)));
        let cases: Vec<(ureq::Error, bool, SendError)> = vec![
            (io(K::ConnectionRefused), false, S::NotSent),
            (io(K::ConnectionReset), false, S::NotSent),
            (io(K::ConnectionReset), true, S::NoAnswer),
            (io(K::UnexpectedEof), true, S::NoAnswer),
            (ureq::Error::HostNotFound, false, S::NotSent),
            (ureq::Error::ConnectProxyFailed("407".into()), false, S::NotSent),
            (ureq::Error::Timeout(ureq::Timeout::Connect), false, S::NotSent),
            (ureq::Error::Timeout(ureq::Timeout::Global), true, S::NoAnswer),
            (ureq::Error::LargeResponseHeader(9, 8), true, S::TooLarge),
            (ureq::Error::BodyExceedsLimit(1), true, S::TooLarge),
            (ureq::Error::TlsRequired, false, S::Tls(TlsReason::Other)),
            (wrapped(CertificateError::UnknownIssuer), false, S::Tls(TlsReason::UnknownIssuer)),
            (wrapped(CertificateError::BadSignature), false, S::Tls(TlsReason::UnknownIssuer)),
            (wrapped(CertificateError::NotValidForName), false, S::Tls(TlsReason::WrongName)),
            (wrapped(CertificateError::Revoked), false, S::Tls(TlsReason::Other)),
            (twice, true, S::Tls(TlsReason::Expired)),
            (other, false, S::Tls(TlsReason::Expired)),
            (ureq::Error::Rustls(rustls::Error::HandshakeNotComplete), false, S::Tls(TlsReason::Other)),
            (alert(AlertDescription::UnknownCA), true, S::Tls(TlsReason::ClientCertificate)),
            (alert(AlertDescription::CertificateRequired), true, S::Tls(TlsReason::ClientCertificate)),
            (alert(AlertDescription::InternalError), true, S::Tls(TlsReason::Other)),
        ];
        for (error, sent, expected) in cases {
            assert_eq!(send_error(&error, sent), expected, "{error:?}");
        }
    }
}
