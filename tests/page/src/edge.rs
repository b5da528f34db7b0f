//! The edge to JavaScript: the one file here with unsafe code. A page has one thread.
#![allow(unsafe_code, reason = "memory that JavaScript writes, and names that it calls")]
#![expect(unreachable_pub, reason = "JavaScript reaches it")]

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use serde_json::Value;

use crate::page::{Page, failed};

#[global_allocator]
static MEMORY: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[derive(Default)]
struct Tab {
    page: Option<Page>,
    /// Until the next call.
    answer: String,
}

struct OneThread(RefCell<Option<Tab>>);

// SAFETY: a module without shared memory has one thread.
unsafe impl Sync for OneThread {}

static TAB: OneThread = OneThread(RefCell::new(None));

/// Room for a text of so many bytes, to be given to [`tell`].
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    let bytes: Box<[u8]> = alloc::vec![0; length].into_boxed_slice();
    Box::leak(bytes).as_mut_ptr()
}

/// Takes what the page says, in [`room`]; gives what it is to do, a text that ends with a zero and stands until the next call.
///
/// # Safety
/// `at` came from [`room`] with this length, and is given back once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tell(at: *mut u8, length: usize) -> *const u8 {
    // SAFETY: the caller's promise; a boxed slice has as much room as it is long.
    let text = unsafe { Vec::from_raw_parts(at, length, length) };
    let said: Value = serde_json::from_slice(&text).unwrap_or_default();
    let mut tab = TAB.0.borrow_mut();
    let tab = tab.get_or_insert_default();
    if said.get("is").and_then(Value::as_str) == Some("begin") {
        tab.page = None;
    }
    let answer = match &mut tab.page {
        Some(page) => page.tell(&said),
        none => match Page::new(&said) {
            Ok(page) => none.insert(page).tell(&said),
            Err(why) => failed(&why),
        },
    };
    tab.answer = alloc::format!("{answer}\0");
    tab.answer.as_ptr()
}
