//! The board without any flow: what is taken off an image to see what the OAuth layer takes.

use board::println;
use core::hint::black_box;

/// Uses what a flow would use of the board, of the server in memory and of the secure element.
pub(crate) fn run(_: &str) -> bool {
    let mut bytes = [0; 16];
    let random = board::random(black_box(&mut bytes));
    println!("read {} of the server in memory at {:?}", crate::link::exercise(), board::seconds());
    random && element()
}

#[cfg(not(feature = "element"))]
fn element() -> bool {
    true
}

#[cfg(feature = "element")]
fn element() -> bool {
    use crate::element::{Element, SecureElement, refusals};
    use crate::simulated_element::SimulatedElement;
    let mut element = Element::new(SimulatedElement::new(board::random));
    let made = element.generate(0).is_ok() && element.public_key(0).is_ok();
    made && element.sign(0, black_box(&[1; 32])).is_ok() && refusals(&mut element)
}
