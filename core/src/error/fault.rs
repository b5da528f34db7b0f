//! A SOAP fault of a federation server (SOAP 1.2 s5.4), in its own words and without the password.

use alloc::string::String;
#[cfg(feature = "sentences")]
use core::fmt;

#[cfg(feature = "wstrust")]
use crate::{limits::MAX_FAULT_TEXT, secret::Secret};

/// What a federation server says when it gives no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    status: u16,
    code: String,
    reason: String,
}

impl Fault {
    /// The words of an answer, bounded. Should the server echo the secret that was sent, it is cut out.
    #[cfg(feature = "wstrust")]
    pub(crate) fn new(status: u16, code: &str, reason: &str, sent: &Secret) -> Self {
        Self { status, code: words(code, sent), reason: words(reason, sent) }
    }

    /// The HTTP status of the answer; for SOAP faults mostly 500, which means nothing more.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// `Subcode/Value`, else `Code/Value`, without its namespace prefix: `FailedAuthentication`, `InvalidRequest` … (WS-Trust 1.3
    /// s11); empty if the server gave none.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// `Reason/Text`: a sentence for people, in the language of the server; empty if it gave none.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether the server says that it was the name or the password. Many servers say so for locked accounts too.
    pub fn is_failed_authentication(&self) -> bool {
        self.code == "FailedAuthentication"
    }
}

/// One line of bounded length. A secret is looked for in the whole text, before anything is cut off it.
#[cfg(feature = "wstrust")]
fn words(text: &str, sent: &Secret) -> String {
    /// A shorter secret would be found in any text by chance.
    const SHORTEST_SECRET: usize = 8;
    let clean = match sent.expose() {
        secret if secret.len() >= SHORTEST_SECRET => text.replace(secret, "[hidden]"),
        _ => String::from(text),
    };
    let line = clean.split_whitespace().flat_map(|word| [" ", word]).skip(1).flat_map(str::chars);
    line.filter(|c| !c.is_control()).take(MAX_FAULT_TEXT).collect()
}

#[cfg(feature = "sentences")]
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.reason.as_str()) {
            ("", "") => f.write_str("it does not say why"),
            ("", reason) => f.write_str(reason),
            (code, "") => f.write_str(code),
            (code, reason) => write!(f, "{code}: {reason}"),
        }
    }
}

#[cfg(all(test, feature = "wstrust"))]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn faults() {
        let secret = Secret::from("planted-password");
        let cases = [
            ("FailedAuthentication", "ID3242: no.", "FailedAuthentication: ID3242: no."),
            ("", "ID3242: no.", "ID3242: no."),
            ("InvalidRequest", "", "InvalidRequest"),
            ("", "", "it does not say why"),
            ("", " two\r\n  lines\u{1b}[2J ", "two lines[2J"),
            ("", "'planted-password' is wrong", "'[hidden]' is wrong"),
        ];
        for (code, reason, shown) in cases {
            let fault = Fault::new(500, code, reason, &secret);
            assert_eq!(fault.to_string(), shown);
            assert!(!alloc::format!("{fault:?}").contains("planted"));
        }
        let long = Fault::new(500, "", &"é".repeat(100_000), &secret);
        assert_eq!(long.reason().chars().count(), MAX_FAULT_TEXT);
        // A password that ends behind the cut.
        let edge = alloc::format!("{} planted-password", "x".repeat(MAX_FAULT_TEXT - 8));
        assert!(!Fault::new(500, "", &edge, &secret).reason().contains("plan"));
    }
}
