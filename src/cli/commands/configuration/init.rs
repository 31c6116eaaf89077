//! `servo init`: writes the `.env` and the servo.yaml of a new servo.
//!
//! All questions are asked before anything is written. What is given as an option is not asked for.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::assembly::Registry;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::interrupt::listen;
use crate::cli::input::prompt::{self, Question};
use crate::cli::render::atomic_file::{PRIVATE, PUBLIC, replace};
use crate::cli::render::output::Output;
use crate::config::file::to_yaml;
use crate::config::{OpsaniOptimizer, variables};
use crate::connector::ErasedFactory;
use crate::decode::{Decode as _, Decoder, NoVariables, Node, Origin};

/// Where the address and the token of the optimizer are kept.
const DOTENV: &str = ".env";

/// The longest token file that is read, in bytes.
const LONGEST_TOKEN: u64 = 64 << 10;

/// Create the files of a new servo
///
/// Writes the optimizer with its token to .env, which only its owner can read, and a servo.yaml with a section to begin
/// with for every connector. Asks for what the options do not say, and before a file is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  servo init
  servo init --optimizer dev.opsani.com/app --token-file token.txt --connectors prometheus,vegeta --force")]
pub(crate) struct Args {
    /// Write a .env file; the default
    #[arg(long, overrides_with = "no_dotenv", hide = true)]
    dotenv: bool,
    /// Write no .env file, and ask for no optimizer
    #[arg(long)]
    no_dotenv: bool,
    #[arg(
        long,
        value_name = "ID",
        value_parser = parse_optimizer,
        help = "The optimizer, such as dev.opsani.com/app-name; its token is then that of --token-file or OPSANI_TOKEN"
    )]
    optimizer: Option<String>,
    /// Read the optimizer's token from this file; - is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The connectors of servo.yaml, separated by commas, or all
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    connectors: Option<Vec<String>>,
    /// Overwrite files that exist
    #[arg(long)]
    force: bool,
}

impl Args {
    /// The connector types that are named.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.connectors.iter().flatten().map(|name| name.trim()).collect()
    }
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let mut signals = listen()?;
    tokio::select! {
        result = init(&args, cx) => result,
        // Nothing has been written yet, or a file is whole.
        _ = signals.next() => Err(CliError::Interrupted { clean: true }),
    }
}

async fn init(args: &Args, cx: &Context) -> Result<ExitCode, CliError> {
    let path = cx.config_path();
    let chosen = args.connectors.as_deref().map(|names| chosen(names, cx.registry)).transpose()?;
    let dotenv = dotenv(args, cx).await?;
    let chosen = match chosen {
        Some(chosen) => chosen,
        None => ask_connectors(cx).await?,
    };
    let write_config = may_write(&path, args, cx).await?;
    if let Some(text) = dotenv {
        replace(Path::new(DOTENV), &text, PRIVATE)?;
        cx.output.line(format_args!("{DOTENV} file initialized"))?;
    }
    if !write_config {
        return Err(CliError::Aborted);
    }
    let text = to_yaml(&config(&chosen, cx.registry));
    replace(&path, &text, PUBLIC)?;
    cx.output.line(format_args!("{text}\nGenerated {}", cx.globals.config_file.display()))?;
    Ok(ExitCode::Success)
}

/// The text of `.env`; `None` when it is to stay as it is.
async fn dotenv(args: &Args, cx: &Context) -> Result<Option<String>, CliError> {
    if args.no_dotenv || !may_write(Path::new(DOTENV), args, cx).await? {
        return Ok(None);
    }
    let optimizer = match &args.optimizer {
        Some(optimizer) => optimizer.clone(),
        None => ask_optimizer(cx).await?,
    };
    let token = token(args, cx).await?;
    Ok(Some(format!(
        "{}={optimizer}\n{}={}\n{}=DEBUG\n",
        variables::OPSANI_OPTIMIZER,
        variables::OPSANI_TOKEN,
        dotenv_value(&token),
        variables::SERVO_LOG_LEVEL
    )))
}

async fn may_write(path: &Path, args: &Args, cx: &Context) -> Result<bool, CliError> {
    if args.force || !path.exists() {
        return Ok(true);
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).display();
    prompt::confirm(&cx.output, &format!("File '{name}' already exists. Overwrite it?")).await
}

async fn ask_optimizer(cx: &Context) -> Result<String, CliError> {
    let present = cx.environment.non_empty(variables::OPSANI_OPTIMIZER);
    let question = "Opsani optimizer? (format: dev.opsani.com/app-name)";
    let question = Question { text: question, default: present, shown_default: present, secret: false };
    loop {
        match parse_optimizer(&prompt::ask(&cx.output, question).await?) {
            Ok(optimizer) => return Ok(optimizer),
            Err(problem) => cx.output.line(problem)?,
        }
    }
}

/// The id as it is, when it is one.
fn parse_optimizer(id: &str) -> Result<String, String> {
    let node = Node::from_json(&json!({"id": id, "token": "unknown"}), &Origin::whole("optimizer"));
    match Decoder::run(&NoVariables, |cx| OpsaniOptimizer::decode(&node, cx)) {
        Ok(_) => Ok(id.to_owned()),
        Err(problems) => Err(problems.iter().map(|problem| problem.rule.as_str()).collect::<Vec<_>>().join("; ")),
    }
}

/// The token of the file; else, when nothing is to be asked, that of the environment; else the one that is typed.
async fn token(args: &Args, cx: &Context) -> Result<String, CliError> {
    let present = cx.environment.non_empty(variables::OPSANI_TOKEN);
    if let Some(path) = &args.token_file {
        return parse_token(&read_token(path, &cx.output).await?)
            .map_err(|problem| CliError::Usage(format!("token file '{}': {problem}", path.display())));
    }
    if let (Some(_), Some(token)) = (&args.optimizer, present) {
        return parse_token(token).map_err(|problem| {
            CliError::Usage(format!("environment variable {}: {problem}", variables::OPSANI_TOKEN))
        });
    }
    let shown_default = present.map(|_| "the present one");
    let question = Question { text: "API token?", default: present, shown_default, secret: true };
    loop {
        match parse_token(&prompt::ask(&cx.output, question).await?) {
            Ok(token) => return Ok(token),
            Err(problem) => cx.output.line(problem)?,
        }
    }
}

async fn read_token(path: &Path, output: &Output) -> Result<String, CliError> {
    if path == Path::new("-") {
        return prompt::read_line(output).await;
    }
    let failed =
        |error: io::Error| CliError::Usage(format!("cannot read the token file '{}': {error}", path.display()));
    let file = File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    file.take(LONGEST_TOKEN).read_to_string(&mut text).await.map_err(failed)?;
    Ok(text)
}

/// A token without the white space around it. The errors do not repeat it.
fn parse_token(text: &str) -> Result<String, &'static str> {
    let token = text.trim();
    if token.is_empty() {
        return Err("the token is empty");
    }
    if token.chars().any(char::is_control) || token.contains("${") {
        return Err("the token has several lines, control characters, or ${: it cannot be kept in .env");
    }
    Ok(token.to_owned())
}

/// The value as `.env` must have it to be read back: quoted only when it has to be.
fn dotenv_value(value: &str) -> String {
    if value.chars().all(|c| !c.is_whitespace() && !matches!(c, '\'' | '"' | '#' | '\\')) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The connectors that were asked for by name; `None` is all.
type Chosen = Option<Vec<&'static dyn ErasedFactory>>;

fn chosen(names: &[String], registry: Registry) -> Result<Chosen, CliError> {
    let names: Vec<&str> = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() || names == ["all"] {
        return Ok(None);
    }
    let mut chosen: Vec<&dyn ErasedFactory> = Vec::new();
    for name in names {
        let factory = registry.iter().find(|factory| factory.metadata().is_named(name)).ok_or_else(|| {
            CliError::Usage(format!("no connector found for key '{name}': use one of {}", known(registry)))
        })?;
        let default_name = &factory.metadata().default_name;
        if !chosen.iter().any(|present| present.metadata().default_name == *default_name) {
            chosen.push(*factory);
        }
    }
    Ok(Some(chosen))
}

fn known(registry: Registry) -> String {
    registry.iter().map(|factory| factory.metadata().default_name.as_ref()).collect::<Vec<_>>().join(", ")
}

async fn ask_connectors(cx: &Context) -> Result<Chosen, CliError> {
    let question = "Generating servo.yaml. Do you want to select the connectors?";
    if !prompt::confirm(&cx.output, question).await? {
        return Ok(None);
    }
    let text = format!("Connectors, separated by commas? (any of {})", known(cx.registry));
    let question = Question { text: &text, default: Some("all"), shown_default: Some("all"), secret: false };
    loop {
        let answer = prompt::ask(&cx.output, question).await?;
        let names: Vec<String> = answer.split(',').map(str::to_owned).collect();
        match chosen(&names, cx.registry) {
            Ok(chosen) => return Ok(chosen),
            Err(problem) => cx.output.line(problem)?,
        }
    }
}

/// The sections to begin with. There is no optimizer among them: it would hide that of `.env`.
fn config(chosen: &Chosen, registry: Registry) -> Value {
    let mut config = Map::new();
    let factories = match chosen {
        Some(chosen) => {
            let names: Vec<&str> = chosen.iter().map(|factory| factory.metadata().default_name.as_ref()).collect();
            config.insert("connectors".to_owned(), json!(names));
            chosen.clone()
        }
        None => registry.iter().copied().filter(|factory| !factory.is_by_name_only()).collect(),
    };
    let sections = factories.iter().map(|factory| (factory.metadata().default_name.to_string(), factory.sample()));
    config.extend(sections);
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn what_is_written_to_dotenv_reads_back() {
        for token in ["plain", "a b", "a#b", "#a", "it's", "\"x\"", "back\\slash", "back\\'both", "a=b", "$HOME", "é"]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let text = format!("{}={}\n", variables::OPSANI_TOKEN, dotenv_value(token));
            std::fs::write(folder.path().join(DOTENV), &text).expect("written");
            let mut environment = Environment::default();
            environment.load_dotenv(folder.path()).expect("readable");
            assert_eq!(environment.non_empty(variables::OPSANI_TOKEN), Some(token), "{text}");
        }
    }

    #[test]
    fn tokens_are_trimmed_and_bad_ones_are_refused_without_repeating_them() {
        assert_eq!(parse_token(" t0k3n \n"), Ok("t0k3n".to_owned()));
        for text in ["", " \n", "s3cr3t\ns3cr3t", "s3cr3t${x}", "s3cr3t\0"] {
            let problem = parse_token(text).expect_err(text);
            assert!(!problem.contains("s3cr3t"), "{problem}");
        }
    }

    #[test]
    fn an_optimizer_is_an_id() {
        assert_eq!(parse_optimizer("dev.opsani.com/app"), Ok("dev.opsani.com/app".to_owned()));
        for id in ["", "app", "a/b", "dev.opsani.com/", "dev.opsani.com/a b"] {
            assert!(parse_optimizer(id).is_err(), "{id:?}");
        }
    }
}
