//! Decoding of scalars: texts, booleans, numbers, URLs, paths and secrets, with the coercions that existing
//! configuration files rely on.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Serialize, Serializer};

use serde_json::Value as Json;

use super::{Decode, Decoder, Node, Secrets, Show, Value};

/// Text; numbers and booleans are turned into text (`true` gives `True`).
impl Decode for String {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(i) => Some(i.to_string()),
            Value::Float(x) => Some(plain_float(*x)),
            Value::Bool(true) => Some("True".to_owned()),
            Value::Bool(false) => Some("False".to_owned()),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                None
            }
            Value::Timestamp(_) | Value::List(_) | Value::Map(_) => {
                cx.invalid(node, format!("text expected, not a {}", node.value.kind()));
                None
            }
        }
    }
}

/// A boolean, 0, 1, or one of `true false yes no on off y n t f 1 0` in any case.
impl Decode for bool {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let word = match &node.value {
            Value::Bool(b) => return Some(*b),
            Value::Integer(0) => return Some(false),
            Value::Integer(1) => return Some(true),
            Value::Float(x) if *x == 0.0 => return Some(false),
            Value::Float(x) if (*x - 1.0).abs() < f64::EPSILON => return Some(true),
            Value::Text(text) => text.to_ascii_lowercase(),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => String::new(),
        };
        match word.as_str() {
            "true" | "yes" | "on" | "y" | "t" | "1" => Some(true),
            "false" | "no" | "off" | "n" | "f" | "0" => Some(false),
            _ => {
                cx.invalid_with_hint(node, "value could not be parsed to a boolean", "use true or false");
                None
            }
        }
    }
}

/// An integer; floats are truncated, booleans are 1 and 0, text of digits is converted.
impl Decode for i64 {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let integer = match &node.value {
            Value::Integer(i) => Self::try_from(*i).ok(),
            Value::Bool(b) => Some(Self::from(*b)),
            Value::Float(x) if x.is_finite() => truncate(*x),
            Value::Text(text) => text.trim().replace('_', "").parse().ok(),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => None,
        };
        if integer.is_none() {
            cx.invalid(node, "value is not a valid integer");
        }
        integer
    }
}

/// A number; booleans are 1 and 0, text of a number is converted.
impl Decode for f64 {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let float = match &node.value {
            #[expect(clippy::cast_precision_loss, reason = "a double is what is asked for")]
            Value::Integer(i) => Some(*i as Self),
            Value::Bool(b) => Some(Self::from(u8::from(*b))),
            Value::Float(x) => Some(*x),
            Value::Text(text) => text.trim().replace('_', "").parse().ok(),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => None,
        };
        if float.is_none() {
            cx.invalid(node, "value is not a valid float");
        }
        float
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounds are checked first")]
fn truncate(x: f64) -> Option<i64> {
    (x.abs() < i64::MAX as f64).then_some(x as i64)
}

/// An integer that is written as one: no text, no boolean, no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StrictInteger(pub i64);

impl Decode for StrictInteger {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Integer(i) if i64::try_from(*i).is_ok() => i64::try_from(*i).ok().map(Self),
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                None
            }
            _ => {
                cx.invalid(node, "value is not a valid integer");
                None
            }
        }
    }
}

/// A credential. It is not printed by `Debug` or `Display`, and shown only with [`Secrets::Raw`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself; for the place that sends it, and no other.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REDACTED")
    }
}

impl Show for Secret {
    fn show(&self, secrets: Secrets) -> Json {
        match secrets {
            Secrets::Redacted => self.to_string().into(),
            Secrets::Raw => self.0.as_str().into(),
        }
    }
}

impl Decode for Secret {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        cx.hiding(|cx| String::decode(node, cx)).map(Self)
    }
}

/// An `http` or `https` address with a host. Its text form is the one given, outer blanks removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    parsed: url::Url,
}

impl HttpUrl {
    /// Checks an address.
    ///
    /// # Errors
    /// The rule that it breaks, as a sentence fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The longest address that the reference takes.
        const LONGEST: usize = 65_536;
        let text = text.trim();
        if text.is_empty() || text.chars().count() > LONGEST {
            return Err(format!("an address has 1 to {LONGEST} characters"));
        }
        let lower = text.to_ascii_lowercase();
        if !lower.contains("://") {
            return Err("invalid or missing URL scheme".to_owned());
        }
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Err("URL scheme not permitted: use http or https".to_owned());
        }
        if text.contains(char::is_whitespace) {
            return Err("URL must not contain blanks".to_owned());
        }
        let parsed = url::Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => "URL host is missing".to_owned(),
            url::ParseError::InvalidPort => "URL port is invalid, at most 65535".to_owned(),
            other => format!("invalid URL: {other}"),
        })?;
        Ok(Self { text: text.to_owned(), parsed })
    }

    /// The same address without trailing slashes.
    ///
    /// # Errors
    /// As [`Self::parse`], when nothing but the scheme is left.
    pub fn without_trailing_slashes(&self) -> Result<Self, String> {
        Self::parse(self.text.trim_end_matches('/'))
    }

    /// The address of a path below this one: `http://a/b/` and `c/d` give `http://a/b/c/d`. Characters of the path
    /// that would end it are percent-encoded.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let encoded: String = path.bytes().map(path_byte).collect();
        let mut parsed = self.parsed.clone();
        parsed.set_path(&format!("{}/{encoded}", parsed.path().trim_end_matches('/')));
        Self { text: format!("{}/{encoded}", self.text.trim_end_matches('/')), parsed }
    }

    /// The address as text, with what stands before an `@` of its host replaced by `REDACTED`.
    pub fn redacted(&self) -> String {
        let authority_end = self.text.find("://").map_or(0, |at| {
            let start = at + 3;
            self.text[start..].find(['/', '?', '#']).map_or(self.text.len(), |end| start + end)
        });
        match (self.text.find("://"), self.text[..authority_end].rfind('@')) {
            (Some(scheme), Some(at)) => format!("{}://REDACTED{}", &self.text[..scheme], &self.text[at..]),
            _ => self.text.clone(),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn url(&self) -> &url::Url {
        &self.parsed
    }
}

fn path_byte(byte: u8) -> String {
    let is_allowed = byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&byte);
    if is_allowed { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for HttpUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The address may hold a password.
impl Show for HttpUrl {
    fn show(&self, secrets: Secrets) -> Json {
        match secrets {
            Secrets::Redacted => self.redacted().into(),
            Secrets::Raw => self.text.as_str().into(),
        }
    }
}

impl Decode for HttpUrl {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) => match Self::parse(text) {
                Ok(url) => Some(url),
                // An address may carry a password, so it is not repeated.
                Err(rule) if text.contains('@') => {
                    cx.invalid_unquoted(node, rule);
                    None
                }
                Err(rule) => {
                    cx.invalid(node, rule);
                    None
                }
            },
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                None
            }
            _ => {
                cx.invalid(node, "invalid or missing URL scheme");
                None
            }
        }
    }
}

/// The path of a regular file that exists, relative to the working directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FilePath(PathBuf);

impl FilePath {
    /// The path as written, without segments that mean where it already is (`./a//b` is `a/b`).
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl Show for FilePath {
    fn show(&self, _: Secrets) -> Json {
        self.0.to_string_lossy().into()
    }
}

impl Decode for FilePath {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let text = String::decode(node, cx)?;
        let path = Path::new(&text);
        if path.is_file() {
            return Some(Self(path.components().filter(|part| *part != Component::CurDir).collect()));
        }
        let rule = if path.exists() {
            format!("path {text:?} is not a file")
        } else {
            format!("file or directory at path {text:?} does not exist")
        };
        cx.invalid_unquoted(node, rule);
        None
    }
}

/// Plain text of a double: the shortest that reads back the same, with at least one decimal, in exponent form
/// below 1e-4 and from 1e16 on (`1.0`, `1e-05`, `1e+16`, `nan`, `inf`).
pub fn plain_float(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = x.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{x:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{x:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_floats_keep_one_decimal_and_switch_to_exponents_at_the_bounds() {
        for (x, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1e16, "1e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1.5e-7, "1.5e-07"),
            (-0.0, "-0.0"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(plain_float(x), text);
        }
    }

    #[test]
    fn a_path_below_an_address_keeps_it_valid() {
        let below = |base: &str, path: &str| HttpUrl::parse(base).unwrap().below(path);
        assert_eq!(below("https://Foo.bar/x//", "a/b").as_str(), "https://Foo.bar/x/a/b");
        let odd = below("http://a", "é ?#");
        assert_eq!((odd.as_str(), odd.url().as_str()), ("http://a/%C3%A9%20%3F%23", "http://a/%C3%A9%20%3F%23"));
    }

    #[test]
    fn user_and_password_of_an_address_can_be_hidden() {
        for (url, shown) in [
            ("http://me:s3cr3t@host:80/a@b", "http://REDACTED@host:80/a@b"),
            ("http://a@b@host", "http://REDACTED@host"),
            ("http://host/a@b?c@d", "http://host/a@b?c@d"),
        ] {
            assert_eq!(HttpUrl::parse(url).unwrap().redacted(), shown);
        }
    }

    #[test]
    fn a_secret_is_printed_by_nothing() {
        let secret = Secret::new("s3cr3t");
        assert_eq!(format!("{secret} {secret:?}"), "REDACTED REDACTED");
        assert_eq!(secret.show(Secrets::Redacted), "REDACTED");
        assert_eq!(secret.show(Secrets::Raw), "s3cr3t");
    }
}
