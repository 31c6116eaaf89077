//! The value tree: what a YAML or JSON text says, with the position of every value.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    source: Arc<str>,
    /// Line, from 1; 0 when the source has no lines.
    line: u32,
    /// Column, from 1; 0 when the source has no columns.
    column: u32,
}

impl Origin {
    /// An origin without a position: an environment variable, a command-line argument, a body from the wire.
    pub fn whole(source: impl Into<Arc<str>>) -> Self {
        Self { source: source.into(), line: 0, column: 0 }
    }

    /// A position, counted from 1, in the text called `source`.
    pub fn at(source: Arc<str>, line: usize, column: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { source, line: clamp(line), column: clamp(column) }
    }

    /// The name of the file, variable or argument.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Line and column, from 1, when the source has them.
    pub fn position(&self) -> Option<(u32, u32)> {
        (self.line > 0).then_some((self.line, self.column))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        match self.position() {
            Some((line, column)) => write!(f, ":{line}:{column}"),
            None => Ok(()),
        }
    }
}

/// One value and its origin. Two nodes are equal when their values are, wherever they were written.
#[derive(Debug, Clone)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
    /// The text of a scalar that is not text, as it was written: `010` for 8. `None` where that is not known.
    written: Option<Arc<str>>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// The kinds of values that YAML and JSON share, integers and floats kept apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// An integer; wide enough for every unsigned 64-bit number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    Text(String),
    /// A YAML 1.1 date or time, as written. No key takes one; kept apart so that the error can say so.
    Timestamp(String),
    List(Vec<Node>),
    Map(Map),
}

impl Value {
    /// The word for this kind of value in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) => "text",
            Self::Timestamp(_) => "date",
            Self::List(_) => "list",
            Self::Map(_) => "mapping",
        }
    }
}

/// One key of a mapping with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    /// Where the key was written.
    pub key_origin: Origin,
    pub value: Node,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

/// A mapping in document order; every key at most once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Vec<Entry>);

impl Map {
    /// Adds an entry. An earlier one of the same key keeps its place, is given the new value and is returned.
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        if let Some(earlier) = self.0.iter_mut().find(|e| e.key == entry.key) {
            return Some(std::mem::replace(earlier, entry));
        }
        self.0.push(entry);
        None
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|e| e.key == key)
    }

    /// Removes and returns the entry of a key.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.0.iter().position(|e| e.key == key)?;
        Some(self.0.remove(index))
    }

    /// Whether a key is present, also with a null value.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All entries, in document order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Map {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As [`Map::insert`] one by one, in linear time.
impl FromIterator<Entry> for Map {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            let place = *places.entry(entry.key.clone()).or_insert(kept.len());
            match kept.get_mut(place) {
                Some(earlier) => *earlier = entry,
                None => kept.push(entry),
            }
        }
        Self(kept)
    }
}

impl Node {
    /// A node of this value and origin.
    pub fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, written: None }
    }

    /// The same, which was written as this text.
    #[must_use]
    pub fn with_written(self, text: &str) -> Self {
        let is_text = matches!(self.value, Value::Text(_));
        Self { written: (!is_text).then(|| text.into()), ..self }
    }

    /// The same with every scalar as the text that was written: for what is handed on as text, where `010` is not 8.
    #[must_use]
    pub fn as_written(&self) -> Self {
        let value = match (&self.value, &self.written) {
            (Value::List(items), _) => Value::List(items.iter().map(Self::as_written).collect()),
            (Value::Map(map), _) => {
                let entries = map.iter().map(|entry| Entry { value: entry.value.as_written(), ..entry.clone() });
                Value::Map(entries.collect())
            }
            (Value::Null, _) => Value::Null,
            (_, Some(text)) => Value::Text(text.as_ref().to_owned()),
            // From JSON, where there is one way to write a boolean.
            (Value::Bool(value), None) => Value::Text(value.to_string()),
            (value, None) => value.clone(),
        };
        Self { value, origin: self.origin.clone(), written: self.written.clone() }
    }

    /// A JSON value as a tree whose nodes all have the same origin.
    pub fn from_json(json: &serde_json::Value, origin: &Origin) -> Self {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Value::Integer(i.into()),
                (None, Some(u)) => Value::Integer(u.into()),
                (None, None) => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(s) => Value::Text(s.clone()),
            Json::Array(items) => Value::List(items.iter().map(|item| Self::from_json(item, origin)).collect()),
            Json::Object(members) => Value::Map(
                members
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_origin: origin.clone(),
                        value: Self::from_json(value, origin),
                    })
                    .collect(),
            ),
        };
        Self { value, origin: origin.clone(), written: None }
    }

    /// The tree as JSON. Dates become text; integers beyond 64 bits and non-finite floats, which JSON lacks,
    /// become their plain text.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Integer(i) => match (i64::try_from(*i), u64::try_from(*i)) {
                (Ok(i), _) => Json::from(i),
                (Err(_), Ok(u)) => Json::from(u),
                (Err(_), Err(_)) => Json::String(i.to_string()),
            },
            Value::Float(x) => {
                serde_json::Number::from_f64(*x).map_or_else(|| Json::String(x.to_string()), Json::Number)
            }
            Value::Text(text) | Value::Timestamp(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(map) => Json::Object(map.iter().map(|e| (e.key.clone(), e.value.to_json())).collect()),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// This tree with what it lacks taken from `base`: mappings are merged key by key at every level, everything
    /// else, lists included, is replaced as a whole.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        let (Value::Map(upper), Value::Map(lower)) = (&self.value, &base.value) else {
            return self.clone();
        };
        let mut merged: Map = upper
            .iter()
            .map(|entry| match lower.get(&entry.key) {
                Some(below) => Entry { value: entry.value.over(&below.value), ..entry.clone() },
                None => entry.clone(),
            })
            .collect();
        for entry in lower.iter().filter(|entry| !upper.contains(&entry.key)) {
            merged.insert(entry.clone());
        }
        Self { value: Value::Map(merged), origin: self.origin.clone(), written: None }
    }
}
