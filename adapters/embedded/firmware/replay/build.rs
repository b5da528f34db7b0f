//! The linker finds the memory map here.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-search={folder}/../board");
    println!("cargo:rerun-if-changed=../board/memory.x");
}
