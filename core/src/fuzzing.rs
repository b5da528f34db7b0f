//! Bodies of the fuzz targets, each stating a property. `fuzz/` calls them, an ordinary test replays the corpora through them.

#![expect(clippy::panic, reason = "a property that does not hold is what a fuzzer looks for")]

mod cache_files;
mod cache_ops;
mod device;
mod federation;
mod flow_script;
mod managed;
mod material;
mod parsers;
mod platform;
mod redirect;
mod tokens;

pub use cache_files::{cache_merge, cache_salvage};
pub use cache_ops::cache_ops;
pub use device::{device_response, saved_flow};
pub use federation::*;
pub use flow_script::flow_script;
pub use managed::msi_challenge;
pub use material::*;
pub use parsers::*;
pub use platform::*;
pub use redirect::redirect_answer;
pub use tokens::*;

/// A fuzz target: a name and the property it holds input against.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of the folders in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("endpoint", endpoint),
    ("json", json),
    ("www_authenticate", www_authenticate),
    ("form", form),
    ("metadata", metadata),
    ("authority", authority),
    ("region_answer", region_answer),
    ("throttle_memory", throttle_memory),
    ("jwt", jwt),
    ("id_token", id_token),
    ("jwk", jwk),
    ("key_set", key_set),
    ("token_response", token_response),
    ("cache_json", cache_json),
    ("cache_ops", cache_ops),
    ("cache_merge", cache_merge),
    ("cache_salvage", cache_salvage),
    ("pem", pem),
    ("x509", x509),
    ("pkcs8", pkcs8),
    ("legacy_pem", legacy_pem),
    ("extract_certs", extract_certs),
    ("redirect_answer", redirect_answer),
    ("device_response", device_response),
    ("saved_flow", saved_flow),
    ("flow_script", flow_script),
    ("xml_mex", xml_mex),
    ("wstrust_response", wstrust_response),
    ("msi_challenge", msi_challenge),
];
