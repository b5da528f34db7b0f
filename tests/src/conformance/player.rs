//! Plays one recording: step by step, everything compared, the rules tried only after it failed without them.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sansal::cache::TokenCache;
use sansal::time::UnixTime;
use sansal_replay::Told;

use super::arguments::{Argument, Spelling};
use super::bound::Reference;
use super::calls::{self, Arguments, Turn};
use super::deviations::{Allowance, Rules, names};
use super::matching::{Matching, Mismatch};
use super::outcome::{Failure, Outcome, Stop};
use super::server::{Played, Server};
use super::stage::Stage;
use super::tape::Tape;
use super::transcript::{Action, Transcript};

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as recorded.
    Passed,
    /// Everything is as recorded but for these rules, by their place in the file.
    Deviating(BTreeSet<usize>),
    /// The first difference.
    Failed(String),
    /// What the recording needs and is not built.
    Unsupported(String),
}

/// Plays a recording.
pub fn play(transcript: &Transcript, certs: &Path, rules: &Rules) -> Verdict {
    let without = match replay_caught(transcript, certs, Allowance::none()) {
        Ok(_) => return Verdict::Passed,
        Err(Stop::Unsupported(why)) => return Verdict::Unsupported(why),
        Err(Stop::Different(difference)) => difference,
    };
    match replay_caught(transcript, certs, Allowance::new(rules, &transcript.name)) {
        Ok(used) if !used.is_empty() => Verdict::Deviating(used),
        Ok(_) => Verdict::Failed(without),
        Err(Stop::Unsupported(why)) => Verdict::Unsupported(why),
        Err(Stop::Different(difference)) => Verdict::Failed(difference),
    }
}

/// A panic of the core is a failure of the recording, and of the promise never to panic.
fn replay_caught(transcript: &Transcript, certs: &Path, allowance: Allowance<'_>) -> Result<BTreeSet<usize>, Stop> {
    let played = catch_unwind(AssertUnwindSafe(|| replay(transcript, certs, allowance, &mut None, &mut None)));
    played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Stop::Different(format!("a panic: {}", text.unwrap_or("without words"))))
    })
}

/// Plays a recording and feeds every input to forks of its machines at every point: how many there were, or `None` when
/// the recording is not played to its end.
///
/// # Panics
/// When a machine panics or answers after its end.
pub fn probe(transcript: &Transcript, certs: &Path, rules: &Rules) -> Option<u64> {
    let mut probed = Some(0);
    replay(transcript, certs, Allowance::new(rules, &transcript.name), &mut probed, &mut None).ok()?;
    probed
}

/// Plays a recording and keeps a tape: the line for `sansal-replay`, and the digest of what the core did here.
///
/// # Errors
/// It is not played to its end, or something happens that cannot be on a tape.
pub fn tape(transcript: &Transcript, certs: &Path, rules: &Rules) -> Result<(String, Told), String> {
    let mut tape = Some(Tape::default());
    match replay(transcript, certs, Allowance::new(rules, &transcript.name), &mut None, &mut tape) {
        Ok(_) => {}
        Err(Stop::Different(why) | Stop::Unsupported(why)) => return Err(why),
    }
    let before = transcript.cache_before.as_ref().map_or("", |text| text.as_str());
    tape.unwrap_or_default().end(&transcript.name, transcript.clock, before)
}

/// `probed` counts forks where it is `Some`; where there is a tape, it is written.
fn replay(
    transcript: &Transcript,
    certs: &Path,
    allowance: Allowance<'_>,
    probed: &mut Option<u64>,
    tape: &mut Option<Tape>,
) -> Result<BTreeSet<usize>, Stop> {
    if let Some(step) = transcript.steps.iter().find(|step| calls::named(&step.action.call).is_none()) {
        return Err(Stop::Unsupported(format!("the call {}", step.action.call)));
    }
    let before = transcript.cache_before.as_ref().map_or("", |text| text.as_str());
    let cache =
        TokenCache::from_json(before.as_bytes()).map_err(|why| Stop::malformed(format!("cache_before: {why}")))?;
    let others = transcript.other_apps.iter().map(|(name, app)| (name.as_str(), app));
    let apps: BTreeMap<_, _> = transcript.app.iter().map(|app| ("app", app)).chain(others).collect();
    let mut stage = Stage::new(apps, &transcript.env, Spelling::new(certs), cache, UnixTime(transcript.clock));
    stage.probed = *probed;
    stage.tape = tape.take();
    stage.arc_files.clone_from(&transcript.arc_files);
    stage.arc_agent_installed = transcript.arc_agent_installed;
    let mut matching = Matching::new(certs.to_path_buf(), allowance);
    let mut played = Played::default();
    let mut pending: Vec<Pending> = Vec::new();
    // The cache that a call left alone although the reference had stored something by then.
    let mut untouched = None;
    for (index, step) in transcript.steps.iter().enumerate() {
        let action = &step.action;
        let within = |stop: Stop| match stop {
            Stop::Different(difference) => Stop::Different(format!("step {index} ({}): {difference}", action.call)),
            unsupported => unsupported,
        };
        stage.advance(action.advance_clock);
        matching.allowance.remember_cache(&action.call, || calls::whole_cache(&stage.cache).unwrap_or_default());
        let before = step.expected.raised().map(|_| calls::whole_cache(&stage.cache).unwrap_or_default());
        let mut server = Server::new(&step.exchanges, &action.call, &mut played, &mut matching)
            .with_browser(action.browser.as_ref())
            .with_raised(step.expected.raised());
        let outcome = match pending.iter_mut().find(|pending| pending.concerns(action)) {
            Some(pending) => {
                server.finish().map_err(within)?;
                pending.came |= step.expected.raised().is_some();
                Outcome::Failed(pending.failure.clone())
            }
            None => perform(&mut stage, action, server).map_err(within)?,
        };
        let (waits, callbacks) = stage.take_events();
        if let Some((failure, later)) = step.expected.comes_earlier(&action.call, &outcome, &matching) {
            pending.push(Pending { subject: subject(action), failure, later, came: false });
            continue;
        }
        if let (Some(before), Outcome::Failed(failure)) = (before, &outcome)
            && matching.allowance.stores_nothing(&action.call, &failure.kind)
        {
            untouched = Some(before);
        }
        let compared = step.expected.compare(&action.call, &outcome, &waits, &callbacks, &mut matching);
        compared.map_err(|why| within(Stop::Different(why.0)))?;
    }
    if let Some(pending) = pending.iter().find(|pending| !pending.came) {
        return Err(Stop::Different(format!(
            "{} failed and the recording never does: {}",
            pending.subject, pending.failure.message
        )));
    }
    *probed = stage.probed;
    *tape = stage.tape.take();
    if let Some(tape) = tape {
        tape.cache(&stage.cache);
    }
    matching.allowance.ends_at(stage.now().0);
    let after = calls::whole_cache(&stage.cache).map_err(Stop::Different)?;
    match untouched {
        Some(before) if before == after => {}
        Some(_) => return Err(Stop::Different("cache_after: a call that failed has stored something".into())),
        None if matching.allowance.stores_otherwise() => {}
        None => transcript
            .cache_after
            .compare(&matching.allowance.joined(after), &mut matching)
            .map_err(|why| Stop::Different(why.0))?,
    }
    Ok(matching.allowance.used())
}

fn perform(stage: &mut Stage<'_>, action: &Action, server: Server<'_, '_, '_>) -> Result<Outcome, Stop> {
    let Some(call) = calls::named(&action.call) else {
        return Err(Stop::Unsupported(format!("the call {}", action.call)));
    };
    let mut args = BTreeMap::new();
    for (name, value) in &action.args {
        let malformed = |why: Mismatch| Stop::malformed(why.0);
        let argument = match Reference::read(value, server.matching).map_err(malformed)? {
            Some(reference) => Argument::Bound(reference),
            None => stage.spelling.read(&server.matching.resolve(value).map_err(malformed)?)?,
        };
        args.insert(name.clone(), argument);
    }
    let mut turn = Turn { on: &action.on, bind: action.bind.as_deref(), args: Arguments::new(args), server };
    let outcome = call(stage, &mut turn)?;
    // Who refuses a call does not ask the servers that the reference asked.
    if let Outcome::Failed(failure) = &outcome
        && turn.server.has_more()
        && turn.server.matching.allowance.may_refuse(&action.call, &failure.kind)
    {
        turn.server.matching.allowance.refuses_request();
        return Ok(outcome);
    }
    turn.server.finish()?;
    Ok(outcome)
}

/// Whom a call is about.
fn subject(action: &Action) -> String {
    match action.call.split_once('.') {
        Some((object, _)) => object.to_string(),
        None => action.on.clone(),
    }
}

/// Calls that fail because of what an earlier call failed of, where the recording has the error only here.
#[derive(Debug)]
struct Pending {
    /// Whose calls: an application's name, or `token_cache`.
    subject: String,
    /// The error that came earlier.
    failure: Failure,
    /// The calls.
    later: Vec<String>,
    /// Whether the recording has the error, too.
    came: bool,
}

impl Pending {
    fn concerns(&self, action: &Action) -> bool {
        subject(action) == self.subject && names(&self.later, &action.call)
    }
}
