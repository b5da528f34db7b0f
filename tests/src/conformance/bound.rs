//! Bound flows: what a call began and a later call goes on with, by the name that the recording gives it.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::matching::{Matching, Mismatch};

/// The flows of one replay that are alive, each with the core's own type.
#[derive(Default)]
pub struct Flows(BTreeMap<String, Box<dyn Any>>);

impl Flows {
    /// Keeps a flow under a name; another one of that name is gone.
    pub fn keep<F: Any>(&mut self, name: &str, flow: F) {
        self.0.insert(name.to_string(), Box::new(flow));
    }

    /// The flow of that name, if it is of this type.
    pub fn get<F: Any>(&self, name: &str) -> Option<&F> {
        self.0.get(name)?.downcast_ref()
    }
}

/// Flows hold secrets.
impl fmt::Debug for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An argument that stands for a bound object: itself, or a copy with changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The name it is bound to.
    pub name: String,
    /// Its members, the changes made.
    pub members: Map<String, Value>,
    /// Whether it is a copy with changes, which leaves the bound object what it is.
    pub is_changed: bool,
}

impl Reference {
    /// Reads an argument of the form `{"$ref": NAME}`, with `set` or `drop` or not; `None` for all others.
    ///
    /// # Errors
    /// A reference to a name that is not bound.
    pub fn read(value: &Value, matching: &Matching<'_>) -> Result<Option<Self>, Mismatch> {
        let Some(name) = value.get("$ref").and_then(Value::as_str).filter(|path| !path.contains('.')) else {
            return Ok(None);
        };
        let Value::Object(members) = matching.resolve(value)? else { return Ok(None) };
        let is_changed = value.get("set").is_some() || value.get("drop").is_some();
        Ok(Some(Self { name: name.to_string(), members, is_changed }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::deviations::Allowance;
    use serde_json::json;

    #[test]
    fn references() {
        let mut matching = Matching::new(std::path::PathBuf::new(), Allowance::none());
        matching.bind("flow", json!({"a": 1, "b": 2}));
        matching.bind("text", json!("x"));
        let cases = [
            (json!({"$ref": "flow"}), Some((json!({"a": 1, "b": 2}), false))),
            (json!({"$ref": "flow", "set": {"a": 3}}), Some((json!({"a": 3, "b": 2}), true))),
            (json!({"$ref": "flow", "drop": ["a"]}), Some((json!({"b": 2}), true))),
            (json!({"$ref": "flow.a"}), None),
            (json!({"$ref": "text"}), None),
            (json!({"a": 1}), None),
            (json!(null), None),
        ];
        for (value, expected) in cases {
            let read = Reference::read(&value, &matching).unwrap();
            assert_eq!(read.map(|r| (Value::Object(r.members), r.is_changed)), expected, "{value}");
        }
        assert!(Reference::read(&json!({"$ref": "nobody"}), &matching).is_err());
    }

    #[test]
    fn flows_keep_their_type() {
        let mut flows = Flows::default();
        flows.keep("flow", 7_u8);
        assert_eq!(
            (flows.get::<u8>("flow"), flows.get::<u16>("flow"), flows.get::<u8>("other")),
            (Some(&7), None, None)
        );
    }
}
