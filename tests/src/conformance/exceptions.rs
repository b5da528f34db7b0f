//! The one table between our typed errors and the exceptions of MSAL Python (section 11.4 of the reference).

/// What a type of Rust makes impossible: a call that cannot be written has no error variant.
pub const REFUSED_BY_TYPE: &str = "refused by type";

/// Our error, the classes that the reference raises for the same kind of failure. A variant may stand for several where
/// the reference lets a library's or the language's own exception through (G-55, G-70).
const TABLE: &[(&str, &[&str])] = &[
    // Sources of managed identities are expected to speak JSON at any status, federation servers XML.
    // It does not look at the status there, and has no words for errors of another shape either.
    ("Throttled.5xx", &["MsalServiceError", "JSONDecodeError", "ParseError", "KeyError", "AttributeError"]),
    // The reference parses what comes with a 429 as it does any 4xx, and a 410 of a managed identity like all others.
    ("Throttled.429", &["JSONDecodeError", "ValueError", "AttributeError"]),
    ("Throttled.410", &["JSONDecodeError"]),
    ("Unreachable.NotSent", &["ConnectionError"]),
    ("Unreachable.NoAnswer", &["Timeout"]),
    // The reference raises a generic authority error for 4xx and unreadable metadata, KeyError for missing members and
    // RuntimeError for statuses that are none of 200, 4xx, 5xx (G-55, G-56).
    ("BadResponse.ProviderMetadata", &["ValueError", "KeyError", "AttributeError", "RuntimeError"]),
    ("BadResponse.InstanceDiscovery", &["JSONDecodeError", "KeyError", "AttributeError"]),
    ("BadResponse.TokenResponse", &["JSONDecodeError", "ValueError", "TypeError", "AttributeError"]),
    ("BadResponse.TokenCache", &["JSONDecodeError", "AttributeError", "AssertionError"]),
    ("BadResponse.ClientInfo", &["JSONDecodeError", "Error"]),
    ("BadResponse.UserRealm", &["JSONDecodeError", "MsalServiceError", "AttributeError"]),
    ("BadResponse.DeviceAuthorization", &["JSONDecodeError", "AttributeError"]),
    ("BadResponse.Mex", &["ParseError", "MsalServiceError"]),
    ("BadResponse.WsTrust", &["ParseError", "RuntimeError"]),
    ("Fault", &["RuntimeError"]),
    ("Config.NoFederationEndpoint", &["ValueError"]),
    ("Config.Authority", &["ValueError"]),
    ("Config.Issuer", &["ValueError"]),
    ("Config.TwoAuthorities", &["ValueError"]),
    ("Config.UnknownInstance", &["ValueError"]),
    ("Config.NoMetadata", &["ValueError"]),
    ("Config.IssuerMismatch", &["ValueError"]),
    ("Config.Scope", &["ValueError"]),
    ("Config.ReservedScope", &["ValueError"]),
    ("Config.Credential", &["ValueError"]),
    ("Config.Claims", &["ValueError", "JSONDecodeError", "AttributeError"]),
    ("Config.FmiPath", &["ValueError"]),
    ("Config.NoEndpoint", &["ValueError"]),
    ("Config.Region", &["ValueError"]),
    ("Config.HttpMethod", &["ValueError"]),
    ("Config.Missing", &["ValueError"]),
    ("Config.ClientKind", &["ValueError"]),
    ("Config.Certificate.BadThumbprint", &["ValueError", "Error"]),
    ("Config.Certificate.NoThumbprint", &["ValueError"]),
    ("Config.Certificate.NoPem", &["ValueError", "InvalidKeyError"]),
    ("Config.Certificate.UnfinishedPem", &["ValueError", "InvalidKeyError"]),
    ("Config.Certificate.BadBase64", &["ValueError", "InvalidKeyError"]),
    ("Config.Certificate.BadKey", &["ValueError", "InvalidKeyError"]),
    ("Config.Certificate.BadCertificate", &["ValueError"]),
    ("Config.Certificate.NotRsa", &["TypeError", "InvalidKeyError"]),
    ("Config.Certificate.PassphraseMissing", &["TypeError", "InvalidKeyError"]),
    ("Config.Certificate.WrongPassphrase", &["ValueError"]),
    ("Config.Certificate.UnsupportedEncryption", &["ValueError", "UnsupportedAlgorithm"]),
    ("Config.Certificate.NotEncrypted", &["TypeError"]),
    ("Config.Certificate.PrivateKeyInsteadOfCertificate", &["ValueError"]),
    ("Config.Certificate.CertificateInsteadOfPrivateKey", &["ValueError", "InvalidKeyError"]),
    ("Config.Certificate.NotPfx", &["ValueError"]),
    ("Config.Certificate.NoKeyInPfx", &["ValueError"]),
    ("Config.Certificate.NoCertificateInPfx", &["ValueError"]),
    ("Config.Certificate.KeyMismatch", &["ValueError"]),
    ("Config.ManagedIdentity", &["ManagedIdentityError"]),
    ("Config.ArcPlatform", &["ArcPlatformNotSupportedError"]),
    ("BadResponse.ManagedIdentity", &["JSONDecodeError", "KeyError", "ValueError", "AttributeError"]),
    ("BadResponse.ArcChallenge", &["ManagedIdentityError"]),
    ("BadResponse.CloudShell", &["JSONDecodeError", "KeyError", "ValueError"]),
    ("Unanswered.File.NotFound", &["FileNotFoundError"]),
    ("Unanswered.File.TooLarge", &["ManagedIdentityError"]),
    ("Unanswered.Browser.TimedOut", &["BrowserInteractionTimeoutError"]),
    ("File.NotFound", &["FileNotFoundError"]),
    ("File.IsADirectory", &["IsADirectoryError"]),
    ("File.PermissionDenied", &["PermissionError"]),
    ("IdToken.Issuer", &["IdTokenIssuerError"]),
    ("IdToken.Audience", &["IdTokenAudienceError"]),
    // The validator has classes of its own; the flows raise RuntimeError, the legacy ones ValueError.
    ("IdToken.Nonce", &["IdTokenNonceError", "RuntimeError", "ValueError"]),
    ("IdToken.TooOld", &["RuntimeError"]),
    // A claim that is no number is not there to us.
    ("IdToken.Missing", &["KeyError", "RuntimeError", "TypeError"]),
    ("BadResponse.AuthorizationResponse", &["ValueError"]),
    ("Config.SavedFlow", &["ValueError", "KeyError"]),
    ("IdToken.Jwt.NoPayload", &["IndexError"]),
    ("IdToken.Jwt.BadBase64", &["Error", "ValueError"]),
    ("IdToken.Jwt.BadUtf8", &["UnicodeDecodeError"]),
    ("IdToken.Jwt.BadJson", &["JSONDecodeError"]),
    ("IdToken.Jwt.NotAnObject", &["AttributeError", "TypeError"]),
    ("Jwt.BadBase64", &["Error", "ValueError"]),
    ("Jwt.BadUtf8", &["UnicodeDecodeError"]),
    (REFUSED_BY_TYPE, &["ValueError", "TypeError", "AssertionError", "AttributeError", "KeyError"]),
];

/// Whether our error stands for this class.
pub fn allows(kind: &str, class: &str) -> bool {
    TABLE.iter().any(|(known, classes)| *known == kind && classes.contains(&class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_variant_stands_once() {
        let kinds: BTreeSet<&str> = TABLE.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds.len(), TABLE.len());
        assert!(!allows("OutOfTurn", "ValueError") && !allows("Throttled.5xx", "ValueError"));
    }
}
