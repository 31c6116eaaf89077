//! Conversations with an application of one setting.

use super::*;
use crate::decode::{Decode, Decoder, NoVariables, Node, Origin};

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

    fn answer(&mut self, command: &Value) -> Option<Report> {
        self.served += 1;
        match command["cmd"].as_str().unwrap_or_default() {
            "DESCRIBE" => Some(Report::Described(self.descriptor())),
            "ADJUST" => {
                let settings = &command["param"]["state"]["application"]["components"]["web"]["settings"];
                self.cpu = settings["cpu"]["value"].as_f64().unwrap_or(f64::NAN);
                Some(if self.cpu < 0.4 { failure("rejected", Operation::Adjustment) } else { Report::Adjusted })
            }
            "MEASURE" => Some(Report::Measured(BTreeMap::from([("latency".to_owned(), self.latency())]))),
            _ => None,
        }
    }

    fn descriptor(&self) -> Value {
        let cpu = json!({"type": "range", "min": 0.2, "max": 4.0, "step": 0.2, "value": self.cpu, "unit": "cores"});
        json!({"application": {"components": {"web": {"settings": {"cpu": cpu}}}},
            "measurement": {"metrics": {"latency": {"unit": "ms"}}}})
    }
}

fn failure(word: &str, operation: Operation) -> Report {
    let reason = Some("unstable".to_owned());
    Report::Failed { operation, word: word.to_owned(), reason, message: "it crashed".to_owned() }
}

fn config(changes: &Value) -> CampaignConfig {
    let mut config = json!({"slo": [{"metric": "latency", "threshold": 150}], "trials": 10, "algorithm": "sobol"});
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let node = Node::from_json(&config, &Origin::whole("test"));
    Decoder::run(&NoVariables, |cx| CampaignConfig::decode(&node, cx)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn open(changes: &Value, journal: &Path) -> Result<Conversation, CampaignError> {
    Conversation::open("embedded.local/toy", &config(changes), journal)
}

/// Talks until there is nothing more to do, and returns the commands.
fn talk(conversation: &mut Conversation, toy: &mut Toy) -> Vec<Value> {
    let mut commands = Vec::new();
    loop {
        let command = conversation.next_command().unwrap();
        let Some(report) = toy.answer(&command) else { return commands };
        commands.push(command);
        assert!(conversation.complete(report).unwrap());
    }
}

fn names(commands: &[Value]) -> Vec<&str> {
    commands.iter().map(|command| command["cmd"].as_str().unwrap()).collect()
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
    let (mut conversation, mut toy) = (open(&json!({}), &path).unwrap(), Toy::new());
    let commands = talk(&mut conversation, &mut toy);
    assert_eq!(names(&commands)[..6], ["DESCRIBE", "MEASURE", "MEASURE", "MEASURE", "ADJUST", "MEASURE"]);
    assert!(conversation.is_over());
    let campaign = conversation.snapshot().campaign.unwrap();
    let purposes: Vec<&str> = campaign.trials().iter().map(|trial| trial.plan.purpose.as_str()).collect();
    assert_eq!(purposes[..3], ["baseline"; 3]);
    assert_eq!(purposes[3..8], ["search"; 5]);
    assert_eq!(purposes[8..], ["confirmation"; 2]);
    let winner = campaign.end().unwrap().winner.as_ref().unwrap();
    assert!(winner.confirmed && !winner.is_baseline, "{winner:?}");
    assert!(winner.objective.as_ref().unwrap().winner < winner.objective.as_ref().unwrap().baseline);
    assert!((toy.cpu - 2.0).abs() < 1e-9, "the settings of before are back");
    // The settings of before are measured whatever they violate; everything else is watched.
    assert!(commands[1]["param"]["control"].get("userdata").is_none());
    assert_eq!(commands[5]["param"]["control"]["userdata"]["slo"]["conditions"][0]["metric"], "latency");
}

#[test]
fn what_was_found_stays_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (mut conversation, mut toy) = (open(&json!({"apply": true}), &folder.path().join("j")).unwrap(), Toy::new());
    talk(&mut conversation, &mut toy);
    let campaign = conversation.snapshot().campaign.unwrap();
    let winner = &campaign.end().unwrap().winner.as_ref().unwrap().settings;
    assert_eq!(winner["web.cpu"], json!(toy.cpu));
    assert_eq!(&campaign.left().unwrap().settings, winner);
}

/// A whole campaign: its bytes, and the number of bytes after which each line is whole but for its end.
fn whole(path: &Path, algorithm: &str) -> (Vec<u8>, Vec<usize>) {
    talk(&mut open(&json!({ "algorithm": algorithm }), path).unwrap(), &mut Toy::new());
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
            let commands = talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
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
    talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
    let before = std::fs::read(&path).unwrap();
    assert_eq!(names(&talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new())), ["DESCRIBE"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_journal_of_another_search_is_read_and_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
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
    talk(&mut open(&json!({}), &path).unwrap(), &mut Toy::new());
    for (changes, named) in [
        (json!({"slo": [{"metric": "latency", "threshold": 151}]}), "slo ("),
        (json!({"prices": {"cpu": 1}}), "prices ("),
        (json!({"objective": {"minimize": "latency"}}), "objective ("),
        (json!({"seed": 2}), "seed ("),
    ] {
        let error = open(&changes, &path).unwrap_err();
        assert!(error.is_of_configuration() && error.to_string().contains(named), "{error}");
    }
    let mut conversation = open(&json!({}), &path).unwrap();
    conversation.next_command().unwrap();
    let mut descriptor = Toy::new().descriptor();
    descriptor["application"]["components"]["web"]["settings"]["cpu"]["max"] = json!(8.0);
    let error = conversation.complete(Report::Described(descriptor)).unwrap_err();
    assert!(error.is_of_configuration() && error.to_string().contains("the range of setting 'web.cpu'"), "{error}");
}

#[test]
fn rejected_trials_are_data_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let changes = json!({"trials": 40, "slo": [{"metric": "latency", "threshold": 5000}]});
    let mut conversation = open(&changes, &path).unwrap();
    talk(&mut conversation, &mut Toy::new());
    let campaign = conversation.snapshot().campaign.unwrap();
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
    let (mut conversation, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    for _ in 0..5 {
        let command = conversation.next_command().unwrap();
        let report = toy.answer(&command).unwrap();
        conversation.complete(report).unwrap();
    }
    let command = conversation.next_command().unwrap();
    assert_eq!(conversation.next_command().unwrap(), command);
    assert!(!conversation.complete(Report::Adjusted).unwrap(), "it was not asked for");
    conversation.hello();
    assert_eq!(conversation.next_command().unwrap()["cmd"], "DESCRIBE");
    conversation.complete(Report::Described(toy.descriptor())).unwrap();
    // What the application has by now is not known, so that the trial in flight begins with its adjustment.
    let again = conversation.next_command().unwrap();
    assert_eq!(again["cmd"], "ADJUST");
    conversation.complete(Report::Adjusted).unwrap();
    assert_eq!(conversation.next_command().unwrap(), command);
}

#[test]
fn a_cancelled_trial_is_made_again_and_a_baseline_that_goes_on_failing_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut conversation, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    let describe = conversation.next_command().unwrap();
    conversation.complete(toy.answer(&describe).unwrap()).unwrap();
    assert_eq!(conversation.next_command().unwrap()["cmd"], "MEASURE");
    conversation.complete(failure("cancelled", Operation::Measurement)).unwrap();
    assert_eq!(conversation.next_command().unwrap()["cmd"], "ADJUST");
    conversation.complete(Report::Adjusted).unwrap();
    for _ in 1..BASELINE_TRIES {
        assert_eq!(conversation.next_command().unwrap()["cmd"], "MEASURE");
        conversation.complete(failure("failed", Operation::Measurement)).unwrap();
        assert_eq!(conversation.next_command().unwrap()["cmd"], "SLEEP");
    }
    conversation.next_command().unwrap();
    let error = conversation.complete(failure("failed", Operation::Measurement)).unwrap_err();
    assert!(!error.is_of_configuration() && error.to_string().contains("it crashed"), "{error}");
    assert_eq!(conversation.snapshot().campaign.unwrap().trials().len(), 0);
}

#[test]
fn an_agent_that_stops_puts_the_settings_of_before_back_unless_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut conversation, mut toy) = (open(&json!({}), &folder.path().join("j")).unwrap(), Toy::new());
    assert_eq!(conversation.parting(), None, "nothing is known yet");
    let mut do_next = |conversation: &mut Conversation| {
        let command = conversation.next_command().unwrap();
        conversation.complete(toy.answer(&command).unwrap()).unwrap();
        command["cmd"].as_str().unwrap().to_owned()
    };
    while do_next(&mut conversation) != "ADJUST" {}
    let back = conversation.parting().expect("another setting is live");
    let component = &back["param"]["state"]["application"]["components"]["web"];
    assert_eq!((&back["cmd"], &component["settings"]["cpu"]["value"]), (&json!("ADJUST"), &json!(2.0)));
    // In the middle of an adjustment nobody knows.
    assert_eq!(do_next(&mut conversation), "DESCRIBE");
    assert_eq!(conversation.next_command().unwrap()["cmd"], "ADJUST");
    assert!(conversation.parting().is_some());
    talk(&mut conversation, &mut Toy::new());
    assert_eq!(conversation.parting(), None, "it is over");
}

#[test]
fn a_description_that_failed_is_asked_for_again_after_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversation = open(&json!({}), &folder.path().join("j")).unwrap();
    for _ in 0..3 {
        assert_eq!(conversation.next_command().unwrap()["cmd"], "DESCRIBE");
        assert!(conversation.complete(failure("failed", Operation::Description)).unwrap());
        let pause = conversation.next_command().unwrap();
        assert_eq!((&pause["cmd"], &pause["param"]["duration"]), (&json!("SLEEP"), &json!(IDLE)));
    }
    conversation.next_command().unwrap();
    conversation.complete(failure("failed", Operation::Description)).unwrap();
    conversation.hello();
    assert_eq!(conversation.next_command().unwrap()["cmd"], "DESCRIBE", "an agent that begins anew does not wait");
}

#[test]
fn metrics_that_are_not_measured_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let changes = json!({"objective": {"minimize": "errors"}});
    let mut conversation = open(&changes, &folder.path().join("j")).unwrap();
    conversation.next_command().unwrap();
    let error = conversation.complete(Report::Described(Toy::new().descriptor())).unwrap_err();
    assert_eq!(error.to_string(), "the metric 'errors' is not measured: there are latency");
}
