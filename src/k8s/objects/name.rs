//! Names of objects and of containers, as a configuration may have them.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::decode::{Decode, Decoder, Node};

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("ensure this value has at least 1 characters")]
    Empty,
    /// More characters than there may be.
    #[error("ensure this value has at most {0} characters")]
    TooLong(usize),
    /// A namespace or an object cannot be called so.
    #[error("a name has at least two characters: letters, digits, '.' and '-', with a letter or digit at both ends")]
    Subdomain,
    /// A container cannot be called so.
    #[error("a name has letters, digits, '_', '.', '-', '/', ':' and '@', and begins with a letter or digit")]
    Container,
}

/// The name of a namespace or an object: 2 to 253 letters, digits, `.` and `-`, with a letter or digit at both ends.
/// Blanks around it are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DnsSubdomain(String);

impl DnsSubdomain {
    /// The namespace that every cluster has.
    pub fn default_namespace() -> Self {
        Self("default".to_owned())
    }

    /// Checks a name.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const LONGEST: usize = 253;
        let text = with_length(text, LONGEST)?;
        let is_end = |c: char| c.is_ascii_alphanumeric();
        let is_inner = |c: char| is_end(c) || matches!(c, '.' | '-');
        let fits = text.len() > 1 && text.starts_with(is_end) && text.ends_with(is_end) && text.chars().all(is_inner);
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::Subdomain) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsSubdomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for DnsSubdomain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DnsSubdomain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*[0-9a-zA-Z][0-9a-zA-Z.-]*[0-9A-Za-z]\s*$";
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 253, "pattern": pattern })
    }
}

impl Decode for DnsSubdomain {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        decode(node, cx, Self::parse)
    }
}

/// The name of a container, or another one for it: 1 to 128 letters, digits, `_`, `.`, `-`, `/`, `:` and `@`, with a
/// letter or digit first. Blanks around it are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ContainerName(String);

impl ContainerName {
    /// Checks a name.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const LONGEST: usize = 128;
        let text = with_length(text, LONGEST)?;
        let is_first = |c: char| c.is_ascii_alphanumeric();
        let fits = text.starts_with(is_first) && text.chars().all(|c| is_first(c) || "_.-/:@".contains(c));
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::Container) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for ContainerName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ContainerName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^\s*[0-9a-zA-Z][0-9a-zA-Z_./:@-]*\s*$";
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": pattern })
    }
}

impl Decode for ContainerName {
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        decode(node, cx, Self::parse)
    }
}

/// The text without the blanks around it, when it has a fitting length.
fn with_length(text: &str, longest: usize) -> Result<&str, NameError> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(NameError::Empty),
        length if length > longest => Err(NameError::TooLong(longest)),
        _ => Ok(text),
    }
}

fn decode<T>(node: &Node, cx: &mut Decoder<'_>, parse: fn(&str) -> Result<T, NameError>) -> Option<T> {
    let text = String::decode(node, cx)?;
    parse(&text).map_err(|error| cx.invalid(node, error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_dns_names() {
        for name in ["ab", "a-b", "prod.eu", "X1", "0a", &"n".repeat(253), " trimmed\n"] {
            assert_eq!(DnsSubdomain::parse(name).map(|name| name.0), Ok(name.trim().to_owned()));
        }
        for (name, error) in [
            ("", NameError::Empty),
            (" ", NameError::Empty),
            ("a", NameError::Subdomain),
            ("-a", NameError::Subdomain),
            ("a-", NameError::Subdomain),
            ("a_b", NameError::Subdomain),
            ("a b", NameError::Subdomain),
            ("äb", NameError::Subdomain),
            (&"n".repeat(254), NameError::TooLong(253)),
        ] {
            assert_eq!(DnsSubdomain::parse(name), Err(error), "{name}");
        }
    }

    #[test]
    fn containers_may_be_called_like_images() {
        for name in ["a", "main", "opsani/fiber-http:latest", "app@sha256_1.0", "a/", &"n".repeat(128)] {
            assert_eq!(ContainerName::parse(name).map(|name| name.0), Ok(name.to_owned()));
        }
        for (name, error) in [
            ("", NameError::Empty),
            ("-bad", NameError::Container),
            ("/a", NameError::Container),
            ("a b", NameError::Container),
            ("a+", NameError::Container),
            (&"n".repeat(129), NameError::TooLong(128)),
        ] {
            assert_eq!(ContainerName::parse(name), Err(error), "{name}");
        }
    }
}
