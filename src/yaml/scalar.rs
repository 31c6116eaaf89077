//! What an unquoted YAML 1.1 scalar means: null, boolean, number, date or text.
//!
//! Only the text is looked at; tags and quotes are the business of the tree builder.

use crate::decode::Value;

/// The value of an unquoted scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ => numeric(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

fn numeric(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    integer(text)
        .map(Value::Integer)
        .or_else(|| float(text).map(Value::Float))
        .or_else(|| is_timestamp(text).then(|| Value::Timestamp(text.to_owned())))
}

/// A number in base 2 (`0b`), 8 (`0`), 10, 16 (`0x`) or 60 (`1:30`). One beyond 128 bits is none: kept as text,
/// it loses no digit.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = unsigned(text);
    let magnitude = if let Some(bits) = digits.strip_prefix("0b") {
        in_base(bits, 2)
    } else if let Some(nibbles) = digits.strip_prefix("0x") {
        in_base(nibbles, 16)
    } else if digits.starts_with('0') {
        in_base(digits, 8)
    } else {
        let mut parts = digits.split(':');
        let first = parts.next().filter(|part| starts_with_digit(part)).and_then(|part| in_base(part, 10))?;
        parts.try_fold(first, |sum, part| {
            let minutes = sexagesimal_digit(part)?;
            sum.checked_mul(60)?.checked_add(minutes.into())
        })
    }?;
    Some(if negative { -magnitude } else { magnitude })
}

fn in_base(digits: &str, base: u32) -> Option<i128> {
    if !digits.chars().all(|c| c == '_' || c.is_digit(base)) {
        return None;
    }
    i128::from_str_radix(&digits.replace('_', ""), base).ok()
}

/// A number with a point, or an infinity, or not a number. An exponent needs both a point and a sign.
fn float(text: &str) -> Option<f64> {
    let (negative, digits) = unsigned(text);
    let magnitude = match digits {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" if digits == text => f64::NAN,
        _ => {
            let (whole, fraction) = digits.split_once('.')?;
            if whole.contains(':') {
                sexagesimal_float(whole, fraction)
            } else if whole.is_empty() {
                // Without a digit before the point, one must follow it, and no sign may stand before it.
                (digits == text && starts_with_digit(fraction)).then(|| decimal("0", fraction)).flatten()
            } else {
                decimal(whole, fraction)
            }?
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn decimal(whole: &str, fraction: &str) -> Option<f64> {
    let (mantissa, exponent) = match fraction.find(['e', 'E']) {
        Some(at) => (&fraction[..at], Some(&fraction[at + 1..])),
        None => (fraction, None),
    };
    let exponent_is_valid = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
    });
    if !exponent_is_valid || !starts_with_digit(whole) || !digits_only(whole) || !digits_only(mantissa) {
        return None;
    }
    format!("{whole}.{mantissa}e{}", exponent.unwrap_or("0")).replace('_', "").parse().ok()
}

fn sexagesimal_float(whole: &str, fraction: &str) -> Option<f64> {
    let mut parts = whole.split(':');
    let first = parts.next().filter(|part| starts_with_digit(part) && digits_only(part))?;
    let first: f64 = first.replace('_', "").parse().ok()?;
    let whole = parts.try_fold(first, |sum, part| Some(sum * 60.0 + f64::from(sexagesimal_digit(part)?)))?;
    Some(whole + digits_only(fraction).then(|| decimal("0", fraction)).flatten()?)
}

/// A part of a number in base 60 after the first: one or two digits, at most 59.
fn sexagesimal_digit(part: &str) -> Option<u8> {
    let is_digits = matches!(part.len(), 1 | 2) && part.chars().all(|c| c.is_ascii_digit());
    part.parse().ok().filter(|digit| is_digits && *digit < 60)
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn digits_only(text: &str) -> bool {
    text.chars().all(|c| c == '_' || c.is_ascii_digit())
}

/// Whether this is `2020-01-31`, or a date with a time of day: `2020-1-31 9:30:00.5 +2`.
fn is_timestamp(text: &str) -> bool {
    let mut date = Cursor(text);
    if date.digits(4, 4)
        && date.one("-")
        && date.digits(2, 2)
        && date.one("-")
        && date.digits(2, 2)
        && date.0.is_empty()
    {
        return true;
    }
    let mut rest = Cursor(text);
    rest.digits(4, 4)
        && rest.one("-")
        && rest.digits(1, 2)
        && rest.one("-")
        && rest.digits(1, 2)
        && (rest.one("Tt") || rest.blanks() > 0)
        && rest.digits(1, 2)
        && rest.one(":")
        && rest.digits(2, 2)
        && rest.one(":")
        && rest.digits(2, 2)
        && (!rest.one(".") || rest.digits(0, usize::MAX))
        && (rest.0.is_empty() || rest.zone())
}

/// What is left of a text while it is being matched. A step that fails takes nothing.
struct Cursor<'t>(&'t str);

impl Cursor<'_> {
    fn digits(&mut self, least: usize, most: usize) -> bool {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let fits = (least..=most).contains(&count);
        if fits {
            self.0 = &self.0[count..];
        }
        fits
    }

    fn one(&mut self, of: &str) -> bool {
        let rest = self.0.strip_prefix(|c| of.contains(c));
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn blanks(&mut self) -> usize {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let count = self.0.len() - rest.len();
        self.0 = rest;
        count
    }

    fn zone(&mut self) -> bool {
        self.blanks();
        let matched = self.one("Z") || (self.one("+-") && self.digits(1, 2) && (!self.one(":") || self.digits(2, 2)));
        matched && self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &Value, texts: &[&str]) {
        for text in texts {
            assert_eq!(&plain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn words_of_yaml_1_1_are_null_and_booleans_in_three_spellings_only() {
        check(&Value::Null, &["", "~", "null", "Null", "NULL"]);
        check(&Value::Bool(true), &["yes", "Yes", "YES", "on", "true"]);
        check(&Value::Bool(false), &["no", "No", "OFF", "False"]);
        for text in ["yEs", "y", "n", "nULL", "t"] {
            check(&Value::Text(text.to_owned()), &[text]);
        }
    }

    #[test]
    fn integers_are_read_in_five_bases_with_underscores() {
        check(&Value::Integer(0), &["0", "-0", "+0", "00", "0_"]);
        check(&Value::Integer(8), &["010", "8", "0b1000", "0x8", "0b1_000"]);
        check(&Value::Integer(-90), &["-90", "-1:30", "-9_0"]);
        check(&Value::Integer(3661), &["1:1:1", "1:01:01"]);
        check(&Value::Integer(18_446_744_073_709_551_615), &["18446744073709551615"]);
    }

    #[test]
    fn floats_need_a_point_and_a_signed_exponent() {
        check(&Value::Float(1.0), &["1.", "1.0", "1.0e+0", "+1.0", "0_1.0"]);
        check(&Value::Float(0.5), &[".5", "0.5", ".5_0", "5.0e-1"]);
        check(&Value::Float(90.5), &["1:30.5", "90.5"]);
        check(&Value::Float(f64::NEG_INFINITY), &["-.inf"]);
        assert!(matches!(plain(".nan"), Value::Float(x) if x.is_nan()));
    }

    #[test]
    fn what_merely_resembles_a_number_is_text() {
        for text in [
            "1e3",
            "1.0e3",
            "08",
            "0b2",
            "0b",
            "0x",
            "0x_",
            "0o7",
            "-.5",
            "+.nan",
            "1:60",
            "1:",
            ":30",
            "1:030",
            ".",
            "-",
            "..",
            "._5",
            "1.2.3",
            "1.5m",
            "0:30",
            "1:2:3.5:4",
            "999999999999999999999999999999999999999999",
            "1,5",
            "-_1",
            "１",
        ] {
            check(&Value::Text(text.to_owned()), &[text]);
        }
    }

    #[test]
    fn dates_are_kept_apart_from_text() {
        for text in [
            "2020-01-31",
            "2020-1-31 9:30:00",
            "2020-01-31T09:30:00.5Z",
            "2020-01-31t09:30:00 +2",
            "2020-01-31T09:30:00.-02:30",
        ] {
            check(&Value::Timestamp(text.to_owned()), &[text]);
        }
        for text in ["2020-1-1", "2020-01-31T09:30", "2020-01-31 09:30:00 X", "2020-01-31T", "20-01-31"] {
            check(&Value::Text(text.to_owned()), &[text]);
        }
    }
}
