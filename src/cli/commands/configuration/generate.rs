//! `servo generate`: a configuration file to begin with.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::assembly::load;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::input::prompt::confirm;
use crate::config::file::{parse_documents, to_yaml};
use crate::config::{ChecksConfig, CommonConfig, Detail, Dump, Environment, OptimizerRequirement, Secrets};
use crate::connector::{ConnectorName, ErasedFactory, Section};
use crate::decode::{Decoder, NoVariables, Node, Origin, shown};

/// Generate a configuration file to begin with
///
/// The file has a section for each connector that is named, or for all there are, and an optimizer in place of
/// yours.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "its options are independent switches")]
#[command(after_help = "Examples:
  servo generate prometheus kubernetes       Two connectors
  servo generate old:prometheus new:prometheus   Two of one type, under names of your own
  servo generate wait --append               One more servo in the same file")]
pub(crate) struct Args {
    /// The connectors to write sections for: NAME, or ALIAS:NAME
    connectors: Vec<String>,
    /// The file to write
    #[arg(short, long, default_value = "servo.yaml")]
    file: PathBuf,
    /// Write every key that has a default
    #[arg(short, long)]
    defaults: bool,
    /// The name of the servo
    #[arg(short, long)]
    name: Option<String>,
    /// Leave the key `connectors` out
    #[arg(short, long)]
    standalone: bool,
    /// Do not print what is written
    #[arg(short, long)]
    quiet: bool,
    /// Overwrite the file without asking
    #[arg(long)]
    force: bool,
    /// Add a document to the file
    #[arg(long, conflicts_with = "force")]
    append: bool,
}

impl Args {
    /// The connector types that are named.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.connectors.iter().map(|name| identifier(name)).collect()
    }
}

/// The identifier in `NAME` or `ALIAS:NAME`.
pub(super) fn identifier(text: &str) -> &str {
    text.split_once(':').map_or(text, |(_, identifier)| identifier)
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let named = args.connectors.iter().map(|name| Named::parse(name, cx)).collect::<Result<Vec<_>, _>>()?;
    if args.standalone && named.iter().any(|named| named.alias.is_some_and(|alias| alias != named.default_name())) {
        let problem = "--standalone leaves out the key that gives connectors names of their own: use one of them";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let text = to_yaml(&document(&args, &named, cx));
    verify(&text, &args.file, cx)?;
    let exists = args.file.exists();
    let content = if args.append && exists { appended(&args.file, &text).await? } else { text.clone() };
    if exists && !args.force && !args.append {
        let question = format!("File '{}' already exists. Overwrite it?", args.file.display());
        if !confirm(&cx.output, &question).await? {
            return Err(CliError::Aborted);
        }
    }
    cx.write_file(&args.file, &content).await?;
    if !args.quiet {
        cx.output.line(&text)?;
        cx.output.line(format_args!("Generated {}", args.file.display()))?;
    }
    Ok(ExitCode::Success)
}

/// The file with one more document at its end, which is left as it is otherwise.
async fn appended(path: &Path, document: &str) -> Result<String, CliError> {
    let existing = tokio::fs::read_to_string(path).await.map_err(|error| {
        CliError::Failed(format!("failed to read '{}', to which the document is added: {error}", path.display()))
    })?;
    let end = if existing.is_empty() || existing.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{existing}{end}---\n{document}"))
}

/// What is written must load; names of connectors are judged here too.
fn verify(text: &str, file: &Path, cx: &Context) -> Result<(), CliError> {
    let environment = Environment::from_pairs(std::iter::empty::<(&str, &str)>());
    let loaded = parse_documents(text, &file.display().to_string())
        .and_then(|parsed| load(parsed, cx.registry, &environment, OptimizerRequirement::Required));
    loaded.map(|_| ()).map_err(|problems| CliError::Configuration { file: file.to_owned(), problems })
}

/// A connector that was named on the command line.
pub(super) struct Named<'a> {
    /// The name of one's own, before a colon.
    alias: Option<&'a str>,
    identifier: &'a str,
    factory: &'static dyn ErasedFactory,
}

impl<'a> Named<'a> {
    pub(super) fn parse(text: &'a str, cx: &Context) -> Result<Self, CliError> {
        let (alias, identifier) = match text.split_once(':') {
            Some((alias, identifier)) => (Some(alias), identifier),
            None => (None, text),
        };
        if identifier.contains(':') {
            return Err(CliError::Usage(format!("'{text}' has more than one colon: write NAME or ALIAS:NAME")));
        }
        let factory = cx.factory(identifier).ok_or_else(|| {
            CliError::Usage(format!(
                "no connector found for identifier '{identifier}': use one of {}",
                cx.known_types()
            ))
        })?;
        Ok(Self { alias, identifier, factory })
    }

    /// The default name of its type.
    pub(super) fn default_name(&self) -> &'static str {
        &self.factory.metadata().default_name
    }

    /// The key of its section.
    pub(super) fn name(&self) -> &'a str {
        self.alias.unwrap_or_else(|| self.default_name())
    }
}

/// The document that is written.
fn document(args: &Args, named: &[Named<'_>], cx: &Context) -> Value {
    let mut document = Map::new();
    let mut insert = |key: &str, value: Value| {
        document.insert(key.to_owned(), value);
    };
    if let Some(name) = &args.name {
        insert("name", json!(name));
    }
    insert("optimizer", optimizer(args.defaults));
    if let Some(connectors) = connectors(named).filter(|_| !args.standalone) {
        insert("connectors", connectors);
    }
    if args.defaults {
        let dump = Dump { secrets: Secrets::Redacted, detail: Detail::Full };
        insert("no_diagnostics", json!(true));
        insert("settings", without_nulls(shown(&CommonConfig::default(), dump)));
        insert("checks", without_nulls(shown(&ChecksConfig::default(), dump)));
    }
    if named.is_empty() {
        for factory in cx.registry.iter().filter(|factory| !factory.is_by_name_only()) {
            insert(&factory.metadata().default_name, section(*factory, args.defaults));
        }
    }
    for named in named {
        insert(named.name(), section(named.factory, args.defaults));
    }
    Value::Object(document)
}

/// An optimizer in place of the user's.
fn optimizer(defaults: bool) -> Value {
    let mut optimizer = json!({ "id": "generated-id.test/generated", "token": "generated-token" });
    if defaults {
        optimizer["base_url"] = json!("https://api.opsani.com");
    }
    optimizer["url"] = json!("https://api.opsani.com/accounts/generated-id.test/applications/generated/");
    optimizer
}

/// The key `connectors`: a mapping as soon as there is a name of one's own.
fn connectors(named: &[Named<'_>]) -> Option<Value> {
    if named.is_empty() {
        return None;
    }
    if named.iter().any(|named| named.alias.is_some()) {
        let entry = |named: &Named<'_>| (named.name().to_owned(), json!(named.identifier));
        return Some(Value::Object(named.iter().map(entry).collect()));
    }
    Some(named.iter().map(|named| named.identifier).collect())
}

/// The section to begin with; with defaults, every key of it that is not null.
fn section(factory: &'static dyn ErasedFactory, defaults: bool) -> Value {
    let sample = factory.sample();
    if !defaults {
        return sample;
    }
    let name = ConnectorName::new(&*factory.metadata().default_name);
    let node = Node::from_json(&sample, &Origin::whole("sample"));
    let section = Section { name: &name, node: &node, prefix: "" };
    // A test holds every sample to be valid; one that is not is shown as it is, and refused when it is verified.
    let parsed = Decoder::run(&NoVariables, |cx| factory.parse(section, cx));
    parsed.map_or(sample, |prepared| without_nulls(prepared.show(Secrets::Redacted)))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, member)| !member.is_null())
            .map(|(key, member)| (key, without_nulls(member)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
