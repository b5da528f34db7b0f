//! Bodies of the fuzz targets, each stating a property. `fuzz/` calls them, an ordinary test replays the corpora through them.

mod flow_script;
mod parsers;

pub use flow_script::flow_script;
pub use parsers::*;

/// A fuzz target: a name and the property it holds input against.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the names of the folders in `fuzz/corpus`.
pub const TARGETS: &[Target] = &[
    ("endpoint", endpoint),
    ("www_authenticate", www_authenticate),
    ("form", form),
    ("metadata", metadata),
    ("flow_script", flow_script),
];
