//! Nonces that servers hand out for proofs: `WWW-Authenticate`, `Authentication-Info` (RFC 7615), `DPoP-Nonce` (RFC 9449 s8).

use alloc::format;
use alloc::string::{String, ToString};

use crate::http::Response;
use crate::http::challenge::Challenge;
use crate::limits::{MAX_CHALLENGE, MAX_NONCE};

/// The nonce for the next signed HTTP request, from a resource's answer: the one it gives along with a success counts first.
pub fn shr(response: &Response<'_>) -> Option<String> {
    let named = |name: &'static str| {
        response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    named("authentication-info").find_map(next).or_else(|| named("www-authenticate").find_map(challenged))
}

/// The nonce of a `WWW-Authenticate: PoP nonce="…"`.
pub fn challenged(www_authenticate: &str) -> Option<String> {
    let challenges = Challenge::parse_all(www_authenticate);
    challenges
        .iter()
        .filter(|one| one.is("PoP"))
        .find_map(|one| usable(one.parameter("nonce")?))
        .map(ToString::to_string)
}

/// The nonce of an `Authentication-Info: nextnonce="…"`; some servers begin it with the scheme.
pub fn next(authentication_info: &str) -> Option<String> {
    let text = authentication_info.trim_start();
    let bare =
        text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("PoP")).map_or(text, |(_, rest)| rest);
    if bare.len() > MAX_CHALLENGE {
        return None;
    }
    let challenges = Challenge::parse_all(&format!("PoP {bare}"));
    challenges.first().and_then(|one| usable(one.parameter("nextnonce")?)).map(ToString::to_string)
}

/// The nonce of a `DPoP-Nonce` header.
pub fn dpop<'a>(response: &Response<'a>) -> Option<&'a str> {
    usable(response.header("dpop-nonce")?.trim_ascii())
}

/// `NQCHAR` of RFC 6749 appendix A, and not too long to send back.
fn usable(nonce: &str) -> Option<&str> {
    let fits = !nonce.is_empty() && nonce.len() <= MAX_NONCE;
    (fits && nonce.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))).then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ResponseHeader;

    #[test]
    fn challenges() {
        let cases = [
            (r#"PoP nonce="abc.d-e_f==""#, Some("abc.d-e_f==")),
            (r#"pop realm="r", NONCE=abc"#, Some("abc")),
            (r#"Bearer realm="", nonce="wrong", PoP nonce="right""#, Some("right")),
            (r#"PoP error="x", Bearer nonce="wrong""#, None),
            (r#"DPoP nonce="wrong""#, None),
            (r#"PoP nonce="""#, None),
            (r#"PoP nonce="a b""#, None),
            (r#"PoP nonce="a\"b""#, None),
            ("PoP", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(challenged(header).as_deref(), expected, "{header}");
        }
        assert_eq!(challenged(&format!("PoP nonce={}", "n".repeat(MAX_NONCE + 1))), None);
    }

    #[test]
    fn information() {
        let cases = [
            (r#"nextnonce="abc""#, Some("abc")),
            (r#"PoP nextnonce="abc""#, Some("abc")),
            (r#"qop=auth, nextnonce=abc"#, Some("abc")),
            (r#"nonce="abc""#, None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(next(header).as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn of_responses() {
        let challenge = ResponseHeader { name: "WWW-Authenticate", value: r#"PoP nonce="c""# };
        let bearer = ResponseHeader { name: "www-authenticate", value: "Bearer" };
        let info = ResponseHeader { name: "authentication-info", value: r#"nextnonce="i""# };
        let dpop_nonce = ResponseHeader { name: "DPOP-NONCE", value: "d" };
        let cases: [(&[ResponseHeader<'_>], _, _); 4] = [
            (&[bearer, challenge], Some("c"), None),
            (&[challenge, info, dpop_nonce], Some("i"), Some("d")),
            (&[ResponseHeader { name: "dpop-nonce", value: "a\"b" }], None, None),
            (&[bearer], None, None),
        ];
        for (headers, expected, expected_dpop) in cases {
            let response = Response { status: 401, headers, body: b"" };
            assert_eq!((shr(&response).as_deref(), dpop(&response)), (expected, expected_dpop), "{headers:?}");
        }
    }
}
