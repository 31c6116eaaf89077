//! `servo config`: the configuration as it was understood.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::assembly::PreparedServo;
use crate::cli::context::Context;
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::python::to_python;
use crate::config::file::to_yaml;
use crate::config::{Detail, Dump, OptimizerRequirement, Secrets};
use crate::telemetry::SERVOX_VERSION;

/// Show the configuration as it was understood
///
/// Prints the file and the environment together, without what has its default value. Secrets are redacted unless --raw
/// is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  servo config                             Show everything
  servo config prometheus --format json    Show one section as JSON
  servo config --raw -o resolved.yaml      Write a file that loads back the same")]
pub(crate) struct Args {
    /// Show only these top-level keys
    keys: Vec<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    format: ConfigFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show secrets, so that the output loads back the same
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ConfigFormat {
    /// A file that loads back
    #[default]
    Yaml,
    /// JSON
    Json,
    /// A Python literal
    Dict,
    /// The same as yaml
    Text,
    /// A Kubernetes ConfigMap that holds the file without its optimizer
    Configmap,
}

/// Prints it, one document for each servo.
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let servos = cx.prepared(OptimizerRequirement::Optional).await?.chosen;
    let documents: Vec<String> = servos.iter().map(|servo| document(servo, &args)).collect();
    let separator = if matches!(args.format, ConfigFormat::Yaml | ConfigFormat::Text) { "---\n" } else { "" };
    let text = documents.join(separator);
    match &args.output {
        None => cx.output.line(text)?,
        Some(path) => cx.write_file(path, &text).await?,
    }
    Ok(ExitCode::Success)
}

fn document(servo: &PreparedServo, args: &Args) -> String {
    let secrets = if args.raw { Secrets::Raw } else { Secrets::Redacted };
    let mut shown = servo.shown(Dump { secrets, detail: Detail::Set });
    if let Value::Object(members) = &mut shown
        && !args.keys.is_empty()
    {
        members.retain(|key, _| args.keys.contains(key));
    }
    match args.format {
        ConfigFormat::Yaml | ConfigFormat::Text => to_yaml(&sorted(shown)),
        ConfigFormat::Json => format!("{shown:#}\n"),
        ConfigFormat::Dict => format!("{}\n", to_python(&shown)),
        ConfigFormat::Configmap => config_map(servo, shown),
    }
}

/// The mapping with all keys in order, also further down.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> = members.into_iter().collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.into_iter().map(|(key, member)| (key, sorted(member))).collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

fn config_map(servo: &PreparedServo, mut shown: Value) -> String {
    if let Value::Object(members) = &mut shown {
        members.shift_remove("optimizer");
    }
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "opsani-servo-config",
            "labels": { "app.kubernetes.io/name": "servo", "app.kubernetes.io/version": SERVOX_VERSION },
            "annotations": {
                "servo.opsani.com/configured_at": now,
                "servo.opsani.com/connectors": connectors(servo).to_string(),
            },
        },
        "data": { "servo.yaml": to_yaml(&sorted(shown)) },
    });
    format!("---\n{}", to_yaml(&object))
}

/// What is active, for whoever reads the annotation.
fn connectors(servo: &PreparedServo) -> Value {
    let connector = |route: &crate::assembly::Route| {
        let metadata = route.factory.metadata();
        Value::Object(Map::from_iter([
            ("name".to_owned(), json!(route.name.as_str())),
            ("type".to_owned(), json!(metadata.full_name)),
            ("description".to_owned(), json!(metadata.description)),
            ("version".to_owned(), json!(metadata.version)),
            ("url".to_owned(), json!(metadata.homepage)),
        ]))
    };
    servo.routes.iter().map(connector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_level() {
        let value = json!({"b": [{"d": 1, "c": 2}], "a": null});
        assert_eq!(sorted(value).to_string(), r#"{"a":null,"b":[{"c":2,"d":1}]}"#);
    }
}
