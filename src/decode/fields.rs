//! Reading a mapping key by key, with the environment behind it and unknown keys reported at the end.

use std::borrow::Cow;

use super::{Decode, Decoder, KeyPath, Keys, Map, Node, Origin, Problem, TextForm};

/// The keys of one mapping while it is being read. Call [`Fields::finish`] last, or [`Fields::ignore_unknown`].
pub struct Fields<'n, 'c, 'v> {
    map: &'n Map,
    origin: Origin,
    cx: &'c mut Decoder<'v>,
    known: Vec<String>,
    variables: VariableNames,
}

/// The environment variables that fill absent keys.
#[derive(Debug, Clone)]
pub enum VariableNames {
    None,
    /// This prefix, such as `SERVO_PROMETHEUS_`, and the key in upper case.
    Prefix(String),
    /// Those of these keys alone, by their names.
    Listed(&'static [(&'static str, &'static str)]),
}

impl From<&str> for VariableNames {
    fn from(prefix: &str) -> Self {
        Self::Prefix(prefix.to_owned())
    }
}

impl From<&'static [(&'static str, &'static str)]> for VariableNames {
    fn from(listed: &'static [(&'static str, &'static str)]) -> Self {
        Self::Listed(listed)
    }
}

impl<'n, 'c, 'v> Fields<'n, 'c, 'v> {
    pub(super) fn new(map: &'n Map, origin: Origin, cx: &'c mut Decoder<'v>) -> Self {
        Self { map, origin, cx, known: Vec::new(), variables: VariableNames::None }
    }

    /// Whether a key is in the mapping itself, also with a null value.
    pub fn has_written(&self, key: &str) -> bool {
        self.map.contains(key)
    }

    /// Fills absent keys from these variables.
    #[must_use]
    pub fn with_environment(mut self, variables: impl Into<VariableNames>) -> Self {
        self.variables = variables.into();
        self
    }

    /// Whether a key has a value, in the mapping or in the environment.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains(key) || self.variable(key).is_some_and(|name| self.cx.variables().get(&name).is_some())
    }

    /// The value of a key that must be there.
    pub fn required<T: Decode>(&mut self, key: &str) -> Option<T> {
        self.get_or(key, None, std::convert::identity)
    }

    /// The value of a key, or `default` when it is absent. An explicit null is only accepted by optional types.
    pub fn or<T: Decode>(&mut self, key: &str, default: T) -> Option<T> {
        self.get(key).map(|value| value.unwrap_or(default))
    }

    /// The value of a key, which is made from what is read, or `default` if it is absent. `None` after a problem, which
    /// it is if the key is absent and has no default.
    pub fn get_or<W: Decode, T>(&mut self, key: &str, default: Option<T>, value: impl FnOnce(W) -> T) -> Option<T> {
        if let Some(written) = self.get(key)? {
            return Some(value(written));
        }
        if default.is_none() {
            self.fail_absent(key);
        }
        default
    }

    /// The value of a key: `None` after a problem, `Some(None)` when the key is absent.
    #[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
    pub fn get<T: Decode>(&mut self, key: &str) -> Option<Option<T>> {
        self.get_from(key, self.variable(key).as_deref())
    }

    /// As [`Self::get`], with the variable that fills the key when absent named outright.
    #[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
    pub fn get_from<T: Decode>(&mut self, key: &str, variable: Option<&str>) -> Option<Option<T>> {
        match self.node(key, variable, T::TEXT_FORM)? {
            Some(node) => self.cx.within(key, |cx| T::decode(&node, cx)).map(Some),
            None => Some(None),
        }
    }

    /// The raw node of a key, merged with the environment; `None` after a problem.
    #[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
    pub fn node(&mut self, key: &str, variable: Option<&str>, form: TextForm) -> Option<Option<Cow<'n, Node>>> {
        self.known.push(key.to_owned());
        let written = self.map.get(key).map(|entry| &entry.value);
        let text = variable.and_then(|name| self.cx.variables().get(name).map(|text| (name, text)));
        let Some((name, text)) = text else { return Some(written.map(Cow::Borrowed)) };
        if let (Some(written), TextForm::Text) = (written, form) {
            return Some(Some(Cow::Borrowed(written)));
        }
        let origin = Origin::whole(format!("environment variable {name}"));
        let from_environment = match (form, serde_json::from_str::<serde_json::Value>(text)) {
            (TextForm::Json | TextForm::JsonOrText, Ok(json)) => Node::from_json(&json, &origin),
            (TextForm::Json, Err(_)) => {
                let node = Node::new(super::Value::Null, origin);
                self.cx.within(key, |cx| cx.invalid_unquoted(&node, "the variable must be JSON"));
                return None;
            }
            (TextForm::Text | TextForm::JsonOrText, _) => Node::new(super::Value::Text(text.to_owned()), origin),
        };
        Some(Some(match written {
            Some(written) => Cow::Owned(written.over(&from_environment)),
            None => Cow::Owned(from_environment),
        }))
    }

    /// As [`Self::node`], filled from the variable that belongs to the key.
    #[expect(clippy::option_option, reason = "a problem and an absent key are two outcomes")]
    pub fn own_node(&mut self, key: &str, form: TextForm) -> Option<Option<Cow<'n, Node>>> {
        self.node(key, self.variable(key).as_deref(), form)
    }

    /// The value of a key that is read elsewhere, where its problems are reported; `None` if it has any.
    pub fn preview<T: Decode>(&mut self, key: &str, default: T) -> Option<T> {
        match self.own_node(key, T::TEXT_FORM)? {
            Some(node) => Decoder::run(self.cx.variables(), |cx| T::decode(&node, cx)).ok(),
            None => Some(default),
        }
    }

    /// As [`Self::preview`], of a whole section.
    pub fn preview_keys<T: Keys>(&mut self) -> Option<T> {
        let mut cx = Decoder::new(self.cx.variables());
        let mut fields = Fields {
            map: self.map,
            origin: self.origin.clone(),
            cx: &mut cx,
            known: Vec::new(),
            variables: self.variables.clone(),
        };
        let section = T::read(&mut fields);
        cx.finish(section).ok()
    }

    /// Marks a key as known without reading it.
    pub fn accept(&mut self, key: &str) {
        self.known.push(key.to_owned());
    }

    /// Records a problem of the mapping as a whole.
    pub fn fail(&mut self, rule: impl Into<String>) {
        self.record(KeyPath::default(), self.origin.clone(), rule.into(), None);
    }

    /// Records a problem at one key, without quoting its value.
    pub fn fail_at(&mut self, key: &str, rule: impl Into<String>) {
        self.record(KeyPath::new([key]), self.origin(key), rule.into(), None);
    }

    /// As [`Self::fail_at`], with a hint.
    pub fn fail_at_with_hint(&mut self, key: &str, rule: impl Into<String>, hint: impl Into<String>) {
        self.record(KeyPath::new([key]), self.origin(key), rule.into(), Some(hint.into()));
    }

    /// The origin of a key's value, or of the mapping when it is absent.
    pub fn origin(&self, key: &str) -> Origin {
        self.map.get(key).map_or(&self.origin, |entry| &entry.value.origin).clone()
    }

    /// The decoder, for nested work.
    pub fn decoder(&mut self) -> &mut Decoder<'v> {
        self.cx
    }

    /// Reads a whole section.
    pub fn into_keys<T: Keys>(mut self) -> Option<T> {
        let section = T::read(&mut self);
        if T::REFUSES_UNKNOWN {
            self.finish();
        }
        section
    }

    /// Reports every key that was never asked for.
    pub fn finish(mut self) {
        let known = std::mem::take(&mut self.known);
        for entry in self.map {
            if !known.contains(&entry.key) {
                let hint =
                    nearest(&entry.key, known.iter().map(String::as_str)).map(|near| format!("did you mean '{near}'?"));
                let path = KeyPath::new([entry.key.as_str()]);
                self.record(path, entry.key_origin.clone(), "extra fields not permitted".to_owned(), hint);
            }
        }
    }

    /// Leaves keys that were never asked for alone.
    #[expect(clippy::unused_self, reason = "consumes the fields, as `finish` does")]
    pub fn ignore_unknown(self) {}

    fn variable(&self, key: &str) -> Option<String> {
        match &self.variables {
            VariableNames::None => None,
            VariableNames::Prefix(prefix) => Some(format!("{prefix}{}", key.to_uppercase())),
            VariableNames::Listed(names) => {
                names.iter().find(|(listed, _)| *listed == key).map(|(_, name)| (*name).to_owned())
            }
        }
    }

    /// Records that a required key is absent. A variable with a name of its own is worth telling.
    fn fail_absent(&mut self, key: &str) {
        let hint = match (&self.variables, self.variable(key)) {
            (VariableNames::Listed(_), Some(name)) => Some(format!("the environment variable {name} can also give it")),
            _ => None,
        };
        self.record(KeyPath::new([key]), self.origin(key), "field required".to_owned(), hint);
    }

    fn record(&mut self, path: KeyPath, origin: Origin, rule: String, hint: Option<String>) {
        self.cx.report(Problem { origin, path, value: None, rule, hint });
    }
}

/// The known word that is closest to `word`, when one is close enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ, as rustc and cargo allow.
    let limit = word.chars().count().max(3) / 3;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, case ignored, `-` and `_` equal.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| text.to_lowercase().replace('-', "_").chars().collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_key_is_suggested_and_a_far_one_is_not() {
        let known = ["measure_enabled", "description"];
        assert_eq!(nearest("measure-enabld", known), Some("measure_enabled"));
        assert_eq!(nearest("replicas", known), None);
    }
}
