//! The environment as a value: read once from the process, completed from a `.env` file, passed on to whoever needs
//! it. Nothing here changes the process environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::dotenv;
use crate::decode::{KeyPath, Origin, Problem, Problems, Variables};

/// The variables known to the program. `Debug` shows their names only, as values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// A `.env` file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotenvFile {
    pub path: PathBuf,
    /// Complete sentences with positions, about lines that could not be read.
    pub warnings: Vec<String>,
}

impl Environment {
    /// The environment of this process. Variables whose name is not Unicode are left out, and what is not Unicode in
    /// a value is replaced.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    pub fn from_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        Self { variables }
    }

    /// An environment of these variables.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// The value of a variable that counts as unset when it is empty.
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds what the nearest file called `.env` says, searched for in `directory` and upward. Variables that exist,
    /// even empty ones, stay as they are. Returns `None` when there is no such file.
    ///
    /// # Errors
    /// The file exists but is not readable as UTF-8 text.
    pub fn load_dotenv(&mut self, directory: &Path) -> Result<Option<DotenvFile>, Problems> {
        let candidates = directory.ancestors().map(|folder| folder.join(".env"));
        let Some(path) = candidates.into_iter().find(|path| path.is_file()) else { return Ok(None) };
        let source = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| Problem {
            origin: Origin::whole(source.as_str()),
            path: KeyPath::default(),
            value: None,
            rule: format!("cannot read the file: {error}"),
            hint: None,
        })?;
        let warnings = self.merge_dotenv(&text, &source);
        Ok(Some(DotenvFile { path, warnings }))
    }

    fn merge_dotenv(&mut self, text: &str, source: &str) -> Vec<String> {
        let dotenv::Parsed { assignments, warnings } = dotenv::parse(text, source);
        let mut added: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in assignments {
            let value = dotenv::expand(&value, |name| self.get(name).or_else(|| added.get(name).map(String::as_str)));
            added.insert(name, value);
        }
        for (name, value) in added {
            self.variables.entry(name).or_insert(value);
        }
        warnings
    }
}

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(environment: &[(&str, &str)], text: &str) -> Environment {
        let mut environment = Environment::from_pairs(environment.iter().copied());
        assert_eq!(environment.merge_dotenv(text, ".env"), Vec::<String>::new());
        environment
    }

    #[test]
    fn existing_variables_win_even_when_empty() {
        let environment = merged(&[("A", ""), ("B", "mine")], "A=1\nB=2\nC=3\n");
        assert_eq!(environment, Environment::from_pairs([("A", ""), ("B", "mine"), ("C", "3")]));
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        assert_eq!(merged(&[], "A=1\nA=2\n"), Environment::from_pairs([("A", "2")]));
    }

    #[test]
    fn references_see_existing_variables_first_then_earlier_lines() {
        let environment = merged(&[("HOST", "env")], "HOST=file\nPORT=80\nURL=http://${HOST}:${PORT}${NONE}/${X:-y}\n");
        assert_eq!(environment.get("URL"), Some("http://env:80/y"));
    }

    #[test]
    fn the_nearest_file_upward_is_read_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        std::fs::create_dir_all(deep.join(".env")).unwrap();
        std::fs::write(root.path().join(".env"), "FAR=1\n").unwrap();
        std::fs::write(root.path().join("a/.env"), "NEAR=1\nbad line\n").unwrap();
        let mut environment = Environment::default();
        let file = environment.load_dotenv(&deep).unwrap().unwrap();
        assert_eq!(file.path, root.path().join("a/.env"));
        assert_eq!(file.warnings.len(), 1);
        assert_eq!(environment, Environment::from_pairs([("NEAR", "1")]));
    }

    #[test]
    fn values_are_not_printed() {
        let environment = Environment::from_pairs([("OPSANI_TOKEN", "s3cr3t")]);
        assert_eq!(format!("{environment:?}"), "{\"OPSANI_TOKEN\"}");
    }
}
