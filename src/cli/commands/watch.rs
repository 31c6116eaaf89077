//! `servo watch`: shows what the connectors of a run publish, as it is published.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::time::Instant;

use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::listen;
use crate::cli::render::output::Format;
use crate::cli::render::published_events::{Seen, Watched};
use crate::cli::render::terminal::Size;
use crate::config::file::to_yaml;
use crate::decode::HttpUrl;
use crate::endpoints::sse::{self, Event, Reader};
use crate::network::Network;
use crate::retry::jitter;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream that is silent for so long is dead: a living one sends a sign of life every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// The longest wait before another try.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The shortest wait, so that a server that hangs up is not flooded.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// The rows of a terminal that is too low for them.
const ROWS: usize = 20;

/// Show live what the connectors of a run publish
///
/// The run must have been started with --listen. `prometheus` publishes where its section has a `streaming_interval`,
/// `vegeta` while it attacks. On a terminal it is a table of the last values, elsewhere a line for each event. It connects
/// again by itself, until a signal ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo watch --url http://127.0.0.1:9100 'metrics.*'")]
pub(crate) struct Args {
    /// Channels: names, patterns such as metrics.*, or regular expressions between slashes; all when none is given
    #[arg(value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Where the run is
    #[arg(long, default_value = "http://127.0.0.1:9100")]
    url: String,
    /// How to print it: json is one line for each event
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Shows until it is stopped.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let mut signals = listen()?;
    tokio::select! {
        result = watch(&args, cx) => result,
        _ = signals.next() => Ok(ExitCode::Success),
    }
}

/// Why a stream is over.
enum End {
    /// Asking again does not help.
    Final(CliError),
    /// The stream, or the way to it, has broken.
    Broken(String),
}

async fn watch(args: &Args, cx: &Context) -> Result<ExitCode, CliError> {
    // As `run --listen` takes it.
    let given = if args.url.contains("://") { args.url.clone() } else { format!("http://{}", args.url) };
    let base = HttpUrl::parse(&given).map_err(|problem| CliError::Usage(format!("--url: {problem}")))?;
    let url = address(&base, &args.channels);
    let shown = base.redacted();
    let network = Network::from_variables(&cx.environment);
    let http = network.client_builder().map_err(|error| CliError::Failed(error.to_string()))?;
    let http = http.connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE);
    let http = http.redirect(reqwest::redirect::Policy::none()).build();
    let http = http.map_err(|error| CliError::Failed(format!("failed to make an HTTP client: {error}")))?;
    let mut view = View::new(args.output, cx);
    let mut tries = 0;
    loop {
        view.status(&format!("connecting to {shown}"));
        let began = Instant::now();
        match follow(&http, &url, &mut view).await {
            End::Final(error) => return Err(error),
            End::Broken(problem) => {
                // A stream that has lived is not counted as a failed try.
                tries = if began.elapsed() > SILENCE { 1 } else { tries + 1 };
                let wait = jitter(tries).clamp(SHORTEST_WAIT, LONGEST_WAIT);
                let seconds = wait.as_secs_f64().ceil();
                tracing::warn!(url = shown, %problem, seconds, "no events: trying again");
                view.status(&format!("{problem}: trying again"));
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// The address of the stream.
fn address(base: &HttpUrl, channels: &[String]) -> reqwest::Url {
    let mut url = base.below("stream").url().clone();
    if !channels.is_empty() {
        url.query_pairs_mut().extend_pairs(channels.iter().map(|channel| ("channel", channel)));
    }
    url
}

/// Shows the events of one connection.
async fn follow(http: &reqwest::Client, url: &reqwest::Url, view: &mut View<'_>) -> End {
    let mut response = match http.get(url.clone()).header("accept", sse::CONTENT_TYPE).send().await {
        Ok(response) => response,
        Err(error) => return End::Broken(innermost(&error)),
    };
    let status = response.status();
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    if !status.is_success() || !content_type.is_some_and(|value| value.starts_with(sse::CONTENT_TYPE)) {
        let answer = match status.as_u16() {
            400 => {
                let said = response.text().await.unwrap_or_default();
                return End::Final(CliError::Usage(said.trim().chars().take(300).collect()));
            }
            500.. => return End::Broken(format!("answered with HTTP status {status}")),
            _ if status.is_success() => "something that is no stream of events".to_owned(),
            _ => format!("HTTP status {status}"),
        };
        return End::Final(CliError::Failed(format!(
            "the address answered with {answer}: is it that of servo run --listen?"
        )));
    }
    view.status("connected: waiting for events, of prometheus with a streaming_interval, or of vegeta");
    let mut reader = Reader::default();
    loop {
        let events = match response.chunk().await {
            Ok(Some(bytes)) => reader.read(&bytes),
            Ok(None) => return End::Broken("the stream has ended".to_owned()),
            Err(error) => return End::Broken(innermost(&error)),
        };
        let events = match events {
            Ok(events) => events,
            Err(error) => return End::Broken(error.to_string()),
        };
        for event in events {
            if let Err(error) = view.show(&event) {
                return End::Final(error);
            }
        }
    }
}

/// What is at the bottom of an error: the others name the address once more.
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

struct View<'a> {
    cx: &'a Context,
    format: Format,
    /// On a terminal: the table, and a line about the connection.
    live: Option<(ProgressBar, ProgressBar)>,
    watched: Watched,
    lost: u64,
}

impl<'a> View<'a> {
    fn new(format: Format, cx: &'a Context) -> Self {
        let is_live = format == Format::Table && cx.output.is_terminal() && !cx.screen.is_hidden();
        let live = is_live.then(|| {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let line = || cx.screen.add(ProgressBar::new_spinner().with_style(style.clone()));
            (line(), line())
        });
        Self { cx, format, live, watched: Watched::default(), lost: 0 }
    }

    /// Says how it goes with the connection.
    fn status(&self, text: &str) {
        if let Some((_, status)) = &self.live {
            status.set_message(text.to_owned());
            status.tick();
        }
    }

    fn show(&mut self, event: &Event) -> Result<(), CliError> {
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return Ok(()) };
        match self.format {
            Format::Json => return self.cx.output.line(&data),
            Format::Yaml => return self.cx.output.write(&format!("---\n{}", to_yaml(&data))),
            Format::Table => {}
        }
        if event.name == "lost" {
            let lost = data["lost"].as_u64().unwrap_or_default();
            self.lost += lost;
            tracing::warn!(lost, "events were lost: they come faster than they are read");
            return Ok(());
        }
        let Some(seen) = Seen::read(&data) else { return Ok(()) };
        let Some((table, status)) = &self.live else { return self.cx.output.line(seen.line()) };
        self.watched.add(&seen);
        let Size { rows, columns } = Size::of(std::io::stderr()).unwrap_or(Size::USUAL);
        table.set_message(self.watched.table(if rows > 6 { rows - 4 } else { ROWS }, columns));
        table.tick();
        let lost = if self.lost > 0 { format!(", {} events lost", self.lost) } else { String::new() };
        status.set_message(format!("last event at {}{lost}; Ctrl-C ends it", seen.time));
        status.tick();
        Ok(())
    }
}

impl Drop for View<'_> {
    /// The last values stay on the screen.
    fn drop(&mut self) {
        if let Some((table, status)) = &self.live {
            table.finish();
            status.finish_and_clear();
        }
    }
}
