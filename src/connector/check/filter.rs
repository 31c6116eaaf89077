//! Which checks are wanted: by name, id and tags.

use std::collections::BTreeSet;

use regex::Regex;

use super::Check;
use crate::types::Severity;

/// Selects checks. All constraints must hold; the default has none and selects every check.
#[derive(Debug, Clone, Default)]
pub struct CheckFilter {
    pub name: TextFilter,
    pub id: TextFilter,
    /// A check has at least one of these tags; empty is no constraint.
    pub tags: BTreeSet<String>,
    /// Run only what is selected, without the critical checks before it.
    pub exclusive: bool,
}

/// A constraint on a text. Upper and lower case differ.
#[derive(Debug, Clone, Default)]
pub enum TextFilter {
    #[default]
    Any,
    OneOf(Vec<String>),
    /// The pattern is found anywhere in the text.
    Pattern(Regex),
}

/// Why a list of texts is no filter.
#[derive(Debug, Clone, thiserror::Error)]
#[error("'/{pattern}/' in the {field} filter of checks is no valid regular expression")]
pub struct FilterError {
    pub field: &'static str,
    /// The text between the slashes.
    pub pattern: String,
    /// What is wrong with it.
    pub source: regex::Error,
}

impl CheckFilter {
    /// The filter that a configuration or command line means.
    ///
    /// A single name or id between slashes is a regular expression, a single id or tag with commas is a list, and
    /// empty lists are no constraint.
    ///
    /// # Errors
    /// A regular expression is not valid.
    pub fn parse(names: &[String], ids: &[String], tags: &[String]) -> Result<Self, FilterError> {
        let id = match pattern("id", ids)? {
            Some(pattern) => pattern,
            None => TextFilter::one_of(split(ids)),
        };
        let name = match pattern("name", names)? {
            Some(pattern) => pattern,
            None => TextFilter::one_of(names.to_vec()),
        };
        Ok(Self { name, id, tags: split(tags).into_iter().collect(), exclusive: false })
    }

    /// The filter that selects the check of this id alone.
    pub fn only_id(id: impl Into<String>) -> Self {
        Self { id: TextFilter::OneOf(vec![id.into()]), ..Self::default() }
    }

    /// Whether the check is wanted.
    pub fn matches(&self, check: &Check) -> bool {
        let tagged = self.tags.is_empty() || !self.tags.is_disjoint(&check.tags);
        tagged && self.name.matches(&check.name) && self.id.matches(&check.id)
    }

    /// Which of the checks of a connector are to be run: those that are wanted, and unless the filter is exclusive the
    /// critical ones before the last of them.
    pub(crate) fn reached(&self, checks: &[&Check]) -> Vec<bool> {
        let wanted: Vec<bool> = checks.iter().map(|check| self.matches(check)).collect();
        let count = wanted.iter().rposition(|wanted| *wanted).map_or(0, |last| last + 1);
        let required = |check: &Check| check.severity == Severity::Critical && !self.exclusive;
        let each = checks.iter().zip(wanted).enumerate();
        each.map(|(index, (check, wanted))| index < count && (wanted || required(check))).collect()
    }

    /// Whether every check is wanted.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.name.is_any() && self.id.is_any()
    }
}

impl TextFilter {
    fn one_of(texts: Vec<String>) -> Self {
        if texts.is_empty() { Self::Any } else { Self::OneOf(texts) }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(texts) => texts.iter().any(|wanted| wanted == text),
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// The regular expression that a single text between slashes is. A lone slash is the empty one.
fn pattern(field: &'static str, texts: &[String]) -> Result<Option<TextFilter>, FilterError> {
    let [text] = texts else { return Ok(None) };
    let Some(rest) = text.strip_prefix('/') else { return Ok(None) };
    let pattern = match rest.strip_suffix('/') {
        Some(pattern) => pattern,
        None if rest.is_empty() => "",
        None => return Ok(None),
    };
    match Regex::new(pattern) {
        Ok(regex) => Ok(Some(TextFilter::Pattern(regex))),
        Err(source) => Err(FilterError { field, pattern: pattern.to_owned(), source }),
    }
}

/// The parts of a single text with commas; other lists as they are.
fn split(texts: &[String]) -> Vec<String> {
    match texts {
        [text] if text.contains(',') => text.split(',').map(|part| part.trim().to_owned()).collect(),
        _ => texts.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Severity;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn filter(names: &[&str], ids: &[&str], tags: &[&str]) -> CheckFilter {
        CheckFilter::parse(&texts(names), &texts(ids), &texts(tags)).unwrap()
    }

    fn sample() -> Check {
        let mut check = Check::new("check_one".into(), "Connect to \"http://prom\"".into(), Severity::Common);
        check.tags = texts(&["http", "fast"]).into_iter().collect();
        check
    }

    #[track_caller]
    fn selects(names: &[&str], ids: &[&str], tags: &[&str], expected: bool) {
        assert_eq!(filter(names, ids, tags).matches(&sample()), expected, "{names:?} {ids:?} {tags:?}");
    }

    #[test]
    fn nothing_given_selects_everything() {
        selects(&[], &[], &[], true);
        assert!(filter(&[], &[], &[]).is_empty());
        assert!(!filter(&[], &["/"], &[]).is_empty());
    }

    #[test]
    fn texts_are_compared_whole_and_with_case() {
        selects(&[], &["check_one"], &[], true);
        selects(&[], &["check_on"], &[], false);
        selects(&[], &["Check_one"], &[], false);
        selects(&["other", "Connect to \"http://prom\""], &[], &[], true);
        selects(&["Connect"], &[], &[], false);
    }

    #[test]
    fn a_single_text_between_slashes_is_searched_anywhere() {
        selects(&["/http:/"], &[], &[], true);
        selects(&["/^http:/"], &[], &[], false);
        selects(&[], &["/_o.e$/"], &[], true);
        selects(&[], &["/ONE/"], &[], false);
        selects(&[], &["/(?i)ONE/"], &[], true);
    }

    #[test]
    fn a_lone_slash_is_the_empty_pattern() {
        selects(&["/"], &["//"], &[], true);
    }

    #[test]
    fn slashes_among_several_texts_are_ordinary() {
        selects(&[], &["/one/", "check_two"], &[], false);
        selects(&[], &["/one"], &[], false);
    }

    #[test]
    fn commas_split_a_single_id_or_tag_but_no_name() {
        selects(&[], &["check_zero , check_one"], &[], true);
        selects(&[], &["check_zero,check_one", "check_two"], &[], false);
        selects(&[], &[], &["slow, fast"], true);
        selects(&["a,Connect to \"http://prom\""], &[], &[], false);
        selects(&[], &["/zero,|one/"], &[], true);
    }

    #[test]
    fn one_common_tag_suffices_and_patterns_are_no_tags() {
        selects(&[], &[], &["slow", "http"], true);
        selects(&[], &[], &["slow"], false);
        selects(&[], &[], &["/http/"], false);
    }

    #[test]
    fn an_untagged_check_matches_no_tag() {
        assert!(!filter(&[], &[], &["http"]).matches(&Check::named("one", Severity::Common)));
    }

    #[test]
    fn all_constraints_must_hold() {
        selects(&["/Connect/"], &["check_one"], &["fast"], true);
        selects(&["/Connect/"], &["check_two"], &["fast"], false);
    }

    #[test]
    fn an_invalid_pattern_is_named() {
        let error = CheckFilter::parse(&texts(&["/(/"]), &[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "'/(/' in the name filter of checks is no valid regular expression");
    }
}
