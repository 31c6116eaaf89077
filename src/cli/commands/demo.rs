//! `servo demo`: an optimization from the first trial to the result, without a configuration, a cluster or a network.
//!
//! Nothing in it is special: the connector is `simulation`, the optimizer the embedded one, and the runner runs them.
//! Only the simulation knows the truth, with which the result is compared in the end.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::optimize::{follow, recorded_trials};
use crate::assembly::load;
use crate::cli::context::{Context, attach};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::listen;
use crate::cli::render::campaign::result_text;
use crate::cli::render::output::Format;
use crate::cli::render::trials::Beginning;
use crate::config::file::{parse_documents, to_yaml};
use crate::config::{Environment, OptimizerRequirement, Prices};
use crate::connector::{ConnectorName, ProgressSender, Section};
use crate::connectors::simulation::SimulationConfig;
use crate::connectors::simulation::model::{self, Metrics, Optimum};
use crate::decode::{Decoder, NoVariables, Node, Origin};
use crate::optimizer::embedded::{Campaign, Difference, Settings};
use crate::optimizer::report::{Report, html, number, settings_text};
use crate::runner::RunOutcome;
use crate::servo::{Dispatch, Servo};

/// Milliseconds that 99% of the requests must keep.
const LONGEST_LATENCY: f64 = 600.0;

/// Percent of the requests that may fail.
const HIGHEST_ERROR_RATE: f64 = 1.0;

/// Simulated seconds in a real one: a trial of six and a half minutes takes two thirds of a second.
const SPEED: f64 = 600.0;

/// See an optimization happen, in a minute and without a cluster
///
/// Tunes a simulated service: finds the cheapest settings whose latency and errors stay within limits, proves them
/// against the baseline settings, and tells how close they are to the best that there is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo demo --seed 7 --output json")]
pub(crate) struct Args {
    /// Fixes every random choice: of the search, and of the simulated readings
    #[arg(long, default_value_t = 1)]
    seed: i64,
    /// How many measurements there are, those of the baseline and of the confirmation included: 4 to 1000
    #[arg(long, default_value_t = 30)]
    trials: i64,
    /// The file of results [default: a new one in the folder for temporary files]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs the servo of the demonstration until its optimization is over.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let journal = args.journal.clone().unwrap_or_else(temporary);
    let mut servos = [servo(&args, &journal, cx)?];
    let mut signals = listen()?;
    attach(&mut servos, &Dispatch::new(ProgressSender::default(), CancellationToken::new())).await?;
    if args.output == Format::Table {
        introduce(&args, cx)?;
    }
    let beginning = Beginning {
        lines: args.output == Format::Table,
        resumed: recorded_trials(&journal),
        budget: usize::try_from(args.trials).unwrap_or(0),
        measurement: None,
    };
    let followed = follow(&servos, &beginning, &mut signals, cx).await?;
    match (followed.outcome, followed.campaign) {
        (RunOutcome::Stopped, Some(campaign)) if campaign.left().is_some() => {
            let page = journal.with_extension("html");
            cx.write_file(&page, &html::page(&Report::of(&campaign))).await?;
            report(&args, &campaign, (&journal, &page), cx)?;
            Ok(ExitCode::Success)
        }
        (outcome @ (RunOutcome::Stopped | RunOutcome::Forced), _) => {
            Err(CliError::Interrupted { clean: outcome == RunOutcome::Stopped })
        }
        (RunOutcome::Misconfigured, _) => Ok(ExitCode::Usage),
        (RunOutcome::NoneLeft | RunOutcome::NotRestored, _) => Ok(ExitCode::Failure),
    }
}

/// A file of results that nobody else has.
fn temporary() -> PathBuf {
    let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    std::env::temp_dir().join(format!("servo-demo-{time}-{}.jsonl", std::process::id()))
}

fn servo(args: &Args, journal: &Path, cx: &Context) -> Result<Servo, CliError> {
    let configuration = json!({
        "name": "demo",
        "optimizer": { "embedded": {
            "objective": { "minimize": "cost" },
            "slo": [
                { "metric": "p99_latency", "threshold": LONGEST_LATENCY, "keep": "below" },
                { "metric": "error_rate", "threshold": HIGHEST_ERROR_RATE, "keep": "below" },
            ],
            "trials": args.trials,
            "measure": { "warmup": "1m", "duration": "5m" },
            "seed": args.seed,
            "journal": journal,
        } },
        "simulation": simulation(args),
    });
    // Whatever is set for other servos is not meant for this one.
    let environment = Environment::from_pairs(std::iter::empty::<(&str, &str)>());
    let loaded = parse_documents(&to_yaml(&configuration), "demo")
        .and_then(|parsed| load(parsed, cx.registry, &environment, OptimizerRequirement::Required))
        .map_err(|problems| CliError::Configuration { file: "demo".into(), problems })?;
    let prepared = loaded.servos.into_iter().next();
    let prepared = prepared.ok_or_else(|| CliError::Failed("the demonstration has no servo".to_owned()))?;
    Ok(prepared.build(&environment)?)
}

fn introduce(args: &Args, cx: &Context) -> Result<(), CliError> {
    cx.output.line(format_args!(
        "A simulated service answers 240 requests a second. In {} trials, its\n\
         settings are tuned for the lowest cost with p99_latency ≤ {LONGEST_LATENCY} ms and\n\
         error_rate ≤ {HIGHEST_ERROR_RATE} %.",
        args.trials
    ))
}

fn simulation(args: &Args) -> Value {
    json!({ "seed": args.seed, "speed": SPEED })
}

/// What only the simulation knows.
struct Truth {
    service: model::Service,
    optimum: Option<Optimum>,
}

impl Truth {
    fn of(args: &Args) -> Result<Self, CliError> {
        let node = Node::from_json(&simulation(args), &Origin::whole("demo"));
        let name = ConnectorName::new("simulation");
        let section = Section { name: &name, node: &node, prefix: "" };
        let config = Decoder::run(&NoVariables, |cx| section.keys::<SimulationConfig>(cx));
        let config = config.map_err(|problems| CliError::Configuration { file: "demo".into(), problems })?;
        let optimum = config.service().optimum(config.ranges(), |settings, _| cost(settings), holds);
        Ok(Self { service: config.service(), optimum })
    }

    fn metrics(&self, settings: &Settings) -> Option<Metrics> {
        let value = |name: &str| settings.get(&format!("service.{name}")).and_then(Value::as_f64);
        let settings = model::Settings {
            cpu: value("cpu")?,
            mem: value("mem")?,
            replicas: value("replicas")?,
            workers: value("workers")?,
        };
        self.service.truth(&settings)
    }
}

fn cost(settings: &model::Settings) -> f64 {
    let prices = Prices::default();
    settings.replicas * (settings.cpu * prices.cpu + settings.mem * prices.memory)
}

fn holds(metrics: &Metrics) -> bool {
    metrics.p99_latency <= LONGEST_LATENCY && metrics.error_rate <= HIGHEST_ERROR_RATE
}

fn report(args: &Args, campaign: &Campaign, files: (&Path, &Path), cx: &Context) -> Result<(), CliError> {
    let truth = Truth::of(args)?;
    let (journal, page) = files;
    let json = result(args, campaign, files, &truth);
    let mut lines = vec![result_text(campaign)];
    if let Some(optimum) = &truth.optimum {
        let best = settings_text(&named(&optimum.settings));
        lines.push(format!(
            "The best that there is, as only the simulation knows, costs {}:\n  {best}",
            number(optimum.objective)
        ));
        if let Some(excess) = json["excess"].as_f64() {
            lines.push(format!("What was found costs {:.1}% more than that.", 100.0 * excess));
        }
    }
    lines.push(format!("Journal: {}", journal.display()));
    lines.push(format!("Report: {}", page.display()));
    cx.output.result(args.output, lines.join("\n"), &json)
}

fn result(args: &Args, campaign: &Campaign, (journal, page): (&Path, &Path), truth: &Truth) -> Value {
    let winner = campaign.end().and_then(|end| end.winner.as_ref());
    let found = winner.map(|winner| {
        let metrics = truth.metrics(&winner.settings);
        let objective = winner.objective.as_ref();
        json!({
            "settings": winner.settings,
            "cost": objective.map(|difference| difference.winner),
            "is_baseline": winner.is_baseline,
            "confirmed": winner.confirmed,
            "saving": objective.and_then(Difference::relative).map(|share| -share),
            "saving_interval": objective.and_then(Difference::relative_interval).map(|[low, high]| [-high, -low]),
            "metrics": winner.metrics,
            "truth": metrics.as_ref().map(metrics_json),
            "keeps_objectives": metrics.as_ref().is_some_and(holds),
        })
    });
    let optimum = truth.optimum.as_ref();
    let excess = winner.and_then(|winner| winner.objective.as_ref()).zip(optimum);
    json!({
        "seed": args.seed,
        "budget": campaign.budget(),
        "trials": campaign.trials().len(),
        "journal": journal,
        "report": page,
        "baseline": {
            "settings": campaign.baseline(),
            "cost": campaign.trials().first().map(|trial| trial.plan.cost),
            "truth": truth.metrics(campaign.baseline()).as_ref().map(metrics_json),
        },
        "winner": found,
        "optimum": optimum.map(|optimum| json!({
            "settings": named(&optimum.settings),
            "cost": optimum.objective,
            "truth": metrics_json(&optimum.metrics),
        })),
        "excess": excess.map(|(difference, optimum)| difference.winner / optimum.objective - 1.0),
    })
}

fn named(settings: &model::Settings) -> Settings {
    let model::Settings { cpu, mem, replicas, workers } = *settings;
    let values = [("cpu", cpu), ("mem", mem), ("replicas", replicas), ("workers", workers)];
    values.into_iter().map(|(name, value)| (format!("service.{name}"), json!(value))).collect()
}

fn metrics_json(metrics: &Metrics) -> Map<String, Value> {
    Metrics::NAMES.iter().zip(metrics.values()).map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}
