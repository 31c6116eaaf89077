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
    /// Somebody caps what is asked for.
    cap: f64,
    /// Somebody sets this after every measurement.
    reset: Option<f64>,
    /// Nothing is read any more from this command on.
    blind_from: usize,
    /// The baseline cannot be applied.
    is_stuck: bool,
}

impl Toy {
    fn new() -> Self {
        Self { cpu: 2.0, served: 0, cap: f64::INFINITY, reset: None, blind_from: usize::MAX, is_stuck: false }
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
                let asked = cpu(adjustments);
                if self.is_stuck && (asked - 2.0).abs() < 1e-9 {
                    return Some(failure(StatusWord::Failed, Operation::Adjustment));
                }
                self.cpu = asked.min(self.cap);
                if self.cpu < 0.4 {
                    failure(StatusWord::Rejected, Operation::Adjustment)
                } else {
                    CommandResult::Adjusted(self.description())
                }
            }
            Task::Measure { .. } => {
                let latency = if self.served > self.blind_from { f64::NAN } else { self.latency() };
                self.cpu = self.reset.unwrap_or(self.cpu);
                measured(&[("latency", latency)])
            }
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

fn cpu(adjustments: &[Adjustment]) -> f64 {
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
    assert_eq!(
        names(&commands)[..8],
        ["DESCRIBE", "MEASURE", "DESCRIBE", "MEASURE", "DESCRIBE", "MEASURE", "DESCRIBE", "ADJUST"]
    );
    assert!(driver.is_over());
    let campaign = driver.snapshot().campaign.unwrap();
    let purposes: Vec<&str> = campaign.trials().iter().map(|trial| trial.plan.purpose.as_str()).collect();
    assert_eq!(purposes[..3], ["baseline"; 3]);
    assert_eq!(purposes[3..8], ["search"; 5]);
    assert_eq!(purposes[8..], ["confirmation"; 2]);
    let winner = campaign.end().unwrap().winner.as_ref().unwrap();
    assert!(winner.confirmed && !winner.is_baseline, "{winner:?}");
    assert!(winner.objective.as_ref().unwrap().winner < winner.objective.as_ref().unwrap().baseline);
    assert!((toy.cpu - 2.0).abs() < 1e-9, "the baseline settings are back");
    // The baseline settings are measured whatever they violate; everything else is watched.
    assert_eq!(judged(&commands[1]), None);
    assert_eq!(judged(&commands[8]).as_deref(), Some("latency"));
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
        (json!({"objective": {"minimize": "latency"}}), "objective ("),
        (json!({"measure": {"duration": "9m"}, "seed": 2}), "measure ("),
        (json!({"seed": 2}), "seed ("),
    ] {
        let error = open(&changes, &path).unwrap_err();
        assert!(error.is_of_configuration() && error.to_string().contains(named), "{error}");
    }
    let mut driver = open(&json!({}), &path).unwrap();
    driver.next_command().unwrap();
    let narrower = described(&json!({"name": "cpu", "min": 0.2, "max": 1.0, "step": 0.2, "value": 0.8}));
    let error = driver.complete(CommandResult::Described(narrower)).unwrap_err();
    assert!(error.is_of_configuration() && error.to_string().contains("ranges that do not hold"), "{error}");
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
    driver.complete(CommandResult::Adjusted(toy.description())).unwrap();
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
    driver.complete(CommandResult::Adjusted(toy.description())).unwrap();
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
    assert_eq!(adjustments, [Adjustment::new("web", "cpu", Scalar::Float(2.0))]);
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

/// The trials of a finished campaign that say nothing, with their reasons.
fn void(driver: &Driver) -> Vec<String> {
    let campaign = driver.snapshot().campaign.unwrap();
    let reason = |trial: &Trial| match &trial.outcome {
        Outcome::Void { reason, attempts, .. } => Some(format!("{reason} {attempts}")),
        Outcome::Measured { .. } | Outcome::Infeasible { .. } => None,
    };
    campaign.trials().iter().filter_map(reason).collect()
}

#[test]
fn settings_that_are_not_live_are_never_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({"trials": 12}), &folder.path().join("j")).unwrap(), Toy::new());
    toy.cap = 2.0;
    let commands = run(&mut driver, &mut toy);
    let campaign = driver.snapshot().campaign.unwrap();
    for trial in campaign.trials().iter().filter(|trial| !matches!(trial.outcome, Outcome::Void { .. })) {
        assert!(trial.plan.settings["web.cpu"].as_f64().unwrap() <= 2.0, "{trial:?}");
    }
    assert!(void(&driver).iter().all(|void| void.starts_with("not-applied")) && !void(&driver).is_empty());
    // After an adjustment that did not come into force another adjustment follows, and no measurement.
    let names = names(&commands);
    let pairs = names.windows(2).filter(|pair| pair == &["ADJUST", "ADJUST"]).count();
    assert!(pairs >= void(&driver).len(), "{names:?}");
}

#[test]
fn a_trial_whose_settings_are_changed_by_somebody_is_no_trial() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    toy.reset = Some(2.0);
    run(&mut driver, &mut toy);
    assert_eq!(void(&driver), ["overwritten 2", "overwritten 1"]);
    let campaign = driver.snapshot().campaign.unwrap();
    let end = campaign.end().unwrap();
    assert_eq!((end.stop, &end.winner), (Stop::NotMeasured, &None));
    assert!(end.problem.as_ref().unwrap().contains("web.cpu is 2"), "{end:?}");
    assert_eq!(campaign.left().unwrap().problem, None, "the baseline is live");
}

#[test]
fn without_readings_the_optimization_stops_with_the_baseline_and_goes_on_when_it_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let changes = json!({"apply": true});
    let (mut driver, mut toy) = (open(&changes, &path).unwrap(), Toy::new());
    toy.blind_from = 8;
    run(&mut driver, &mut toy);
    assert_eq!(void(&driver), ["not-measured 2", "not-measured 1"]);
    let campaign = driver.snapshot().campaign.unwrap();
    let problem = campaign.end().unwrap().problem.clone().unwrap();
    assert!(problem.starts_with("3 measurements in a row") && problem.contains("no reading of latency"), "{problem}");
    assert!((toy.cpu - 2.0).abs() < 1e-9);
    drop(driver);
    toy.blind_from = usize::MAX;
    let mut driver = open(&changes, &path).unwrap();
    run(&mut driver, &mut toy);
    let campaign = driver.snapshot().campaign.unwrap();
    assert!(campaign.end().unwrap().stop != Stop::NotMeasured && campaign.trials().len() == 10, "{:?}", campaign.end());
}

#[test]
fn an_objective_that_is_never_read_has_no_winner() {
    let folder = tempfile::tempdir().unwrap();
    let changes = json!({"objective": {"minimize": "latency"}, "slo": [], "apply": true});
    let (mut driver, mut toy) = (open(&changes, &folder.path().join("j")).unwrap(), Toy::new());
    toy.blind_from = 0;
    run(&mut driver, &mut toy);
    let campaign = driver.snapshot().campaign.unwrap();
    assert_eq!(campaign.end().unwrap().winner, None);
    assert_eq!(&campaign.left().unwrap().settings, campaign.baseline());
}

#[test]
fn the_final_settings_are_tried_again_with_growing_pauses_and_their_failure_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let (mut driver, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    while driver.snapshot().campaign.is_none_or(|campaign| campaign.trials().len() < 8) {
        let command = driver.next_command().unwrap();
        driver.complete(toy.answer(&command).unwrap()).unwrap();
    }
    toy.is_stuck = true;
    let mut pauses = Vec::new();
    for _ in 0..200 {
        let command = driver.next_command().unwrap();
        match (&command.instruction, toy.answer(&command)) {
            (Instruction::Sleep { duration, .. }, _) => pauses.push(duration.as_secs_f64()),
            (_, Some(result)) => assert!(driver.complete(result).unwrap()),
            (other, None) => panic!("{other:?}"),
        }
        if driver.is_over() {
            break;
        }
    }
    let left = driver.snapshot().campaign.unwrap().left().cloned().unwrap();
    assert_eq!((&left.settings["web.cpu"], left.problem.as_deref()), (&json!(2.0), Some("it crashed")));
    assert!(pauses.windows(2).all(|pair| pair[1] >= pair[0]) && pauses.len() >= 7, "{pauses:?}");
}

#[test]
fn an_application_that_somebody_changed_in_between_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (mut driver, mut toy) = (open(&json!({}), &path).unwrap(), Toy::new());
    while driver.snapshot().campaign.is_none_or(|campaign| campaign.trials().len() < 5) {
        let command = driver.next_command().unwrap();
        driver.complete(toy.answer(&command).unwrap()).unwrap();
    }
    drop(driver);
    let mut driver = open(&json!({}), &path).unwrap();
    driver.next_command().unwrap();
    toy.cpu = 3.8;
    let error = driver.complete(CommandResult::Described(toy.description())).unwrap_err();
    assert!(error.is_of_configuration(), "{error}");
    assert!(error.to_string().contains("it is 3.8, the baseline has 2.0"), "{error}");
    // The baseline itself, and the settings of the last trial, are known.
    drop(driver);
    toy.cpu = 2.0;
    run(&mut open(&json!({}), &path).unwrap(), &mut toy);
}

#[test]
fn changed_prices_thresholds_ranges_and_budgets_continue_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let mut toy = Toy::new();
    run(&mut open(&json!({}), &path).unwrap(), &mut toy);
    for (changes, trials) in [
        (json!({"prices": {"cpu": 5}}), 10..=10),
        (json!({"prices": {"cpu": 5}, "slo": [{"metric": "latency", "threshold": 80}]}), 10..=10),
        (json!({"prices": {"cpu": 5}, "slo": [{"metric": "latency", "threshold": 80}], "trials": 14}), 12..=14),
        (
            json!({"prices": {"cpu": 5}, "slo": [{"metric": "latency", "threshold": 80}], "trials": 14, "apply": true}),
            12..=14,
        ),
    ] {
        let mut driver = open(&changes, &path).unwrap();
        run(&mut driver, &mut toy);
        let campaign = driver.snapshot().campaign.unwrap();
        assert!(trials.contains(&campaign.trials().len()), "{changes} {}", campaign.trials().len());
        let cost = campaign.objective(&campaign.trials()[0]).unwrap();
        assert!((cost - 10.0).abs() < 1e-9, "the cost is computed anew: {cost}");
        drop(driver);
        // The same again is finished, and its journal tells the same.
        let before = entries(&path);
        assert_eq!(names(&run(&mut open(&changes, &path).unwrap(), &mut toy)), ["DESCRIBE"]);
        assert_eq!(entries(&path), before);
    }
}

#[test]
fn a_component_with_a_dot_in_its_name_is_one_component() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = open(&json!({}), &folder.path().join("j")).unwrap();
    driver.next_command().unwrap();
    let mut description = Toy::new().description();
    description.components[0].name = "web.v1".to_owned();
    driver.complete(CommandResult::Described(description.clone())).unwrap();
    let adjustments = loop {
        let Instruction::Perform(task) = driver.next_command().unwrap().instruction else { panic!("it sleeps") };
        let result = match *task {
            Task::Adjust { adjustments, .. } => break adjustments,
            Task::Measure { .. } => measured(&[("latency", 50.0)]),
            Task::Describe { .. } => CommandResult::Described(description.clone()),
        };
        driver.complete(result).unwrap();
    };
    let named = adjustments.iter().map(|of| (of.component_name.as_str(), of.setting_name.as_str()));
    assert_eq!(named.collect::<Vec<_>>(), [("web.v1", "cpu")]);
}
