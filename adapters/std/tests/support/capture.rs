//! Keeps every `tracing` event as text, and the name of each span, in brackets, when it begins.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Clones keep the same text.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<String>>);

impl Capture {
    /// Runs this with every event of this thread kept.
    pub(crate) fn during<R>(&self, run: impl FnOnce() -> R) -> R {
        // With one dispatcher alone, `tracing` asks the thread that comes to a place in the code first whether anybody listens
        // there, and keeps the answer for all: another test's thread would say no. With two it asks them.
        let _second = tracing::Dispatch::new(Self::default());
        tracing::subscriber::with_default(self.clone(), run)
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let _ = writeln!(self.0.lock().unwrap(), "[{}]", attributes.metadata().name());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text<'a>(&'a mut String);
        impl Visit for Text<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, "{field}={value:?} ");
            }
        }
        let mut all = self.0.lock().unwrap();
        event.record(&mut Text(&mut all));
        all.push('\n');
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
