//! Exact decimals: thresholds and quantities must not round.

use bigdecimal::BigDecimal;

use crate::decode::{Decode, Decoder, Node, Value, plain_float};

/// The most digits that an exponent may stand for: more than a double can hold, and little enough that no
/// arithmetic on a value from outside fills the memory.
const MOST_DIGITS: i64 = 400;

/// Reads a finite decimal number: blanks around it, a sign and an exponent are allowed.
///
/// `None` for anything else, and for exponents and lengths beyond what a double could mean.
pub fn parse_decimal(text: &str) -> Option<BigDecimal> {
    let text = text.trim().replace('_', "");
    if text.len() > usize::try_from(MOST_DIGITS).ok()? || !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number: BigDecimal = text.parse().ok()?;
    let (_, scale) = number.as_bigint_and_exponent();
    (-MOST_DIGITS..=2 * MOST_DIGITS).contains(&scale).then_some(number)
}

/// The decimal of a double's shortest text; `None` when it is not finite.
pub(super) fn decimal_of(x: f64) -> Option<BigDecimal> {
    parse_decimal(&plain_float(x))
}

/// The text of an exact decimal: trailing zeros kept (`1.50`), in exponent form below 1e-6 and where an exponent
/// was written (`1E-7`, `1E+3`).
pub(crate) fn decimal_text(number: &BigDecimal) -> String {
    let (digits, scale) = number.as_bigint_and_exponent();
    let text = digits.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    // Where the point is, counted from the first digit.
    let point = count - scale;
    if scale < 0 || point <= -6 {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{dot}{rest}E{:+}", point - 1);
    }
    format!("{sign}{}", with_point(digits, scale))
}

/// Plain digits without exponent and without trailing zeros after the point.
pub(super) fn trimmed_text(number: &BigDecimal) -> String {
    number.normalized().to_plain_string()
}

/// Digits with a point before the last `scale` of them.
fn with_point(digits: &str, scale: i64) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return digits.to_owned();
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{whole}.{fraction}")
}

/// An exact decimal: an integer, a float by its shortest text, or decimal text.
impl Decode for BigDecimal {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let decimal = match &node.value {
            Value::Integer(i) => Some(Self::from(*i)),
            Value::Float(x) => decimal_of(*x),
            Value::Text(text) => parse_decimal(text),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => None,
        };
        if decimal.is_none() {
            cx.invalid(node, "value is not a valid decimal");
        }
        decimal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_print_as_they_were_written() {
        for (written, text) in [
            ("1.50", "1.50"),
            ("1e3", "1E+3"),
            ("1e-06", "0.000001"),
            ("1e-7", "1E-7"),
            ("1.23e-8", "1.23E-8"),
            ("-0.5", "-0.5"),
            (" 5 ", "5"),
            ("100.0", "100.0"),
            ("1e16", "1E+16"),
        ] {
            assert_eq!(parse_decimal(written).map(|number| decimal_text(&number)).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_not_finite_or_absurdly_long_is_no_decimal() {
        for text in ["", "NaN", "Infinity", "abc", "1e999999999", "1e-999999999", ".", "1.2.3"] {
            assert_eq!(parse_decimal(text), None, "{text}");
        }
    }

    #[test]
    fn trimmed_decimals_have_neither_exponent_nor_trailing_zeros() {
        for (written, text) in
            [("4.100", "4.1"), ("1e3", "1000"), ("100", "100"), ("0.0", "0"), ("5e-10", "0.0000000005")]
        {
            assert_eq!(parse_decimal(written).map(|number| trimmed_text(&number)).as_deref(), Some(text));
        }
    }
}
