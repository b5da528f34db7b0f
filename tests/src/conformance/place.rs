//! Places in values, for messages and rules.

use std::fmt;

use serde_json::Value;

/// A place in a value, for messages and rules: `request.form.client_assertion.header.x5c.[0]`.
#[derive(Clone, Debug)]
pub struct Place(Vec<String>);

impl Place {
    /// A value as a whole.
    pub fn new(name: &str) -> Self {
        Self(vec![name.to_string()])
    }

    /// A member of the value here.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        let mut path = self.0.clone();
        path.push(name.to_string());
        Self(path)
    }

    /// An item of the list here.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        self.member(&format!("[{index}]"))
    }

    /// Whether a pattern such as `cache_after.*.family_id` means this place; `*` stands for one member, items of lists
    /// do not count.
    pub fn is(&self, pattern: &str) -> bool {
        let own: Vec<&str> = self.0.iter().map(String::as_str).filter(|part| !part.starts_with('[')).collect();
        let wanted: Vec<&str> = pattern.split('.').collect();
        own.len() == wanted.len() && own.iter().zip(wanted).all(|(own, wanted)| wanted == "*" || *own == wanted)
    }
}

impl Place {
    /// The value at this place of another tree of the same kind.
    pub fn inside<'v>(&self, tree: &'v Value) -> Option<&'v Value> {
        self.0.iter().skip(1).try_fold(tree, |value, part| value.get(part))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places() {
        let place = Place::new("cache_after").member("AccessToken").member("a.b-c").member("x");
        assert!(place.is("cache_after.AccessToken.*.x") && !place.is("cache_after.AccessToken.x"));
        assert!(Place::new("x5c").item(3).is("x5c"));
        let tree = json!({"AccessToken": {"a.b-c": {"x": 1}}});
        assert_eq!(place.inside(&tree), Some(&json!(1)));
    }
}
