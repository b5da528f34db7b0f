//! Bring your own runtime, in a browser tab: a page signs a user in by device code (RFC 8628). The machine runs in WebAssembly; what it
//! asks for is done by the page: `fetch`, `setTimeout`, showing a code. `www/host.mjs` is that host.
//!
//! Page and machine exchange texts, one JSON object for each step. `tests/run interop` builds it and opens it in headless Chromium.
#![no_std]

extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod edge;
mod page;

pub use page::Page;
