//! Where programs are: the folders of `PATH`, as a value that is passed in.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the C library searches when there is no `PATH`.
const WITHOUT_PATH: &str = "/bin:/usr/bin";

/// The folders in which programs are looked for, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath(Vec<PathBuf>);

/// A program that is in no folder of the search path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("program '{program}' is in none of the folders of PATH: {}", .folders.join(", "))]
pub struct ProgramNotFound {
    pub program: String,
    folders: Vec<String>,
}

impl SearchPath {
    /// The folders of the variable `PATH`, separated by colons. Empty ones, which would be the working directory, are
    /// left out.
    pub fn new(variable: Option<&str>) -> Self {
        let folders = variable.unwrap_or(WITHOUT_PATH).split(':').filter(|folder| !folder.is_empty());
        Self(folders.map(PathBuf::from).collect())
    }

    /// The same with the folders of another variable before them.
    #[must_use]
    pub fn after(self, variable: Option<&str>) -> Self {
        let Self(folders) = Self::new(Some(variable.unwrap_or_default()));
        Self(folders.into_iter().chain(self.0).collect())
    }

    /// The executable files whose name begins so: of each name the first, by name.
    pub fn beginning_with(&self, prefix: &str) -> Vec<PathBuf> {
        let mut found = BTreeMap::new();
        let entries = self.0.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(prefix) && is_executable(&path) {
                found.entry(name.to_owned()).or_insert(path);
            }
        }
        found.into_values().collect()
    }

    /// The first file of this name that is not executable.
    pub fn find_not_executable(&self, program: &str) -> Option<PathBuf> {
        let mut candidates = self.0.iter().map(|folder| folder.join(program));
        candidates.find(|path| path.is_file() && !is_executable(path))
    }

    /// The first executable file of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, program: &str) -> Result<PathBuf, ProgramNotFound> {
        let candidates = self.0.iter().map(|folder| folder.join(program));
        candidates.into_iter().find(|path| is_executable(path)).ok_or_else(|| ProgramNotFound {
            program: program.to_owned(),
            folders: self.0.iter().map(|folder| folder.display().to_string()).collect(),
        })
    }
}

impl Default for SearchPath {
    fn default() -> Self {
        Self::new(None)
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn the_first_executable_file_is_found() {
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("a directory");
            fs::write(&path, "").expect("writable");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
            path
        };
        write("a/program", 0o644);
        fs::create_dir_all(folder.path().join("b/program")).expect("a directory");
        let expected = write("c/program", 0o755);
        write("d/program", 0o755);
        let root = folder.path().display();
        let path = SearchPath::new(Some(&format!("{root}/none:{root}/a::{root}/b:{root}/c:{root}/d")));
        assert_eq!(path.find("program"), Ok(expected));
    }

    #[test]
    fn a_program_that_is_nowhere_is_named_with_the_folders() {
        let error = SearchPath::new(Some("/no/such:/folder")).find("program").expect_err("there are no such folders");
        assert_eq!(error.to_string(), "program 'program' is in none of the folders of PATH: /no/such, /folder");
    }

    #[test]
    fn of_each_name_the_first_executable_is_listed() {
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("a directory");
            fs::write(&path, "").expect("writable");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
            path
        };
        let first = write("a/x-one", 0o755);
        write("b/x-one", 0o755);
        let second = write("b/x-two", 0o755);
        write("b/y-three", 0o755);
        let dull = write("a/x-four", 0o644);
        let root = folder.path().display();
        let path = SearchPath::new(Some(&format!("{root}/b"))).after(Some(&format!("{root}/a")));
        assert_eq!(path.beginning_with("x-"), [first, second]);
        assert_eq!(path.find_not_executable("x-four"), Some(dull));
    }

    #[test]
    fn without_a_path_the_folders_of_the_system_are_searched() {
        assert!(SearchPath::default().find("sh").is_ok());
    }
}
