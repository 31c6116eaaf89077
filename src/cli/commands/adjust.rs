//! `servo adjust`: gives settings new values, once, without an optimizer.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tracing::Instrument;

use super::describe::{components_json, settings_text};
use crate::cli::context::{Context, failed, span};
use crate::cli::exit::{CliError, ExitCode};
use crate::cli::render::output::{Format, Report};
use crate::connector::AdjustRequest;
use crate::servo::{Answers, Dispatch, Servo};
use crate::table::Table;
use crate::types::{Adjustment, Control, Description, Scalar};

/// Adjust settings of the application
///
/// Applies all adjustments in one operation and shows the settings afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: servo adjust web/main.cpu=1.5 web/main.replicas=3")]
pub(crate) struct Args {
    /// The new values, each as COMPONENT.SETTING=VALUE
    #[arg(value_name = "COMPONENT.SETTING=VALUE", value_parser = parse_adjustment)]
    settings: Vec<Adjustment>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, cx: &Context) -> Result<ExitCode, CliError> {
    let request = AdjustRequest { adjustments: args.settings, control: Control::default() };
    cx.ask(args.output, async |servos, dispatch| {
        check_components(servos, &request.adjustments, dispatch).await?;
        let mut reports = Vec::new();
        for servo in servos {
            let answers = servo
                .adjust(&request, dispatch)
                .instrument(span(servo, servos))
                .await
                .map_err(|error| failed("adjustment failed", &error))?;
            if answers.is_empty() {
                return Err(CliError::Failed("adjustment failed: no connector handled the request".to_owned()));
            }
            reports.push(report(servo, &answers));
        }
        Ok(reports)
    })
    .await
}

/// Refuses adjustments of components that no servo has, before anything is changed: connectors leave alone what is not
/// theirs. Connectors that adjust and do not say what make every name possible.
async fn check_components(servos: &[Servo], wanted: &[Adjustment], dispatch: &Dispatch) -> Result<(), CliError> {
    let mut known = BTreeSet::new();
    for servo in servos {
        let mut adjusting = servo.connectors().iter().filter(|connector| connector.as_adjust().is_some());
        if adjusting.any(|connector| connector.as_components().is_none()) {
            return Ok(());
        }
        let answers = servo
            .components(dispatch)
            .instrument(span(servo, servos))
            .await
            .map_err(|error| failed("adjustment failed", &error))?;
        known.extend(answers.into_iter().flat_map(|(_, components)| components).map(|component| component.name));
    }
    let unknown: BTreeSet<&str> = wanted.iter().map(|adjustment| adjustment.component_name.as_str()).collect();
    let unknown: Vec<&str> = unknown.into_iter().filter(|name| !known.contains(*name)).collect();
    if unknown.is_empty() || known.is_empty() {
        return Ok(());
    }
    let (unknown, known) = (unknown.join(", "), known.into_iter().collect::<Vec<_>>().join(", "));
    Err(CliError::Failed(format!("adjustment failed: there is no component {unknown}; there is {known}")))
}

/// Splits at the first dot, then at the first equals sign, so that a value may hold both.
fn parse_adjustment(text: &str) -> Result<Adjustment, String> {
    let parts = text.split_once('.').and_then(|(component, rest)| {
        let (setting, value) = rest.split_once('=')?;
        Some((component, setting, value))
    });
    match parts {
        Some((component, setting, value)) if !component.is_empty() && !setting.is_empty() => {
            Ok(Adjustment::new(component, setting, Scalar::Text(value.to_owned())))
        }
        _ => Err(format!("unable to parse setting descriptor '{text}': expected format is 'component.setting=value'")),
    }
}

fn report(servo: &Servo, answers: &Answers<Description>) -> Report {
    let mut table = Table::new(["CONNECTOR", "SETTINGS"]);
    let mut values = Vec::new();
    for (connector, description) in answers {
        table.row([connector.as_str(), &settings_text(description)]);
        values.push(json!({
            "connector": connector.as_str(),
            "components": components_json(&description.components),
        }));
    }
    let value = Map::from_iter([("adjustments".to_owned(), Value::Array(values))]);
    Report { servo: servo.name().to_owned(), table, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustment_is_split_at_the_first_dot_and_the_first_equals_sign() {
        for (text, expected) in [
            ("web.cpu=1.5", ("web", "cpu", "1.5")),
            ("web.JAVA.OPTS=-Da=b", ("web", "JAVA.OPTS", "-Da=b")),
            ("web.flag=", ("web", "flag", "")),
        ] {
            let (component, setting, value) = expected;
            let expected = Adjustment::new(component, setting, Scalar::Text(value.to_owned()));
            assert_eq!(parse_adjustment(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_adjustment_is_refused_with_the_form_that_is_expected() {
        for text in ["", "foo", "web.cpu", "cpu=1", ".cpu=1", "web.=1", "a=b.c"] {
            let error = parse_adjustment(text).expect_err(text);
            assert!(error.contains("'component.setting=value'"), "{error}");
        }
    }
}
