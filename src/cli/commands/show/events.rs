//! `servo show events`: which connectors take part in which events. Asks nobody but the file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::assembly::Registry;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::{Format, Report};
use crate::config::OptimizerRequirement;
use crate::connector::{BuildContext, Connector, ConnectorName, ErasedFactory, Event, Phase, Section, responds};
use crate::decode::{Decoder, NoVariables, Node, Origin};
use crate::network::Network;
use crate::servo::{METADATA, Servo};
use crate::table::Table;

/// Show which connectors take part in which events
///
/// An event has three phases: before, on (the event itself) and after. Without options all three are shown; those that
/// are named are shown alone, and with a negated one all but the negated ones.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent switches of the command line")]
#[command(after_help = "Example: servo show events --by-connector --no-before")]
pub(crate) struct Args {
    /// Show every connector type that exists, whether or not the configuration uses it
    #[arg(short, long)]
    all: bool,
    /// List the events of each connector, not the connectors of each event
    #[arg(short = 'c', long)]
    by_connector: bool,
    /// Show what runs before an event
    #[arg(long, overrides_with = "no_before")]
    before: bool,
    /// Leave out what runs before an event
    #[arg(long, overrides_with = "before")]
    no_before: bool,
    /// Show what handles an event
    #[arg(long, overrides_with = "no_on")]
    on: bool,
    /// Leave out what handles an event
    #[arg(long, overrides_with = "on")]
    no_on: bool,
    /// Show what runs after an event
    #[arg(long, overrides_with = "no_after")]
    after: bool,
    /// Leave out what runs after an event
    #[arg(long, overrides_with = "after")]
    no_after: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Args {
    fn shows(&self, phase: Phase) -> bool {
        let (wanted, unwanted) = match phase {
            Phase::Before => (self.before, self.no_before),
            Phase::On => (self.on, self.no_on),
            Phase::After => (self.after, self.no_after),
        };
        if self.no_before || self.no_on || self.no_after {
            !unwanted
        } else {
            wanted || !(self.before || self.on || self.after)
        }
    }
}

/// The phases of events in which each connector type takes part, by its name for people.
type Handlers = BTreeMap<String, BTreeSet<Handled>>;

/// An event in a phase, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Handled {
    event: &'static str,
    phase: Phase,
}

impl Handled {
    fn label(self) -> String {
        match self.phase {
            Phase::On => self.event.to_owned(),
            phase => format!("{} {}", phase.as_str(), self.event),
        }
    }
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    if args.all {
        let (table, value) = view(&of_all_types(cx.registry, &args), &args);
        cx.output.result(args.output, table, &Value::Object(value))?;
        return Ok(ExitCode::Success);
    }
    let servos = cx.servos(OptimizerRequirement::Optional).await?;
    let report = |servo: &Servo| {
        let (table, value) = view(&of_servo(servo, &args), &args);
        Report { servo: servo.name().to_owned(), table, value }
    };
    let reports: Vec<Report> = servos.chosen.iter().map(report).collect();
    cx.output.reports(args.output, servos.several, &reports)?;
    Ok(ExitCode::Success)
}

fn of_servo(servo: &Servo, args: &Args) -> Handlers {
    let mut handlers = Handlers::new();
    for connector in servo.connectors() {
        let display_name = connector.metadata().display_name().to_owned();
        handlers.entry(display_name).or_default().extend(handled(connector.as_ref(), args));
    }
    handlers
}

/// What an instance of each type does that is configured as the type's sample has it.
fn of_all_types(registry: Registry, args: &Args) -> Handlers {
    let mut handlers = Handlers::new();
    for factory in registry {
        let display_name = factory.metadata().display_name().to_owned();
        match sample(*factory) {
            Ok(connector) => handlers.insert(display_name, handled(connector.as_ref(), args)),
            Err(problem) => {
                tracing::warn!(connector = %factory.metadata().default_name, "its events are not known: {problem}");
                None
            }
        };
    }
    let own = Handled { event: Event::Check.as_str(), phase: Phase::On };
    let own = args.shows(own.phase).then_some(own).into_iter().collect();
    handlers.insert(METADATA.display_name().to_owned(), own);
    handlers
}

fn sample(factory: &'static dyn ErasedFactory) -> Result<Box<dyn Connector>, String> {
    let name = ConnectorName::new(&*factory.metadata().default_name);
    let node = Node::from_json(&factory.sample(), &Origin::whole("sample"));
    let section = Section { name: &name, node: &node, prefix: "" };
    let prepared = Decoder::run(&NoVariables, |cx| factory.parse(section, cx)).map_err(|error| error.to_string())?;
    let context = BuildContext { optimizer: None, network: Network::from_variables(&NoVariables) };
    prepared.build(name, &context).map_err(|error| error.to_string())
}

fn handled(connector: &dyn Connector, args: &Args) -> BTreeSet<Handled> {
    let mut found = BTreeSet::new();
    for phase in Phase::ALL.into_iter().filter(|phase| args.shows(*phase)) {
        let events = Event::ALL.into_iter().filter(|event| responds(connector, phase, *event));
        found.extend(events.map(|event| Handled { event: event.as_str(), phase }));
    }
    found
}

fn view(handlers: &Handlers, args: &Args) -> (Table, Map<String, Value>) {
    if args.by_connector { by_connector(handlers) } else { by_event(handlers) }
}

fn by_connector(handlers: &Handlers) -> (Table, Map<String, Value>) {
    let mut table = Table::new(["CONNECTOR", "EVENTS"]);
    let mut values = Vec::new();
    for (connector, handled) in handlers {
        let labels: Vec<String> = handled.iter().copied().map(Handled::label).collect();
        table.row([connector.as_str(), &labels.join("\n")]);
        values.push(json!({"connector": connector, "events": labels}));
    }
    (table, Map::from_iter([("connectors".to_owned(), Value::Array(values))]))
}

fn by_event(handlers: &Handlers) -> (Table, Map<String, Value>) {
    let mut events: BTreeMap<Handled, Vec<&str>> = BTreeMap::new();
    for (connector, handled) in handlers {
        for event in handled {
            events.entry(*event).or_default().push(connector);
        }
    }
    let mut table = Table::new(["EVENT", "CONNECTORS"]);
    let mut values = Vec::new();
    for (handled, connectors) in events {
        table.row([handled.label(), connectors.join("\n")]);
        values.push(json!({"event": handled.event, "phase": handled.phase.as_str(), "connectors": connectors}));
    }
    (table, Map::from_iter([("events".to_owned(), Value::Array(values))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, shown: &[Phase]) {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("events"));
        let matches = command.get_matches_from(line.split(' '));
        let args = <Args as clap::FromArgMatches>::from_arg_matches(&matches).expect("arguments");
        let found: Vec<Phase> = Phase::ALL.into_iter().filter(|phase| args.shows(*phase)).collect();
        assert_eq!(found, shown, "{line}");
    }

    #[test]
    fn phases_are_all_or_those_named_or_all_but_those_negated() {
        check("events", &Phase::ALL);
        check("events --on", &[Phase::On]);
        check("events --before --after", &[Phase::Before, Phase::After]);
        check("events --no-before", &[Phase::On, Phase::After]);
        check("events --before --no-on", &[Phase::Before, Phase::After]);
        check("events --no-on --on", &[Phase::On]);
        check("events --no-before --no-on --no-after", &[]);
    }

    #[test]
    fn handlers_are_listed_by_event_with_before_on_and_after_in_this_order() {
        let handled = |phase, event: Event| Handled { event: event.as_str(), phase };
        let handlers = Handlers::from([
            ("Adjust".to_owned(), [handled(Phase::On, Event::Describe)].into()),
            (
                "Measure".to_owned(),
                [
                    handled(Phase::On, Event::Measure),
                    handled(Phase::Before, Event::Measure),
                    handled(Phase::On, Event::Describe),
                ]
                .into(),
            ),
            ("Quiet".to_owned(), BTreeSet::new()),
        ]);
        assert_eq!(
            by_event(&handlers).0.to_string(),
            "EVENT           CONNECTORS\n\
             describe        Adjust\n\
             \x20               Measure\n\
             before measure  Measure\n\
             measure         Measure"
        );
        assert_eq!(
            by_connector(&handlers).0.to_string(),
            "CONNECTOR    EVENTS\n\
             Adjust       describe\n\
             Measure      describe\n\
             \x20            before measure\n\
             \x20            measure\n\
             Quiet"
        );
    }
}
