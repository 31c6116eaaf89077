//! `servo version`: what this program or one of its connectors is. Needs no configuration.

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::cli::context::{Context, choice};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::Format;
use crate::connector::{License, Maturity, Metadata};
use crate::servo;
use crate::telemetry::SERVOX_VERSION;

/// Show the version of servo or of a connector
///
/// Without a connector it is the version of servo itself, and that of ServoX whose configuration, commands and
/// protocol it speaks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo version prometheus --short")]
pub(crate) struct Args {
    /// The connector to show, by its name or class name
    connector: Option<String>,
    /// Show only name and version
    #[arg(short, long)]
    short: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, conflicts_with = "output")]
    format: VersionFormat,
    /// How to print it, as for other commands
    #[arg(long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum VersionFormat {
    #[default]
    Text,
    Json,
}

impl Args {
    /// The connector types that are named.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.connector.as_deref().into_iter().collect()
    }
}

#[expect(clippy::unused_async, reason = "all commands are called alike")]
pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let version = match &args.connector {
        None => Version { metadata: &servo::METADATA, number: env!("CARGO_PKG_VERSION"), is_program: true },
        Some(identifier) => {
            let metadata = cx.metadata(identifier).ok_or_else(|| unknown(identifier, cx))?;
            Version { metadata, number: &metadata.version, is_program: false }
        }
    };
    let format = args.output.unwrap_or(match args.format {
        VersionFormat::Text => Format::Table,
        VersionFormat::Json => Format::Json,
    });
    cx.output.result(format, version.text(args.short), &version.json(args.short))?;
    Ok(ExitCode::Success)
}

fn unknown(identifier: &str, cx: &Context) -> CliError {
    let known: Vec<&str> = cx.registry.iter().map(|factory| factory.metadata().default_name.as_ref()).collect();
    CliError::Usage(format!("no connector found for key '{identifier}': {}", choice(&known)))
}

struct Version<'a> {
    metadata: &'a Metadata,
    number: &'a str,
    /// Whether it is this program, not one of its connectors.
    is_program: bool,
}

impl Version<'_> {
    fn text(&self, short: bool) -> String {
        let Metadata { full_name, description, homepage, license, maturity, .. } = self.metadata;
        let name = format!("{full_name} v{}", self.number);
        if short {
            return name;
        }
        let lines = [
            Some(maturity.map_or_else(|| name.clone(), |maturity| format!("{name} ({})", maturity.as_str()))),
            description.as_deref().map(str::to_owned),
            homepage.as_deref().map(str::to_owned),
            license.map(|license| format!("Licensed under the terms of {}", license.as_str())),
            self.is_program.then(|| format!("Compatible with ServoX {SERVOX_VERSION}")),
        ];
        lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    fn json(&self, short: bool) -> Value {
        let Metadata { full_name, description, homepage, license, maturity, .. } = self.metadata;
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(full_name));
        object.insert("version".to_owned(), json!(self.number));
        // Releases of ServoX have one; readers of this output expect the key.
        object.insert("cryptonym".to_owned(), Value::Null);
        if !short {
            object.insert("maturity".to_owned(), json!(maturity.map(Maturity::as_str)));
            object.insert("description".to_owned(), json!(description));
            object.insert("homepage".to_owned(), json!(homepage));
            object.insert("license".to_owned(), json!(license.map(License::as_str)));
            if self.is_program {
                object.insert("compatible_with".to_owned(), json!(format!("ServoX {SERVOX_VERSION}")));
            }
        }
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata {
            default_name: "kube_metrics".into(),
            class_name: "KubeMetricsConnector".into(),
            full_name: "KubeMetrics Connector".into(),
            version: "0.0.1".into(),
            description: Some("Reads the metrics server".into()),
            homepage: None,
            license: Some(License::Apache2),
            maturity: Some(Maturity::Experimental),
        }
    }

    #[test]
    fn what_a_connector_does_not_say_has_no_line_and_is_null_in_json() {
        let metadata = metadata();
        let version = Version { metadata: &metadata, number: "0.0.1", is_program: false };
        assert_eq!(version.text(true), "KubeMetrics Connector v0.0.1");
        assert_eq!(
            version.text(false),
            "KubeMetrics Connector v0.0.1 (Experimental)\nReads the metrics server\n\
             Licensed under the terms of Apache 2.0"
        );
        assert_eq!(
            version.json(false).to_string(),
            "{\"name\":\"KubeMetrics Connector\",\"version\":\"0.0.1\",\"cryptonym\":null,\
             \"maturity\":\"Experimental\",\"description\":\"Reads the metrics server\",\"homepage\":null,\
             \"license\":\"Apache 2.0\"}"
        );
        assert_eq!(
            version.json(true).to_string(),
            "{\"name\":\"KubeMetrics Connector\",\"version\":\"0.0.1\",\"cryptonym\":null}"
        );
    }
}
