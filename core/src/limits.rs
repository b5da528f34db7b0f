//! Every bound on what comes from outside, in one place, each with its reason.

/// A JSON document of a server: metadata, tokens, errors. Entra's largest token answers are below 32 KiB.
pub const MAX_RESPONSE: usize = 256 * 1024;
/// Instance metadata lists every cloud and alias; about 4 KiB today.
pub const MAX_METADATA: usize = 256 * 1024;
/// A token cache file. A service with 10 000 users writes some 50 MB, one with a million tokens of 1.5 KB some 2 GB; it is
/// the host's own file, and this is where offsets stop to fit into what a 32-bit machine can hold.
pub const MAX_CACHE: usize = 2 * 1024 * 1024 * 1024 - 1;
/// Nesting of JSON; ours needs five levels, and each level costs stack.
pub const MAX_JSON_DEPTH: usize = 32;
/// A compact JWS. Entra's access tokens with many groups reach 10 KiB.
pub const MAX_JWT: usize = 64 * 1024;
/// A URL. Authorization requests with claims stay below 4 KiB; proxies cut at 8 KiB.
pub const MAX_URL: usize = 8 * 1024;
/// A DNS name, RFC 1035 s2.3.4.
pub const MAX_HOST: usize = 253;
/// A PEM file: a key and a chain of ten 4096-bit certificates fit four times.
pub const MAX_PEM: usize = 256 * 1024;
/// PEM blocks in one text.
pub const MAX_PEM_BLOCKS: usize = 64;
/// One certificate, DER.
pub const MAX_CERTIFICATE: usize = 64 * 1024;
/// One private key, DER; an RSA-16384 key needs 9.5 KiB.
pub const MAX_PRIVATE_KEY: usize = 32 * 1024;
/// Smallest RSA modulus accepted, in bits (NIST SP 800-131A).
pub const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus accepted, in bits: signing time grows with the cube.
pub const MAX_RSA_BITS: usize = 8192;
/// PBKDF2 rounds; OpenSSL writes 2 048, OWASP asks for 600 000 and 1 300 000.
pub const MAX_PBKDF2_ROUNDS: u32 = 2_000_000;
/// Memory that scrypt may ask for, 128·N·r bytes; OpenSSL's default needs 16 MiB.
pub const MAX_SCRYPT_MEMORY: u64 = 64 * 1024 * 1024;
/// scrypt's parallelization; its work grows with it.
pub const MAX_SCRYPT_P: u64 = 16;
/// Keys of one issuer; Entra has about eight.
pub const MAX_JWKS_KEYS: usize = 64;
/// Scopes in one request.
pub const MAX_SCOPES: usize = 256;
/// `Retry-After` is obeyed up to an hour, as in the reference (section 10.4).
pub const MAX_RETRY_AFTER: u64 = 3600;
/// A `WWW-Authenticate` header.
pub const MAX_CHALLENGE: usize = 16 * 1024;
/// Entries in the throttle and metadata memories (section 10.1 of the reference).
pub const MAX_MEMORY_ENTRIES: usize = 1024;
/// Bytes of one remembered error answer; a longer one is not remembered.
pub const MAX_REMEMBERED_BODY: usize = 16 * 1024;
/// A claims request (`claims` parameter).
pub const MAX_CLAIMS: usize = 16 * 1024;
/// Form fields read from outside.
pub const MAX_FORM_FIELDS: usize = 256;
/// A saved flow, sealed: claims requests are the largest part of one.
pub const MAX_SAVED_FLOW: usize = 64 * 1024;
/// Seconds that a device code may live; servers give 5 to 30 minutes.
pub const MAX_DEVICE_CODE_LIFETIME: u64 = 24 * 3600;
/// Seconds between two questions about a device code, `slow_down` included (RFC 8628 s3.5).
pub const MAX_POLLING_INTERVAL: u64 = 3600;
/// Bytes of a user code; people type it.
pub const MAX_USER_CODE: usize = 128;
/// An XML document of a federation server. ADFS describes itself (MEX) in about 100 KiB; SAML tokens with many groups reach 60.
pub const MAX_XML: usize = 512 * 1024;
/// Elements, texts, comments in one XML document; a MEX document has some 3 000.
pub const MAX_XML_NODES: u32 = 20_000;
/// Nesting of XML; SAML inside WS-Trust inside SOAP needs about fifteen levels.
pub const MAX_XML_DEPTH: usize = 64;
/// Attributes in one XML element: the parser compares each with each.
pub const MAX_XML_ATTRIBUTES: usize = 64;
/// Namespace declarations in one XML document: the parser copies those in scope for each element that adds one.
pub const MAX_XML_NAMESPACES: usize = 2048;
/// Characters of a SOAP fault's reason and code that are kept.
pub const MAX_FAULT_TEXT: usize = 1024;
/// Seconds that a host is remembered as one without user realms.
pub const NO_USER_REALM_LIFETIME: u64 = 24 * 3600;
/// Seconds that an answer of a discovery endpoint is remembered (section 10.2 of the reference).
pub const METADATA_LIFETIME: u64 = 24 * 3600;
/// A key file of Azure Arc's agent (section 4.14.5 of the reference).
pub const MAX_ARC_KEY: usize = 4096;
/// Seconds for which an issuer is left alone whose keys could not be had, at least and at the most: whoever sends us tokens must not
/// make us send a request for each.
pub const KEYS_AWAY: (u64, u64) = (10, 300);
/// A nonce of a server for proofs of possession; Entra's have some hundred bytes.
pub const MAX_NONCE: usize = 4096;
/// Seconds that a DPoP nonce is remembered; a stale one costs one more request.
pub const NONCE_LIFETIME: u64 = 3600;
