//! Replays the corpora of the fuzz targets on stable Rust: a fixed crash stays fixed. Seeds come from `fuzz/seed.py`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test"
)]

use std::fs;
use std::path::Path;

use sansal::fuzzing::Target;

/// Those of the core and those of the adapters.
fn targets() -> impl Iterator<Item = &'static Target> {
    sansal::fuzzing::TARGETS.iter().chain(sansal_std::fuzzing::TARGETS).chain(sansal_embedded::fuzzing::TARGETS)
}

#[test]
fn corpora() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets() {
        let mut count = 0;
        for entry in fs::read_dir(folder.join(name)).unwrap_or_else(|e| panic!("no corpus for {name}: {e}")) {
            target(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus of {name} is empty");
        println!("{name}: {count} inputs");
    }
}

/// A target that CI does not build, or a corpus that nothing replays, is a leftover.
#[test]
fn targets_corpora_and_programs_are_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let names = |folder: &str| {
        let mut names: Vec<String> = fs::read_dir(root.join(folder))
            .unwrap()
            .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let mut targets: Vec<String> = targets().map(|(name, _)| (*name).to_string()).collect();
    targets.sort();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

/// Every input cut short at every length, and with each byte flipped in turn, for the small ones.
#[test]
fn corpora_mutated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut count = 0_u64;
    for (name, target) in targets() {
        // Key derivation takes its time, as it should; the fuzzer has more of it.
        let (most, step) = if ["pkcs8", "pkcs12"].contains(name) { (2, 97) } else { (6, 1) };
        let mut files: Vec<_> = fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        // Real files first: what a fuzzer kept has a longer name, and as a rule is already broken.
        files.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        for path in files.into_iter().take(most) {
            let data = fs::read(path).unwrap();
            let step = step * (data.len() / 400 + 1);
            for at in (0..data.len()).step_by(step) {
                target(&data[..at]);
                let mut flipped = data.clone();
                flipped[at] ^= 1 << (at % 8);
                target(&flipped);
                count += 2;
            }
        }
    }
    println!("{count} mutated inputs");
    assert!(count > 1_000);
}
