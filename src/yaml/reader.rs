//! From YAML events to value trees: positions, anchors, merge keys, duplicate keys, tags, and the budgets that
//! keep a hostile or mistaken file from taking all memory.
//!
//! The syntax is the event parser's, the meaning of unquoted scalars is `scalar`'s. No message repeats what
//! the file says beyond the name of a key or tag: a value may be a secret.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::scalar;
use crate::decode::{Entry, KeyPath, Map, Node, Origin, Problem, Value};

/// How deeply lists and mappings may be nested; ten times what any section needs, and far from the end of the stack.
const DEEPEST: usize = 128;

/// How much a file may hold after its aliases are expanded: every value counts one, and one more for each
/// [`TEXT_UNIT`] bytes of its text.
const LARGEST: usize = 1_000_000;

const TEXT_UNIT: usize = 64;

type Result<T> = std::result::Result<T, Problem>;

/// The documents of a text, and warnings about what is legal but hardly meant.
pub(crate) fn documents(text: &str, source: &Arc<str>) -> Result<(Vec<Node>, Vec<String>)> {
    let mut builder = Builder {
        events: Parser::new_from_str(text),
        source: Arc::clone(source),
        anchors: HashMap::new(),
        warnings: Vec::new(),
        size: 0,
    };
    let mut documents = Vec::new();
    loop {
        match builder.next()? {
            (Event::DocumentStart(_), _) => documents.push(builder.document()?),
            (Event::StreamEnd, _) => return Ok((documents, builder.warnings)),
            _ => {}
        }
    }
}

struct Builder<'t> {
    events: Parser<'t, StrInput<'t>>,
    source: Arc<str>,
    /// What an alias of this document may name.
    anchors: HashMap<usize, Subtree>,
    warnings: Vec<String>,
    /// How much has been built, in the unit of [`LARGEST`].
    size: usize,
}

/// A built value with what is needed to repeat it safely.
#[derive(Clone)]
struct Subtree {
    node: Node,
    /// The levels of nesting; 0 for a scalar.
    height: usize,
    size: usize,
    /// A scalar as written, which is what it is as a key.
    text: Option<String>,
}

impl<'t> Builder<'t> {
    fn document(&mut self) -> Result<Node> {
        self.anchors.clear();
        let (event, span) = self.next()?;
        Ok(self.subtree(event, span, 0)?.node)
    }

    fn subtree(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Subtree> {
        let origin = self.origin(span);
        let size_before = self.size;
        let (anchor, node, height, text) = match event {
            Event::Alias(anchor) => return self.alias(anchor, &origin, depth),
            Event::Scalar(text, style, anchor, tag) => {
                self.grow(text.len(), &origin)?;
                let value = scalar(&text, style, tag.as_deref()).map_err(|rule| problem(&origin, rule))?;
                (anchor, Node::new(value, origin).with_written(&text), 0, Some(text.into_owned()))
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(tag.as_deref(), "seq", &origin, depth)?;
                let (items, height) = self.list(depth + 1)?;
                (anchor, Node::new(Value::List(items), origin), height, None)
            }
            Event::MappingStart(anchor, tag) => {
                self.enter(tag.as_deref(), "map", &origin, depth)?;
                let (map, height) = self.mapping(depth + 1)?;
                (anchor, Node::new(Value::Map(map), origin), height, None)
            }
            _ => return Err(problem(&origin, "invalid YAML: a value was expected")),
        };
        let subtree = Subtree { node, height, size: self.size - size_before, text };
        if anchor > 0 {
            self.anchors.insert(anchor, subtree.clone());
        }
        Ok(subtree)
    }

    fn alias(&mut self, anchor: usize, origin: &Origin, depth: usize) -> Result<Subtree> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(problem(
                origin,
                "invalid YAML: the alias names a value that contains it, or is in another document",
            ));
        };
        let (size, height) = (target.size, target.height);
        if depth + height > DEEPEST {
            return Err(too_deep(origin));
        }
        self.take(size, origin)?;
        // Only now that it fits is it copied.
        self.anchors.get(&anchor).cloned().ok_or_else(|| problem(origin, "invalid YAML: unknown alias"))
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Node>, usize)> {
        let mut items = Vec::new();
        let mut height = 0;
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((items, height + 1));
            }
            let item = self.subtree(event, span, depth)?;
            height = height.max(item.height);
            items.push(item.node);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<(Map, usize)> {
        let mut merged = Vec::new();
        let mut own: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        let mut height = 0;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                // A later entry replaces an earlier one, so keys of the mapping itself win over merged ones.
                return Ok((merged.into_iter().chain(own).collect(), height + 1));
            }
            let is_merge = is_merge_key(&event);
            let (key, key_origin) = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.subtree(event, span, depth)?;
            height = height.max(value.height);
            if is_merge {
                merged.append(&mut merge(value.node)?);
                continue;
            }
            let line = key_origin.position().map_or(0, |(line, _)| line);
            if let Some(first) = lines.insert(key.clone(), line) {
                self.warnings
                    .push(format!("{key_origin}: duplicate key {key:?}, first on line {first}: the last one counts"));
            }
            own.push(Entry { key, key_origin, value: value.node });
        }
    }

    /// A key is the text as written, whatever it would mean as a value: `on` stays `on`.
    fn key(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<(String, Origin)> {
        let origin = self.origin(span);
        match self.subtree(event, span, depth)?.text {
            Some(text) => Ok((text, origin)),
            None => Err(problem(&origin, "a key must be text, not a list or mapping")),
        }
    }

    fn enter(&mut self, tag: Option<&Tag>, kind: &str, origin: &Origin, depth: usize) -> Result<()> {
        if depth >= DEEPEST {
            return Err(too_deep(origin));
        }
        match tag {
            Some(tag) if !is_neutral(tag) && core_name(tag) != Some(kind) => Err(problem(origin, unsupported(tag))),
            _ => self.grow(0, origin),
        }
    }

    /// Counts one new value with this much text.
    fn grow(&mut self, bytes: usize, origin: &Origin) -> Result<()> {
        self.take(1 + bytes / TEXT_UNIT, origin)
    }

    fn take(&mut self, size: usize, origin: &Origin) -> Result<()> {
        self.size = self.size.saturating_add(size);
        if self.size <= LARGEST {
            return Ok(());
        }
        Err(problem(origin, format!("the file holds more than {LARGEST} values once its aliases are expanded")))
    }

    fn next(&mut self) -> Result<(Event<'t>, Span)> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        // The one message that quotes the text.
        let info = if error.info().starts_with("unexpected character") { "unexpected character" } else { error.info() };
        let origin = Origin::at(Arc::clone(&self.source), error.marker().line(), error.marker().col() + 1);
        Problem { hint: syntax_hint(info).map(str::to_owned), ..problem(&origin, format!("invalid YAML: {info}")) }
    }

    fn origin(&self, span: Span) -> Origin {
        Origin::at(Arc::clone(&self.source), span.start.line(), span.start.col() + 1)
    }
}

/// What to do about the mistakes that people make, where the parser's words do not say it.
fn syntax_hint(info: &str) -> Option<&'static str> {
    if info.contains("invalid indentation") {
        Some("indent every line of a quoted text, list or mapping deeper than its key, with blanks")
    } else if info.contains("may not precede") {
        Some("put a blank after the colon")
    } else if info.contains("unexpected character") {
        Some("put text that begins with a special character in quotes")
    } else {
        None
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> std::result::Result<Value, String> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { scalar::plain(text) } else { Value::Text(text.to_owned()) });
    };
    if is_neutral(tag) {
        return Ok(Value::Text(text.to_owned()));
    }
    let value = match (core_name(tag), scalar::plain(text)) {
        (Some("str"), _) => Some(Value::Text(text.to_owned())),
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a double")]
        (Some("float"), Value::Integer(i)) => Some(Value::Float(i as f64)),
        (Some("float"), Value::Text(text)) => text.parse().ok().map(Value::Float),
        (Some("null"), value @ Value::Null)
        | (Some("bool"), value @ Value::Bool(_))
        | (Some("int"), value @ Value::Integer(_))
        | (Some("float"), value @ Value::Float(_))
        | (Some("timestamp"), value @ Value::Timestamp(_)) => Some(value),
        (Some("null" | "bool" | "int" | "float" | "timestamp"), _) => None,
        _ => return Err(unsupported(tag)),
    };
    value.ok_or_else(|| format!("the value does not fit its tag !!{}", tag.suffix))
}

/// `<<`, unquoted or so tagged.
fn is_merge_key(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
        Event::Scalar(_, _, _, Some(tag)) => core_name(tag) == Some("merge"),
        _ => false,
    }
}

/// The entries that a merge key brings in, those that win last.
fn merge(node: Node) -> Result<Vec<Entry>> {
    let origin = node.origin;
    match node.value {
        Value::Map(map) => Ok(map.into_iter().collect()),
        Value::List(items) => {
            let mut entries = Vec::new();
            // The first mapping of a list wins.
            for item in items.into_iter().rev() {
                match item.value {
                    Value::Map(map) => entries.extend(map),
                    _ => return Err(problem(&item.origin, MERGE_RULE)),
                }
            }
            Ok(entries)
        }
        _ => Err(problem(&origin, MERGE_RULE)),
    }
}

const MERGE_RULE: &str = "the value of a merge key << must be a mapping or a list of mappings";

/// The name of a tag of YAML's own, such as `str` for `!!str`.
fn core_name(tag: &Tag) -> Option<&str> {
    const CORE: &str = "tag:yaml.org,2002:";
    if tag.handle == CORE { Some(&tag.suffix) } else { tag.handle.is_empty().then(|| tag.suffix.strip_prefix(CORE))? }
}

/// `!`, which only says that the value is no number or word.
fn is_neutral(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!"
}

fn unsupported(tag: &Tag) -> String {
    match core_name(tag) {
        Some(name) => format!("the tag !!{name} is not supported here"),
        None => format!("the tag {}{} is not supported", tag.handle, tag.suffix),
    }
}

fn too_deep(origin: &Origin) -> Problem {
    problem(origin, format!("lists and mappings are nested more than {DEEPEST} levels deep"))
}

fn problem(origin: &Origin, rule: impl Into<String>) -> Problem {
    Problem { origin: origin.clone(), path: KeyPath::default(), value: None, rule: rule.into(), hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Vec<Node>, Vec<String>) {
        documents(text, &"f".into()).unwrap_or_else(|problem| panic!("{problem}\n{text}"))
    }

    /// Checks that two texts mean the same, and that the first is not worth a warning.
    fn check(text: &str, plain: &str) {
        assert_eq!(parse(text), parse(plain), "{text}");
    }

    fn check_fails(text: &str, message: &str) {
        match documents(text, &"f".into()) {
            Ok(parsed) => panic!("{text:?} gives {parsed:?}"),
            Err(problem) => assert_eq!(problem.to_string(), message, "{text:?}"),
        }
    }

    #[test]
    fn every_value_and_key_knows_its_line_and_column() {
        let (documents, _) = parse("a: 1\nb:\n  - x\n  - {c: \"y\"}\n");
        let Value::Map(map) = &documents[0].value else { panic!("a mapping") };
        let b = map.get("b").unwrap();
        assert_eq!(b.key_origin.to_string(), "f:2:1");
        let Value::List(items) = &b.value.value else { panic!("a list") };
        assert_eq!(items[0].origin.to_string(), "f:3:5");
        let Value::Map(inner) = &items[1].value else { panic!("a mapping") };
        assert_eq!(inner.get("c").unwrap().value.origin.to_string(), "f:4:9");
    }

    #[test]
    fn keys_are_the_text_as_written() {
        check("on: 1\n010: 2\n~: 3\n1.0: 4\n", "'on': 1\n'010': 2\n'~': 3\n'1.0': 4\n");
        check("&k yes: 0\nb: {*k : 1}\n", "'yes': 0\nb: {'yes': 1}\n");
        check_fails("a: 1\n? [b]\n: c\n", "f:2:3: a key must be text, not a list or mapping");
    }

    #[test]
    fn the_last_of_equal_keys_counts_and_is_worth_a_warning() {
        let (documents, warnings) = parse("a: 1\nb: 2\n'a': 3\n");
        assert_eq!(documents[0].to_json().to_string(), r#"{"a":3,"b":2}"#);
        assert_eq!(warnings, ["f:3:1: duplicate key \"a\", first on line 1: the last one counts"]);
    }

    #[test]
    fn aliases_repeat_what_their_anchor_names_in_the_same_document() {
        check("a: &x {b: [1, 2]}\nc: *x\nd: &x 3\ne: *x\n", "a: {b: [1, 2]}\nc: {b: [1, 2]}\nd: 3\ne: 3\n");
        let foreign = "f:3:4: invalid YAML: the alias names a value that contains it, or is in another document";
        check_fails("a: &x 1\n---\nb: *x\n", foreign);
    }

    #[test]
    fn merge_keys_give_way_to_own_keys_and_to_earlier_mappings_of_a_list() {
        check("x: &x {a: 1, b: 1}\ny: {b: 2, <<: *x}\n", "x: {a: 1, b: 1}\ny: {a: 1, b: 2}\n");
        check("y: {<<: [{a: 1}, {a: 2, b: 2}]}\n", "y: {a: 1, b: 2}\n");
        check("y: {<<: {<<: {a: 1}, b: 1}}\n", "y: {a: 1, b: 1}\n");
        check("y: {'<<': 1}\n", "y: {\"<<\": 1}\n");
        check_fails("y: {<<: [1]}\n", &format!("f:1:10: {MERGE_RULE}"));
    }

    #[test]
    fn tags_of_yaml_force_a_kind_and_others_are_refused() {
        check(
            "a: !!str 010\nb: !!int '3'\nc: !!float 1\nd: !!null ''\ne: ! yes\n",
            "a: '010'\nb: 3\nc: 1.0\nd:\ne: 'yes'\n",
        );
        check("a: !!str\nb: !<tag:yaml.org,2002:str> 1\nc: !!map {}\nd: !!seq []\n", "a: ''\nb: '1'\nc: {}\nd: []\n");
        check_fails("a: !!int s3cr3t\n", "f:1:4: the value does not fit its tag !!int");
        check_fails("a: !env HOME\n", "f:1:4: the tag !env is not supported");
        check_fails("a: !!set {b}\n", "f:1:4: the tag !!set is not supported here");
    }

    #[test]
    fn syntax_errors_have_a_position_and_do_not_repeat_the_text() {
        for (text, position) in [
            ("a: [1, s3cr3t\n", "f:2:1:"),
            ("a: @s3cr3t\n", "f:1:4:"),
            ("a: 's3cr3t\n", "f:"),
            ("a: s: 3cr3t", "f:1:5:"),
        ] {
            let Err(problem) = documents(text, &"f".into()) else { panic!("{text:?} is accepted") };
            let message = problem.to_string();
            assert!(message.starts_with(position) && !message.contains("3cr3t") && !message.contains('@'), "{message}");
        }
    }

    #[test]
    fn a_file_whose_aliases_multiply_is_refused() {
        let level = |level: usize| {
            let below = if level == 0 { "x, ".to_owned() } else { format!("*a{}, ", level - 1) };
            format!("a{level}: &a{level} [{}]\n", below.repeat(10))
        };
        let text: String = (0..9).map(level).collect();
        let Err(problem) = documents(&text, &"f".into()) else { panic!("accepted") };
        assert_eq!(problem.rule, "the file holds more than 1000000 values once its aliases are expanded");
    }

    #[test]
    fn nesting_has_a_limit_which_aliases_do_not_evade() {
        let nested = |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
        parse(&nested(DEEPEST, ""));
        check_fails(&nested(DEEPEST + 1, ""), "f:1:129: lists and mappings are nested more than 128 levels deep");
        let evading = format!("- &a {}\n- {}\n", nested(100, ""), nested(100, "*a"));
        check_fails(&evading, "f:2:103: lists and mappings are nested more than 128 levels deep");
    }
}
