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
    cx.ask(args.output, async |servos, dispatch| {
        let adjustments = addressed(servos, &args.settings, dispatch).await?;
        let request = AdjustRequest { adjustments, control: Control::default() };
        let (mut reports, mut state) = (Vec::new(), Description::default());
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
            state.merge(Description::merged(answers.into_iter().map(|(_, description)| description)));
        }
        let mismatches: Vec<String> = state.mismatches(&request.adjustments).iter().map(ToString::to_string).collect();
        if mismatches.is_empty() {
            Ok(reports)
        } else {
            Err(CliError::Failed(format!("the adjustment is not live: {}", mismatches.join(", "))))
        }
    })
    .await
}

/// The adjustments with their components told apart from their settings, as both may have dots. Refuses components that no
/// servo has, before anything is changed: connectors leave alone what is not theirs. Connectors that adjust and do not
/// list their components make every name possible.
async fn addressed(servos: &[Servo], wanted: &[Adjustment], dispatch: &Dispatch) -> Result<Vec<Adjustment>, CliError> {
    let mut known = BTreeSet::new();
    for servo in servos {
        let mut adjusting = servo.connectors().iter().filter(|connector| connector.as_adjust().is_some());
        if adjusting.any(|connector| connector.as_components().is_none()) {
            return Ok(wanted.to_vec());
        }
        let answers = servo
            .components(dispatch)
            .instrument(span(servo, servos))
            .await
            .map_err(|error| failed("adjustment failed", &error))?;
        known.extend(answers.into_iter().flat_map(|(_, components)| components).map(|component| component.name));
    }
    let addressed: Vec<Adjustment> = wanted.iter().map(|adjustment| of_component(adjustment, &known)).collect();
    let names: BTreeSet<&str> = addressed.iter().map(|adjustment| adjustment.component_name.as_str()).collect();
    let unknown: Vec<&str> = names.into_iter().filter(|name| !known.contains(*name)).collect();
    if unknown.is_empty() || known.is_empty() {
        return Ok(addressed);
    }
    let (unknown, known) = (unknown.join(", "), known.into_iter().collect::<Vec<_>>().join(", "));
    Err(CliError::Failed(format!("adjustment failed: unknown component {unknown}; known components: {known}")))
}

/// The same adjustment with the longest known component that its text begins with.
fn of_component(adjustment: &Adjustment, known: &BTreeSet<String>) -> Adjustment {
    let selector = adjustment.selector();
    let setting = |component: &str| selector.strip_prefix(component)?.strip_prefix('.').filter(|rest| !rest.is_empty());
    let component = known.iter().filter(|name| setting(name).is_some()).max_by_key(|name| name.len());
    let named = component.and_then(|name| Some((name, setting(name)?)));
    named.map_or_else(
        || adjustment.clone(),
        |(component, setting)| Adjustment::new(component.as_str(), setting, adjustment.value.clone()),
    )
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

    #[test]
    fn a_component_may_have_dots_as_its_setting_may() {
        let known: BTreeSet<String> = ["web", "web.v1"].map(str::to_owned).into();
        for (text, expected) in [
            ("web.v1.cpu=1", ("web.v1", "cpu")),
            ("web.JAVA.OPTS=1", ("web", "JAVA.OPTS")),
            ("db.v1.cpu=1", ("db", "v1.cpu")),
        ] {
            let adjustment = of_component(&parse_adjustment(text).unwrap(), &known);
            assert_eq!((adjustment.component_name.as_str(), adjustment.setting_name.as_str()), expected, "{text}");
        }
    }
}
