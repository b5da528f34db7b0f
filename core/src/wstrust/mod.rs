//! Federated users by name and password: user realm, MEX, WS-Trust 1.3 and 2005 (section 4.9 of the reference). Texts in, meaning out.
//!
//! ```text
//! user realm (JSON) → MEX (WSDL) → RequestSecurityToken (SOAP) → SAML assertion
//! ```

mod mex;
mod realm;
mod request;
mod response;
#[cfg(test)]
mod transcripts;
mod version;

pub use mex::choose;
pub use realm::UserRealm;
pub use request::RequestSecurityToken;
pub use response::SamlToken;
pub use version::{TrustEndpoint, Version};

/// SOAP 1.2.
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing 1.0.
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
/// WS-Policy 1.2.
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
/// WS-Security utilities.
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// WS-Security extensions.
const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
