//! Words of others in our messages.

use core::fmt;

/// A text of somebody else's, without what a terminal or a log would obey.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split(char::is_control).try_for_each(|part| f.write_str(part))
    }
}
