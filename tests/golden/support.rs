//! What several handlers need: decoding an input, and comparing problems, decimals and outputs.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use serde_json::{Map, Value};
use servox::internals::decode::{Decode, Decoder, NoVariables, Node, Origin, Problem, Problems};
use servox::internals::types::{
    ByteSize, Core, CpuSetting, EnumSetting, EnvironmentEnumSetting, EnvironmentRangeSetting, InstanceTypeSetting,
    KubernetesCpuSetting, KubernetesMemorySetting, MemorySetting, RangeSetting, ReplicasSetting, Setting,
    parse_decimal,
};

/// Decodes a JSON value.
pub(crate) fn decode<T: Decode>(input: &Value) -> Result<T, Problems> {
    let node = Node::from_json(input, &Origin::whole("input"));
    Decoder::run(&NoVariables, |cx| T::decode(&node, cx))
}

/// As [`decode`], with the problems as text.
pub(crate) fn decoded<T: Decode>(input: &Value) -> Result<T, String> {
    decode(input).map_err(|problems| problems.to_string())
}

/// The text under a key of a case.
pub(crate) fn text<'a>(case: &'a Value, key: &str) -> Option<&'a str> {
    case.get(key).and_then(Value::as_str)
}

/// Whether a case is marked as behaviour that is not to be copied as it is.
pub(crate) fn is_marked(case: &Value) -> bool {
    ["quirk", "defect"].iter().any(|mark| case.get(*mark).is_some())
}

/// Whether a reported error is a validation error, and not one that escaped.
pub(crate) fn is_validation_error(error: &str) -> bool {
    error.starts_with("ValidationError: ")
}

/// Compares integers. Those beyond 64 bits are doubles once they have been JSON, and are compared as such.
#[expect(clippy::cast_precision_loss, reason = "the expected number has lost it")]
pub(crate) fn expect_integer(what: &str, expected: &Value, got: i128) -> Result<(), String> {
    let same = match (expected.as_i64(), expected.as_f64()) {
        (Some(expected), _) => i128::from(expected) == got,
        (None, Some(expected)) => expected.to_bits() == (got as f64).to_bits(),
        (None, None) => false,
    };
    if same { Ok(()) } else { Err(format!("{what}: expected {expected}, got {got}")) }
}

/// Compares two values.
pub(crate) fn expect_equal<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, got: &T) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("{what}: expected {expected:?}, got {got:?}")) }
}

/// The exact decimal of `{"$decimal": "…"}`.
pub(crate) fn decimal(value: &Value) -> Option<BigDecimal> {
    value.get("$decimal").and_then(Value::as_str).and_then(parse_decimal)
}

/// Checks that every path of a reported error is named, and that exact messages are.
///
/// `what: message [kind]; …` is the form of the error. Segments `__root__` and names of classes are artificial: the
/// problem is then one of the mapping.
pub(crate) fn expect_problems(error: &str, problems: &Problems) -> Result<(), String> {
    expect_problems_with(error, problems, str::to_owned)
}

/// As [`expect_problems`], with messages that are compared after a change to both.
pub(crate) fn expect_problems_with(
    error: &str,
    problems: &Problems,
    normalize: impl Fn(&str) -> String,
) -> Result<(), String> {
    for (path, message) in reported(error) {
        let found = problems.iter().any(|problem| {
            is_named(&path, problem.path.segments())
                && (!is_exact(&message) || normalize(&problem.rule).contains(&normalize(&message)))
        });
        if !found {
            let path = path.join(".");
            return Err(format!("expected a problem at '{path}': {message}\n  got: {problems}"));
        }
    }
    Ok(())
}

/// The paths and messages of an error.
fn reported(error: &str) -> Vec<(Vec<&str>, String)> {
    let error = error.strip_prefix("ValidationError: ").unwrap_or(error);
    let parts = error.split("]; ").filter(|part| part.contains(": "));
    parts
        .map(|part| {
            let (path, message) = part.split_once(": ").unwrap_or(("", part));
            let message = message.rsplit_once(" [").map_or(message, |(message, _)| message);
            (path.split('.').filter(|segment| !segment.is_empty()).collect(), message.to_owned())
        })
        .collect()
}

/// Whether a reported path is this one, once its artificial segments are left out.
fn is_named(reported: &[&str], path: &[String]) -> bool {
    match (reported.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((segment, rest)), Some((key, keys))) if segment == key => is_named(rest, keys),
        (Some((segment, rest)), _) => is_artificial(segment) && is_named(rest, path),
        (None, Some(_)) => false,
    }
}

fn is_artificial(segment: &str) -> bool {
    segment == "__root__" || segment.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether the text of a message is the specification's, word by word.
fn is_exact(message: &str) -> bool {
    const EXACT: [&str; 21] = [
        "field required",
        "none is not an allowed value",
        "extra fields not permitted",
        "unexpected value; permitted",
        "value is not a valid enumeration member",
        "value is not a valid list",
        "value is not a valid decimal",
        "ensure this value",
        "min cannot be greater than max",
        "min must be greater than zero",
        "invalid range",
        "invalid value",
        "step must be zero",
        "step cannot be zero",
        "min/max difference is not step aligned",
        "value of pinned settings",
        "past and delay attributes",
        "SLO Condition",
        "Slo conditions",
        "trigger_count cannot be greater",
        "all readings must be",
    ];
    EXACT.iter().any(|exact| message.contains(exact))
}

/// Decodes a setting of the kind that the reference calls `class`.
pub(crate) fn setting(class: &str, fields: &Value) -> Result<Setting, Problems> {
    let node = Node::from_json(fields, &Origin::whole("input"));
    Decoder::run(&NoVariables, |cx| match class {
        "RangeSetting" => RangeSetting::decode(&node, cx).map(Setting::from),
        "EnumSetting" => EnumSetting::decode(&node, cx).map(Setting::from),
        "CPU" => CpuSetting::decode(&node, cx).map(Setting::from),
        "Memory" => MemorySetting::decode(&node, cx).map(Setting::from),
        "Replicas" => ReplicasSetting::decode(&node, cx).map(Setting::from),
        "InstanceType" => InstanceTypeSetting::decode(&node, cx).map(Setting::from),
        "EnvironmentRangeSetting" => EnvironmentRangeSetting::decode(&node, cx).map(Setting::from),
        "EnvironmentEnumSetting" => EnvironmentEnumSetting::decode(&node, cx).map(Setting::from),
        "kubernetes.CPU" => KubernetesCpuSetting::decode(&node, cx).map(Setting::from),
        "kubernetes.Memory" => KubernetesMemorySetting::decode(&node, cx).map(Setting::from),
        "opsani_dev.CPU" => {
            KubernetesCpuSetting::decode_with_step(Core::from_millis(125), &node, cx).map(Setting::from)
        }
        "opsani_dev.Memory" => {
            KubernetesMemorySetting::decode_with_step(ByteSize(128 << 20), &node, cx).map(Setting::from)
        }
        unknown => {
            cx.invalid_unquoted(&node, format!("the walker knows no setting class {unknown}"));
            None
        }
    })
}

/// A mapping of texts; an empty list was an empty mapping in the reference.
pub(crate) fn texts(input: &Value) -> Result<BTreeMap<String, String>, String> {
    let members = match input {
        Value::Object(members) => members.clone(),
        Value::Array(items) if items.is_empty() => Map::new(),
        other => return Err(format!("{other} is no mapping")),
    };
    let texts = members.iter().map(|(key, value)| match decode::<String>(value) {
        Ok(text) => Ok((key.clone(), text)),
        Err(problems) => Err(problems.iter().map(|problem: &Problem| problem.rule.as_str()).collect()),
    });
    texts.collect()
}

/// Compares a quantity of cores: the unit and the number, which we write without trailing zeros and exponents.
pub(crate) fn expect_quantity(expected: &str, got: &str) -> Result<(), String> {
    let (expected_number, expected_unit) = split_quantity(expected);
    let (number, unit) = split_quantity(got);
    expect_equal("unit", &expected_unit, &unit)?;
    expect_equal("number", &parse_decimal(expected_number), &parse_decimal(number))?;
    let has_zeros = number.contains('.') && number.ends_with(['0', '.']);
    if has_zeros || number.contains('E') { Err(format!("{got} could be shorter")) } else { Ok(()) }
}

/// A number and the letters after it.
fn split_quantity(text: &str) -> (&str, &str) {
    let number = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    (number, &text[number.len()..])
}

/// The number of a text of digits with one point and nothing else: as memory, the reference reads it as bytes, and
/// later versions and the port as GiB.
pub(crate) fn unitless_decimal(value: &Value) -> Option<BigDecimal> {
    let text = value.as_str()?;
    let (whole, fraction) = text.split_once('.')?;
    let is_digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if is_digits(whole) && is_digits(fraction) && !fraction.is_empty() { parse_decimal(text) } else { None }
}
