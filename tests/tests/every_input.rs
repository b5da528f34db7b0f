//! Every prefix of every supported recording × every input: no panic, and no second answer after the end (issue 2, 4).
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, reason = "a test may")]

use sansal_tests::conformance::deviations::Rules;
use sansal_tests::conformance::player;
use sansal_tests::conformance::report::{test_certs, test_rules, test_transcripts};
use sansal_tests::conformance::transcript::Transcript;

#[test]
fn every_input_at_every_point_of_every_recording() {
    let rules = Rules::parse(&std::fs::read_to_string(test_rules()).unwrap()).unwrap();
    let (mut recordings, mut cases) = (0, 0);
    for entry in std::fs::read_dir(test_transcripts()).unwrap() {
        let path = entry.unwrap().path();
        let transcript = Transcript::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        if let Some(count) = player::probe(&transcript, &test_certs(), &rules) {
            recordings += 1;
            cases += count;
        }
    }
    println!("{cases} cases in {recordings} recordings");
    assert!(recordings > 180 && cases > 1_000_000, "{cases} cases in {recordings} recordings");
}
