//! Campaigns on an application of one setting.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};
use crate::types::{Component, DataPoint, Measurement, Metric, RangeSetting, Scalar, Unit, UnixTime};

/// An application whose latency falls and whose price grows with its cores, and that is not stable below a size.
struct Toy {
    cpu: f64,
    served: usize,
}

impl Toy {
    fn new() -> Self {
        Self { cpu: 2.0, served: 0 }
    }

    fn latency(&self) -> f64 {
        // Noise that depends on nothing but the settings, so that every history of the same settings is the same.
        100.0 / self.cpu * (1.0 + 0.02 * (self.cpu * 37.0).sin())
    }

    fn answer(&mut self, command: &Command) -> Option<CommandResult> {
        self.served += 1;
        let Instruction::Perform(task) = &command.instruction else { return None };
        Some(match &**task {
            Task::Describe { .. } => CommandResult::Described(self.description()),
            Task::Adjust { adjustments, .. } => {
                self.cpu = cpu(adjustments);
                if self.cpu < 0.4 {
                    failure(StatusWord::Rejected, Operation::Adjustment)
                } else {
                    CommandResult::Adjusted(self.description())
                }
            }
            Task::Measure { .. } => measured(&[("latency", self.latency())]),
        })
    }

    fn description(&self) -> Description {
        let range = json!({"name": "cpu", "min": 0.2, "max": 4.0, "step": 0.2, "value": self.cpu, "unit": "cores"});
        described(&range)
    }
}

fn described(range: &Value) -> Description {
    let node = Node::from_json(range, &Origin::whole("test"));
    let cpu = Decoder::run(&NoVariables, |cx| RangeSetting::decode(&node, cx)).unwrap();
    let metrics = vec![Arc::new(Metric::new("latency", Unit::Milliseconds))];
    Description { components: vec![Component::new("web", vec![cpu.into()])], metrics }
}

fn cpu(adjustments: &[crate::types::Adjustment]) -> f64 {
    let cpu = adjustments.iter().find(|adjustment| adjustment.selector() == "web.cpu");
    cpu.and_then(|cpu| cpu.value.as_f64()).unwrap_or(f64::NAN)
}

fn measured(metrics: &[(&str, f64)]) -> CommandResult {
    let readings = metrics.iter().map(|(name, value)| {
        let metric = Arc::new(Metric::new(*name, Unit::Milliseconds));
        DataPoint { metric, time: UnixTime(0), value: *value }.into()
    });
    CommandResult::Measured(Measurement { readings: readings.collect(), ..Measurement::default() })
}

fn failure(word: StatusWord, operation: Operation) -> CommandResult {
    let (message, reason) = ("it crashed".to_owned(), Some("unstable".to_owned()));
    CommandResult::Failed { operation, status: Status { word, message, reason } }
}

fn adjusted() -> CommandResult {
    CommandResult::Adjusted(Description::default())
}

fn config(changes: &Value) -> CampaignConfig {
    let mut config = json!({"slo": [{"metric": "latency", "threshold": 150}], "trials": 10, "algorithm": "sobol"});
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let node = Node::from_json(&config, &Origin::whole("test"));
    Decoder::run(&NoVariables, |cx| CampaignConfig::decode(&node, cx)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn open(changes: &Value, journal: &Path) -> Result<Driver, CampaignError> {
    Driver::open("embedded.local/toy", &config(changes), journal)
}

/// Runs until there is nothing more to do, and returns the commands.
fn run(driver: &mut Driver, toy: &mut Toy) -> Vec<Command> {
    let mut commands = Vec::new();
    loop {
        let command = driver.next_command().unwrap();
        let Some(result) = toy.answer(&command) else { return commands };
        commands.push(command);
        assert!(driver.complete(result).unwrap());
    }
}

/// The name of a command on the wire.
fn name(command: &Command) -> &'static str {
    match &command.instruction {
        Instruction::Perform(task) => match &**task {
            Task::Describe { .. } => "DESCRIBE",
            Task::Measure { .. } => "MEASURE",
            Task::Adjust { .. } => "ADJUST",
        },
        Instruction::Sleep { .. } => "SLEEP",
        Instruction::Malformed { .. } => "malformed",
    }
}

fn names(commands: &[Command]) -> Vec<&str> {
    commands.iter().map(name).collect()
}

fn next(driver: &mut Driver) -> &'static str {
    name(&driver.next_command().unwrap())
}

/// A journal without its times, which no two runs have in common.
fn entries(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for entry in &mut entries {
        for key in ["began", "ended"] {
            entry.as_object_mut().unwrap().remove(key);
        }
    }
    entries
}

#[test]
fn a_campaign_measures_searches_confirms_and_puts_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (mut driver, mut toy) = (open(&json!({}), &path).unwrap(), Toy::new());
    let commands = run(&mut driver, &mut toy);
    assert_eq!(names(&commands)[..6], ["DESCRIBE", "MEASURE", "MEASURE", "MEASURE", "ADJUST", "MEASURE"]);
    assert!(driver.is_over());
    let campaign = driver.snapshot().campaign.unwrap();
    let purposes: Vec<&str> = campaign.trials().iter().map(|trial| trial.plan.purpose.as_str()).collect();
    assert_eq!(purposes[..3], ["baseline"; 3]);
    assert_eq!(purposes[3..8], ["search"; 5]);
    assert_eq!(purposes[8..], ["confirmation"; 2]);
    let winner = campaign.end().unwrap().winner.as_ref().unwrap();
    assert!(winner.confirmed && !winner.is_baseline, "{winner:?}");
    assert!(winner.objective.as_ref().unwrap().winner < winner.objective.as_ref().unwrap().baseline);
    assert!((toy.cpu - 2.0).abs() < 1e-9, "the settings of before are back");
    // The settings of before are measured whatever they violate; everything else is watched.
    assert_eq!(judged(&commands[1]), None);
    assert_eq!(judged(&commands[5]).as_deref(), Some("latency"));
}

/// The metric of the first SLO that a measurement is judged by.
fn judged(command: &Command) -> Option<String> {
    let Instruction::Perform(task) = &command.instruction else { return None };
    let Task::Measure { control, .. } = &**task else { return None };
    Some(control.userdata.as_ref()?.slo.as_ref()?.conditions[0].metric.clone())
}

#[test]
fn what_was_found_stays_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({"apply": true}), &folder.path().join("j")).unwrap(), Toy::new());
    run(&mut driver, &mut toy);
    let campaign = driver.snapshot().campaign.unwrap();
    let winner = &campaign.end().unwrap().winner.as_ref().unwrap().settings;
    assert_eq!(winner["web.cpu"], json!(toy.cpu));
    assert_eq!(&campaign.left().unwrap().settings, winner);
}

/// A whole campaign: its bytes, and the number of bytes after which each line is whole but for its end.
fn whole(path: &Path, algorithm: &str) -> (Vec<u8>, Vec<usize>) {
    run(&mut open(&json!({ "algorithm": algorithm }), path).unwrap(), &mut Toy::new());
    let bytes = std::fs::read(path).unwrap();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    (bytes, ends)
}

#[test]
fn a_journal_cut_at_any_byte_leads_to_the_same_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (bytes, ends) = whole(&path, "gaussian_process");
    let all = super::super::journal::entries(&bytes, &path).unwrap();
    // With all lines up to one, the next step is what the line after it says.
    let next = |entries: &[Entry]| Campaign::replay(entries.to_vec()).unwrap().next("");
    for (index, pair) in all.windows(2).enumerate() {
        match (&pair[1], next(&all[..=index])) {
            (Entry::Trial(trial), Next::Try(plan)) => assert_eq!(trial.plan, *plan),
            (Entry::End(end), Next::Finish(found)) => assert_eq!(end.winner, found.winner),
            (Entry::Left(left), Next::Leave(settings)) => assert_eq!(left.settings, settings),
            (entry, next) => panic!("{entry:?} is not {next:?}"),
        }
    }
    for length in 0..=bytes.len() {
        // A line counts as soon as it is whole, also without its end; never before, and never another.
        let kept = ends.iter().filter(|end| length >= **end).count();
        assert_eq!(super::super::journal::entries(&bytes[..length], &path).unwrap(), all[..kept], "cut at {length}");
    }
}

#[test]
fn an_interrupted_campaign_goes_on_and_repeats_only_the_trial_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (bytes, ends) = whole(&path, "sobol");
    let expected = entries(&path);
    for (kept, end) in ends.iter().enumerate() {
        // In the middle of the line, before its end, and after it.
        for (length, kept) in [(end - 30, kept), (*end, kept + 1), (end + 1, kept + 1)] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let commands = run(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
            assert_eq!(entries(&path), expected, "cut at {length}");
            let trials = expected.iter().skip(kept).filter(|entry| entry["entry"] == "trial");
            let measured = trials.filter(|entry| entry["outcome"]["status"] == "measured").count();
            let repeated = names(&commands).into_iter().filter(|name| *name == "MEASURE").count();
            assert_eq!(repeated, measured, "cut at {length}");
        }
    }
}

#[test]
fn a_finished_journal_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    run(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
    let before = std::fs::read(&path).unwrap();
    assert_eq!(names(&run(&mut open(&json!({}), &path).unwrap(), &mut Toy::new())), ["DESCRIBE"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_journal_of_another_search_is_read_and_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    run(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
    let text = std::fs::read_to_string(&path).unwrap();
    let older = text.replacen(&format!("\"search\":{SEARCH},"), "", 1);
    assert_ne!(older, text);
    std::fs::write(&path, &older).unwrap();
    assert!(open(&json!({}), &path).unwrap().is_over());
    let half: String = older.split_inclusive('\n').take(4).collect();
    std::fs::write(&path, &half).unwrap();
    let error = open(&json!({}), &path).unwrap_err();
    assert!(error.is_of_configuration() && error.to_string().contains("finish it with that version"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), half);
}

#[test]
fn a_journal_of_another_campaign_is_refused_with_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    run(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
    for (changes, named) in [
        (json!({"slo": [{"metric": "latency", "threshold": 151}]}), "slo ("),
        (json!({"prices": {"cpu": 1}}), "prices ("),
        (json!({"objective": {"minimize": "latency"}}), "objective ("),
        (json!({"seed": 2}), "seed ("),
    ] {
        let error = open(&changes, &path).unwrap_err();
        assert!(error.is_of_configuration() && error.to_string().contains(named), "{error}");
    }
    let mut driver = open(&json!({}), &path).unwrap();
    driver.next_command().unwrap();
    let wider = described(&json!({"name": "cpu", "min": 0.2, "max": 8.0, "step": 0.2, "value": 2.0, "unit": "cores"}));
    let error = driver.complete(CommandResult::Described(wider)).unwrap_err();
    assert!(error.is_of_configuration() && error.to_string().contains("the range of setting 'web.cpu'"), "{error}");
}

#[test]
fn rejected_trials_are_data_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let changes = json!({"trials": 40, "slo": [{"metric": "latency", "threshold": 5000}]});
    let mut driver = open(&changes, &path).unwrap();
    run(&mut driver, &mut Toy::new());
    let campaign = driver.snapshot().campaign.unwrap();
    let rejected: Vec<_> =
        campaign.trials().iter().filter(|trial| matches!(trial.outcome, Outcome::Infeasible { .. })).collect();
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    let Outcome::Infeasible { during, word, reason, .. } = &rejected[0].outcome else { panic!("measured") };
    assert_eq!((during.as_str(), word.as_str(), reason.as_deref()), ("adjustment", "rejected", Some("unstable")));
    assert!(!campaign.keeps_objectives(rejected[0]));
}

#[test]
fn a_command_is_given_again_until_it_is_answered_and_a_hello_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    for _ in 0..5 {
        let command = driver.next_command().unwrap();
        let report = toy.answer(&command).unwrap();
        driver.complete(report).unwrap();
    }
    let command = driver.next_command().unwrap();
    assert_eq!(driver.next_command().unwrap(), command);
    assert!(!driver.complete(adjusted()).unwrap(), "it was not asked for");
    driver.hello();
    assert_eq!(next(&mut driver), "DESCRIBE");
    driver.complete(CommandResult::Described(toy.description())).unwrap();
    // What the application has by now is not known, so that the trial in flight begins with its adjustment.
    assert_eq!(next(&mut driver), "ADJUST");
    driver.complete(adjusted()).unwrap();
    assert_eq!(driver.next_command().unwrap(), command);
}

#[test]
fn a_cancelled_trial_is_made_again_and_a_baseline_that_goes_on_failing_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    let describe = driver.next_command().unwrap();
    driver.complete(toy.answer(&describe).unwrap()).unwrap();
    assert_eq!(next(&mut driver), "MEASURE");
    driver.complete(failure(StatusWord::Cancelled, Operation::Measurement)).unwrap();
    assert_eq!(next(&mut driver), "ADJUST");
    driver.complete(adjusted()).unwrap();
    for _ in 1..BASELINE_TRIES {
        assert_eq!(next(&mut driver), "MEASURE");
        driver.complete(failure(StatusWord::Failed, Operation::Measurement)).unwrap();
        assert_eq!(next(&mut driver), "SLEEP");
    }
    driver.next_command().unwrap();
    let error = driver.complete(failure(StatusWord::Failed, Operation::Measurement)).unwrap_err();
    assert!(!error.is_of_configuration() && error.to_string().contains("it crashed"), "{error}");
    assert_eq!(driver.snapshot().campaign.unwrap().trials().len(), 0);
}

#[test]
fn an_agent_that_stops_puts_the_settings_of_before_back_unless_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    assert_eq!(driver.restore_command(), None, "nothing is known yet");
    let mut do_next = |driver: &mut Driver| {
        let command = driver.next_command().unwrap();
        driver.complete(toy.answer(&command).unwrap()).unwrap();
        name(&command)
    };
    while do_next(&mut driver) != "ADJUST" {}
    let back = driver.restore_command().expect("another setting is live");
    let Task::Adjust { adjustments, control } = back else { panic!("{back:?} does not adjust") };
    assert_eq!(adjustments, [crate::types::Adjustment::new("web", "cpu", Scalar::Float(2.0))]);
    assert_eq!(control.settlement, Some(RESTORE_SETTLEMENT));
    // In the middle of an adjustment nobody knows.
    assert_eq!(do_next(&mut driver), "DESCRIBE");
    assert_eq!(next(&mut driver), "ADJUST");
    assert!(driver.restore_command().is_some());
    run(&mut driver, &mut Toy::new());
    assert_eq!(driver.restore_command(), None, "it is over");
}

#[test]
fn a_description_that_failed_is_asked_for_again_after_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = open(&json!({}), &folder.path().join("j")).unwrap();
    for _ in 0..3 {
        assert_eq!(next(&mut driver), "DESCRIBE");
        assert!(driver.complete(failure(StatusWord::Failed, Operation::Description)).unwrap());
        let pause = driver.next_command().unwrap().instruction;
        assert!(matches!(pause, Instruction::Sleep { duration, .. } if duration == RETRY_PAUSE), "{pause:?}");
    }
    driver.next_command().unwrap();
    driver.complete(failure(StatusWord::Failed, Operation::Description)).unwrap();
    driver.hello();
    assert_eq!(next(&mut driver), "DESCRIBE", "an agent that begins anew does not wait");
}

#[test]
fn metrics_that_are_not_measured_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let changes = json!({"objective": {"minimize": "errors"}});
    let mut driver = open(&changes, &folder.path().join("j")).unwrap();
    driver.next_command().unwrap();
    let error = driver.complete(CommandResult::Described(Toy::new().description())).unwrap_err();
    assert_eq!(error.to_string(), "the metric 'errors' is not measured: there are latency");
}
