//! The decoder: the current key path, the problems found so far, and the environment that fills absent keys.

use super::{Fields, KeyPath, Node, Problem, Problems, Value};

/// Environment variables as far as decoding needs them; the process environment is never read directly.
pub trait Variables {
    /// The value of a variable, empty text included.
    fn get(&self, name: &str) -> Option<&str>;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _name: &str) -> Option<&str> {
        None
    }
}

/// How the text of an environment variable becomes a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    Text,
    /// JSON; anything else is a problem.
    Json,
    /// JSON when it parses, else the text itself.
    JsonOrText,
}

/// A type that can be read from a [`Node`].
pub trait Decode: Sized {
    /// How an environment variable of this type is written.
    const TEXT_FORM: TextForm = TextForm::Text;

    /// Reads the value, or records at least one problem and returns `None`.
    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self>;
}

impl<T: Decode> Decode for Option<T> {
    const TEXT_FORM: TextForm = T::TEXT_FORM;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        if node.is_null() { Some(None) } else { T::decode(node, cx).map(Some) }
    }
}

impl<T: Decode> Decode for Box<T> {
    const TEXT_FORM: TextForm = T::TEXT_FORM;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        T::decode(node, cx).map(Self::new)
    }
}

impl<T: Decode> Decode for Vec<T> {
    const TEXT_FORM: TextForm = TextForm::Json;

    fn decode(node: &Node, cx: &mut Decoder<'_>) -> Option<Self> {
        let items = match &node.value {
            Value::List(items) => items,
            Value::Null => {
                cx.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => {
                cx.invalid(node, "value is not a valid list");
                return None;
            }
        };
        let decoded: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| cx.within(index.to_string(), |cx| T::decode(item, cx)))
            .collect();
        decoded.into_iter().collect()
    }
}

/// Any JSON-like value, kept as it is.
impl Decode for serde_json::Value {
    const TEXT_FORM: TextForm = TextForm::JsonOrText;

    fn decode(node: &Node, _cx: &mut Decoder<'_>) -> Option<Self> {
        Some(node.to_json())
    }
}

pub struct Decoder<'v> {
    path: KeyPath,
    problems: Problems,
    warnings: Vec<String>,
    variables: &'v dyn Variables,
    /// Above zero while decoding what must not be shown.
    hidden: usize,
    is_exact: bool,
}

impl<'v> Decoder<'v> {
    /// A decoder whose absent keys may be filled from `variables`.
    pub fn new(variables: &'v dyn Variables) -> Self {
        Self {
            path: KeyPath::default(),
            problems: Problems::default(),
            warnings: Vec::new(),
            variables,
            hidden: 0,
            is_exact: false,
        }
    }

    /// Refuses what the wire has always overlooked, such as the `30` of `1m30`: for what people write.
    #[must_use]
    pub fn exact(self) -> Self {
        Self { is_exact: true, ..self }
    }

    /// Whether text without meaning is refused.
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Decodes one whole value.
    ///
    /// # Errors
    /// All problems of the value.
    pub fn run<T>(
        variables: &dyn Variables,
        decode: impl FnOnce(&mut Decoder<'_>) -> Option<T>,
    ) -> Result<T, Problems> {
        let mut decoder = Decoder::new(variables);
        let value = decode(&mut decoder);
        decoder.finish(value)
    }

    /// The value, unless there was any problem.
    ///
    /// # Errors
    /// All problems found.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    /// What was noted about legal values so far: complete sentences with positions.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub fn variables(&self) -> &'v dyn Variables {
        self.variables
    }

    /// Decodes below one more path segment.
    pub fn within<T>(&mut self, segment: impl Into<String>, decode: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment);
        let result = decode(self);
        self.path.pop();
        result
    }

    /// Decodes something whose values must not appear in messages.
    pub fn hiding<T>(&mut self, decode: impl FnOnce(&mut Self) -> T) -> T {
        self.hidden += 1;
        let result = decode(self);
        self.hidden -= 1;
        result
    }

    /// Reads a mapping by its keys. Records a problem when the node is none.
    pub fn fields<'n, 'c>(&'c mut self, node: &'n Node) -> Option<Fields<'n, 'c, 'v>> {
        match &node.value {
            Value::Map(map) => return Some(Fields::new(map, node.origin.clone(), self)),
            Value::Null => self.invalid_unquoted(node, "none is not an allowed value"),
            // What stands where a mapping belongs may be a secret of the section, so it is not repeated.
            _ => self.invalid_unquoted(node, "value is not a valid mapping"),
        }
        None
    }

    /// Reads one of several texts, each standing for a value; upper and lower case count.
    pub fn member<T: Copy>(&mut self, node: &Node, members: &[(&str, T)]) -> Option<T> {
        let known = match &node.value {
            Value::Text(text) => members.iter().find(|(name, _)| name == text),
            Value::Null => {
                self.invalid_unquoted(node, "none is not an allowed value");
                return None;
            }
            _ => None,
        };
        if known.is_none() {
            let permitted: Vec<String> = members.iter().map(|(name, _)| format!("'{name}'")).collect();
            let permitted = permitted.join(", ");
            self.invalid(node, format!("value is not a valid enumeration member; permitted: {permitted}"));
        }
        known.map(|(_, value)| *value)
    }

    /// Records that the value at the current path breaks a rule, quoting the value unless it must be hidden.
    pub fn invalid(&mut self, node: &Node, rule: impl Into<String>) {
        let value = if self.hidden > 0 { None } else { quote(&node.value) };
        self.push(node, value, rule.into(), None);
    }

    /// As [`Self::invalid`], with a hint.
    pub fn invalid_with_hint(&mut self, node: &Node, rule: impl Into<String>, hint: impl Into<String>) {
        let value = if self.hidden > 0 { None } else { quote(&node.value) };
        self.push(node, value, rule.into(), Some(hint.into()));
    }

    /// Records that the value at the current path breaks a rule, without quoting it: the rule does already, or
    /// the value is a secret.
    pub fn invalid_unquoted(&mut self, node: &Node, rule: impl Into<String>) {
        self.push(node, None, rule.into(), None);
    }

    /// Notes that the value at the current path is legal, but hardly meant or out of use.
    pub fn warn(&mut self, node: &Node, text: &str) {
        self.warnings.push(format!("{}: {}: {text}", node.origin, self.path));
    }

    /// Records a complete problem, whose path begins at the current one.
    pub fn report(&mut self, mut problem: Problem) {
        let mut path = self.path.clone();
        for segment in problem.path.segments() {
            path.push(segment.clone());
        }
        problem.path = path;
        self.problems.push(problem);
    }

    fn push(&mut self, node: &Node, value: Option<String>, rule: String, hint: Option<String>) {
        self.problems.push(Problem { origin: node.origin.clone(), path: self.path.clone(), value, rule, hint });
    }
}

/// A short form of a scalar for messages; mappings and lists are not repeated.
fn quote(value: &Value) -> Option<String> {
    // Long enough for a URL, short enough for a terminal line.
    const LONGEST: usize = 80;
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Integer(i) => Some(i.to_string()),
        Value::Float(x) => Some(super::plain_float(*x)),
        Value::Text(text) | Value::Timestamp(text) => {
            let mut shown: String = text.chars().take(LONGEST).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            Some(format!("{shown:?}"))
        }
        Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_where_a_mapping_belongs_is_not_repeated() {
        let node = Node::new(Value::Text("s3cr3t".to_owned()), crate::decode::Origin::whole("file"));
        let problems = Decoder::run(&NoVariables, |cx| cx.fields(&node).map(drop)).expect_err("no mapping");
        assert_eq!(problems.to_string(), "file: value is not a valid mapping");
    }
}
