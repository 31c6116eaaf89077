//! Quantities as a cluster writes them: `250m`, `1.5Gi`, `1e3`.
//!
//! A configuration has its own forms, read by [`Core`] and [`ByteSize`]: there, a lone `m` of memory is mega. In a
//! cluster it is milli, and the API server itself writes it for fractions of a byte.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};

use crate::types::{Amount, ByteSize, Core, parse_decimal};

const BINARY: [(&str, i64); 6] =
    [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("Pi", 1 << 50), ("Ei", 1 << 60)];

/// Suffixes with their powers of ten.
const DECIMAL: [(&str, i64); 9] =
    [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// A number of cores; `None` when the text is no quantity.
pub fn parse_cores(text: &str) -> Option<Core> {
    parse(text).map(Core::new)
}

/// A number of bytes, fractions cut off; `None` when the text is no quantity or more than 64 bits count.
pub fn parse_bytes(text: &str) -> Option<ByteSize> {
    parse(text)?.with_scale_round(0, RoundingMode::Down).to_i64().map(ByteSize)
}

/// The same amount of memory as a whole number of bytes, fractions cut off, in a form that a cluster reads: the text
/// itself when it is one, else [`bytes_text`]; `None` when the text is no quantity.
pub(crate) fn whole_bytes_text(text: &str) -> Option<String> {
    let number = parse(text)?;
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let is_plain = suffix.is_empty() || BINARY.iter().chain(&DECIMAL).any(|(known, _)| *known == suffix);
    if is_plain && number.is_integer() {
        return Some(text.to_owned());
    }
    parse_bytes(text).map(bytes_text)
}

/// A number of bytes as a cluster writes it: `1536Mi`, in the largest unit that leaves no fraction.
pub(crate) fn bytes_text(size: ByteSize) -> String {
    let ByteSize(bytes) = size;
    let unit = BINARY.iter().rev().find(|(_, factor)| bytes != 0 && bytes % factor == 0);
    unit.map_or_else(|| bytes.to_string(), |(suffix, factor)| format!("{}{suffix}", bytes / factor))
}

fn parse(text: &str) -> Option<BigDecimal> {
    // An `E` is an exponent when digits follow, so that plain numbers come first.
    if let Some(number) = parse_decimal(text) {
        return Some(number);
    }
    if let Some((number, factor)) = without_suffix(text, &BINARY) {
        return Some(number * BigDecimal::from(factor));
    }
    let (number, power) = without_suffix(text, &DECIMAL)?;
    let (digits, scale) = number.into_bigint_and_exponent();
    Some(BigDecimal::new(digits, scale - power))
}

fn without_suffix(text: &str, suffixes: &[(&str, i64)]) -> Option<(BigDecimal, i64)> {
    let (number, meaning) =
        suffixes.iter().find_map(|(suffix, meaning)| Some((text.strip_suffix(suffix)?, *meaning)))?;
    Some((parse_decimal(number)?, meaning))
}

/// The text that a cluster takes for a setting's amount.
pub(crate) fn quantity_text(amount: &Amount) -> String {
    match amount {
        Amount::Bytes(size) => bytes_text(*size),
        Amount::Number(_) | Amount::Cores(_) => amount.human(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_exact() {
        for (text, cores) in [
            ("2", "2"),
            ("0.5", "500m"),
            ("250m", "250m"),
            ("1e-1", "100m"),
            ("12345678n", "12.345678m"),
            ("100u", "100u"),
            ("1k", "1000"),
            ("0", "0n"),
        ] {
            assert_eq!(parse_cores(text).map(|core| core.to_string()).as_deref(), Some(cores), "{text}");
        }
    }

    #[test]
    fn a_small_m_of_memory_is_milli_and_a_capital_one_is_mega() {
        for (text, bytes) in [
            ("1Gi", Some(1 << 30)),
            ("1.5Gi", Some(3 << 29)),
            ("1.3Gi", Some(1_395_864_371)),
            ("1395864371200m", Some(1_395_864_371)),
            ("500M", Some(500_000_000)),
            ("129e6", Some(129_000_000)),
            ("1E", Some(1_000_000_000_000_000_000)),
            ("1E3", Some(1_000)),
            ("134217728", Some(134_217_728)),
            ("16Ei", None),
            ("1 Gi B", None),
            ("256MiB", None),
            ("Gi", None),
            ("", None),
        ] {
            assert_eq!(parse_bytes(text), bytes.map(ByteSize), "{text}");
        }
    }

    #[test]
    fn memory_is_written_in_whole_bytes() {
        for (text, written) in [
            ("1.0Gi", Some("1.0Gi")),
            (".5Gi", Some(".5Gi")),
            ("700Mi", Some("700Mi")),
            ("134217728", Some("134217728")),
            ("1.3Gi", Some("1395864371")),
            ("1e-05Gi", Some("10737")),
            ("1e3", Some("1000")),
            ("1_024", Some("1Ki")),
            ("100m", Some("0")),
            ("abc", None),
            ("64MB", None),
        ] {
            assert_eq!(whole_bytes_text(text).as_deref(), written, "{text}");
        }
        for (bytes, written) in
            [(0, "0"), (100, "100"), (3 << 29, "1536Mi"), (1 << 30, "1Gi"), (128_000_000, "125000Ki")]
        {
            assert_eq!(bytes_text(ByteSize(bytes)), written);
        }
    }
}
