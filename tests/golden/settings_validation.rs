//! The rules of settings: decoding them, changing fields, and reporting live values.

use serde_json::{Value, json};
use servox::internals::decode::Problems;
use servox::internals::types::{ByteSize, Core, EnvironmentSetting, Scalar, Setting};

use crate::support::{
    decimal, decode, decoded, expect_equal, expect_problems_with, is_marked, is_validation_error, setting, text,
};

pub(crate) fn check(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let class = text(input, "class").unwrap_or_default();
    if class == "EnvironmentSettingList" {
        return check_list(case, decode(&input["value"]));
    }
    let result = apply(class, input)?;
    if is_marked(case) && input.get("safe_set").is_some() {
        let setting = result.map_err(|problems| problems.to_string())?;
        return check_live_value(class, input, &setting);
    }
    if is_marked(case) && !is_refused_by_the_port(case, class) {
        return match result {
            Ok(setting) if is_text_of_a_number(case) => {
                expect_equal("value", &Some(input["args"]["value"].clone()), &setting.dump().get("value").cloned())
            }
            Ok(setting) => check_fields(&case["output"], &setting),
            Err(problems) => Err(format!("expected a setting, got {problems}")),
        };
    }
    match (text(case, "error"), result) {
        (Some(error), Err(problems)) if is_validation_error(error) => check_problems(class, error, &problems),
        (None, Ok(setting)) if !is_marked(case) => check_fields(&case["output"], &setting),
        (None, Err(problems)) if !is_marked(case) => Err(format!("expected a setting, got {problems}")),
        (_, Err(_)) => Ok(()),
        (_, Ok(setting)) => Err(format!("expected problems, got {setting}")),
    }
}

/// Makes the setting, changes its fields one by one, and sets its live value.
fn apply(class: &str, input: &Value) -> Result<Result<Setting, Problems>, String> {
    let mut changed = match setting(class, &input["args"]) {
        Ok(setting) => setting,
        Err(problems) => return Ok(Err(problems)),
    };
    for assignment in input.get("assign").and_then(Value::as_array).into_iter().flatten() {
        let field = assignment[0].as_str().unwrap_or_default();
        if let Err(problems) = changed.assign_field(field, &assignment[1]) {
            return Ok(Err(problems));
        }
    }
    let Some(live) = input.get("safe_set") else { return Ok(Ok(changed)) };
    let original = changed.clone();
    let live: Option<Scalar> = decoded(live)?;
    let copy = changed.safe_set(live.as_ref());
    expect_equal("the original", &original, &changed)?;
    Ok(Ok(copy))
}

/// Whether a marked case is one that the port refuses: a negative step, a minimum above the maximum, a quantity
/// that is none, a value whose text is not in the list.
fn is_refused_by_the_port(case: &Value, class: &str) -> bool {
    let input = &case["input"];
    let is_negative = |value: &Value| value.to_string().trim_matches('"').starts_with('-');
    let is_raised_minimum = input.get("assign").is_some();
    let has_escaped = text(case, "error").is_some_and(|error| !is_validation_error(error));
    let is_list = class == "EnumSetting";
    is_negative(&input["args"]["step"]) || is_raised_minimum || has_escaped || (is_list && !is_text_of_a_number(case))
}

/// Whether a value is a number whose text is in the list of values.
fn is_text_of_a_number(case: &Value) -> bool {
    let args = &case["input"]["args"];
    let text_of = |value: &Value| decode::<String>(value).ok();
    let values = args["values"].as_array().map_or(&[][..], Vec::as_slice);
    args["value"].is_number() && values.iter().any(|value| text_of(value) == text_of(&args["value"]))
}

/// A live value that breaks a rule is converted where it can be, and kept as text where not.
fn check_live_value(class: &str, input: &Value, setting: &Setting) -> Result<(), String> {
    let live = &input["safe_set"];
    let quantity = match class {
        "kubernetes.CPU" | "opsani_dev.CPU" => decode::<Core>(live).ok().map(|core| json!(core)),
        "kubernetes.Memory" | "opsani_dev.Memory" => decode::<ByteSize>(live).ok().map(|size| json!(size)),
        _ => live.as_str().and_then(|live| number(live, text(&input["args"], "value_type"))),
    };
    let got = setting.dump().get("value").cloned().unwrap_or_default();
    expect_equal("live value", &quantity.unwrap_or_else(|| live.clone()), &got)
}

/// The number of a text, of the type that is asked for.
fn number(text: &str, value_type: Option<&str>) -> Option<Value> {
    let integer = || text.parse::<i64>().ok().map(Value::from);
    let float = || text.parse::<f64>().ok().map(Value::from);
    match value_type {
        Some("int") => integer(),
        Some("float") => float(),
        _ => integer().or_else(float),
    }
}

fn check_fields(expected: &Value, setting: &Setting) -> Result<(), String> {
    let dump = setting.dump();
    for (field, expected) in expected.as_object().into_iter().flatten() {
        match (field.as_str(), dump.get(field)) {
            ("class" | "variable_name", None) => {}
            (_, Some(got)) => check_field(field, expected, got, setting)?,
            (_, None) => return Err(format!("{field} is missing")),
        }
    }
    Ok(())
}

/// Quantities are dumped as text, and expected as decimals or bytes.
fn check_field(field: &str, expected: &Value, got: &Value, setting: &Setting) -> Result<(), String> {
    match (setting.unit(), decimal(expected), got.as_str()) {
        (_, Some(cores), Some(got)) => {
            let got = Core::parse(got).map_err(|error| error.to_string())?;
            expect_equal(field, &Core::new(cores), &got)
        }
        (Some("GiB"), _, Some(got)) if expected.is_number() => {
            let got = ByteSize::parse(got).map_err(|error| error.to_string())?;
            expect_equal(field, expected, &json!(got.bytes()))
        }
        _ => expect_equal(field, expected, got),
    }
}

/// Checks the problems of a setting of the kind that the reference calls `class`.
pub(crate) fn check_problems(class: &str, error: &str, problems: &Problems) -> Result<(), String> {
    // The reference shows a quantity in a debug form, and keeps zeros after the point of cores.
    let error = error.replace("Decimal('", "").replace("')", "");
    if class.ends_with("CPU") {
        expect_problems_with(&error, problems, without_zeros)
    } else {
        expect_problems_with(&error, problems, str::to_owned)
    }
}

/// The text with its numbers as short as they can be.
fn without_zeros(text: &str) -> String {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut shortened = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_number) {
        let (before, from) = rest.split_at(start);
        let (number, after) = from.split_at(from.find(|c| !is_number(c)).unwrap_or(from.len()));
        let has_point = number.trim_end_matches('.').contains('.');
        shortened.push_str(before);
        shortened.push_str(if has_point { number.trim_end_matches('0').trim_end_matches('.') } else { number });
        rest = after;
    }
    shortened + rest
}

fn check_list(case: &Value, result: Result<Vec<EnvironmentSetting>, Problems>) -> Result<(), String> {
    match (text(case, "error"), result) {
        (Some(error), Err(problems)) => check_problems("", error, &problems),
        (None, Ok(settings)) => {
            let expected = case["output"].as_array().map_or(&[][..], Vec::as_slice);
            expect_equal("number of settings", &expected.len(), &settings.len())?;
            expected.iter().zip(settings).try_for_each(|(expected, setting)| {
                expect_equal("variable name", &text(expected, "variable_name"), &Some(setting.variable_name()))?;
                check_fields(expected, &Setting::from(setting))
            })
        }
        (_, other) => Err(format!("unexpected {other:?}")),
    }
}
