//! An optimization that is killed at fifty moments: nothing that is written down is lost or measured again, and only
//! the trial in flight is, once.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::agent::Agent;
use crate::support::http_server::BOUND;

const JOURNAL: &str = "servo-journal.jsonl";

/// A line for every measurement that has begun, written by someone who is not the agent.
const BEGUN: &str = "begun";

const KILLS: u32 = 50;

/// After a few more entries of the journal, so long at most: a suggestion and a measurement.
const LONGEST_DELAY: Duration = Duration::from_millis(150);

/// Without noise, so that a trial reads the same whenever it is made.
fn configuration(seed: u32) -> String {
    let campaign = "slo: [{metric: p99_latency, threshold: 250}], trials: 12, measure: {warmup: 1m, duration: 1m}";
    format!(
        "optimizer: {{embedded: {{{campaign}, seed: {seed}}}}}\n\
         simulation: {{speed: 4000, noise: 0}}\n\
         scripts: {{before: {{measure: ['echo begun >> {BEGUN}']}}}}\n"
    )
}

/// The whole lines of a file that is being written.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned).collect()
}

fn parsed(journal: &[String]) -> Vec<Value> {
    journal.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_over(journal: &[String]) -> bool {
    parsed(journal).last().is_some_and(|last| last["entry"] == "left")
}

/// How many of these entries come of a measurement.
fn measured(journal: &[String]) -> usize {
    let is_measured = |entry: &&Value| {
        let outcome = &entry["outcome"];
        outcome["status"] == "measured" || outcome["during"] == "measurement"
    };
    parsed(journal).iter().filter(is_measured).count()
}

/// What was decided and read, without when.
fn timeless(journal: &[String]) -> Vec<Value> {
    let mut entries = parsed(journal);
    for entry in &mut entries {
        for key in ["began", "ended"] {
            entry.as_object_mut().unwrap().remove(key);
        }
        // The message of a trial that is ended early says when.
        if let Some(outcome) = entry["outcome"].as_object_mut() {
            outcome.remove("message");
        }
    }
    entries
}

/// Waits until the journal has so many lines, or all of them.
async fn grown(agent: &Agent, count: usize) -> Vec<String> {
    let end = Instant::now() + BOUND;
    loop {
        let journal = lines(&agent.folder().join(JOURNAL));
        if journal.len() >= count || is_over(&journal) {
            return journal;
        }
        assert!(Instant::now() < end, "the journal did not get {count} lines:\n{}", agent.log());
        sleep(Duration::from_millis(5)).await;
    }
}

/// What an optimization writes down that nobody disturbs.
async fn undisturbed(seed: u32) -> Vec<String> {
    let agent = Agent::start(&configuration(seed), &["run"], &[]);
    grown(&agent, usize::MAX).await
}

/// What an agent left that was killed.
struct Remains {
    folder: tempfile::TempDir,
    journal: Vec<String>,
    begun: usize,
}

/// Goes on with what another agent left, and is killed at a moment.
async fn go_on(before: Remains, entries: usize, delay: Duration) -> Remains {
    let mut agent = Agent::start_in(before.folder, &["run"], &[]);
    grown(&agent, before.journal.len() + entries).await;
    sleep(delay).await;
    agent.signal(Signal::KILL);
    agent.exit().await;
    let log = agent.log();
    let folder = agent.into_folder();
    let journal = lines(&folder.path().join(JOURNAL));
    let begun = lines(&folder.path().join(BEGUN)).len();
    assert!(journal.starts_with(&before.journal), "what was written down has changed:\n{log}");
    let (measured, begun_now) = (measured(&journal[before.journal.len()..]), begun - before.begun);
    assert!(
        begun_now == measured || begun_now == measured + 1,
        "{begun_now} measurements for {measured} results, and at most one in flight:\n{log}"
    );
    Remains { folder, journal, begun }
}

#[tokio::test]
async fn only_the_trial_in_flight_is_lost_when_the_agent_is_killed() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut kills, mut in_flight, mut seed) = (0, 0, 0);
    while kills < KILLS {
        seed += 1;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("servo.yaml"), configuration(seed)).unwrap();
        let mut remains = Remains { folder, journal: Vec::new(), begun: 0 };
        while !is_over(&remains.journal) {
            // The last optimization is left alone once it was disturbed often enough.
            let entries = if kills < KILLS { random.usize(0..3) } else { usize::MAX / 2 };
            remains = go_on(remains, entries, LONGEST_DELAY.mul_f64(random.f64())).await;
            kills += 1;
        }
        in_flight += remains.begun - measured(&remains.journal);
        let (resumed, undisturbed) = (timeless(&remains.journal), timeless(&undisturbed(seed).await));
        assert_eq!(resumed.len(), undisturbed.len(), "seed {seed}");
        for (resumed, undisturbed) in resumed.iter().zip(&undisturbed) {
            assert_eq!(resumed, undisturbed, "seed {seed}");
        }
    }
    assert!(in_flight > 0, "no trial was in flight when the agent was killed");
}
