//! The journal: a file of JSON lines that is only ever added to, and is on the disk before anything follows from it.
//!
//! One process at a time has it, by a lock on the file. A last line that was cut by a crash is dropped with a warning;
//! anything else that cannot be read is an error, never a guess. What the entries mean is not known here.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::record::Entry;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The file cannot be read or written.
    #[error("failed to {action} the journal '{}'", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the journal '{}' is in use by another process: end that one, or name another journal", path.display())]
    InUse { path: PathBuf },
    /// A line in the middle cannot be read.
    #[error("the journal '{}' is damaged: line {line} cannot be understood: {problem}", path.display())]
    Damaged { path: PathBuf, line: usize, problem: String },
}

/// A journal that this process alone writes.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens a journal, or creates an empty one, and returns what is in it.
    ///
    /// # Errors
    /// It is in use, damaged, or cannot be read or written.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Entry>), JournalError> {
        let failed = |action| move |source| JournalError::File { action, path: path.to_owned(), source };
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        if is_new {
            // The file itself is on the disk only once its folder is.
            let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("create"))?;
        }
        let mut journal = Self { path: path.to_owned(), file };
        let mut content = Vec::new();
        journal.file.read_to_end(&mut content).map_err(failed("read"))?;
        let parsed = parse(&content, path)?;
        journal.mend(&parsed, content.len()).map_err(failed("repair"))?;
        Ok((journal, parsed.entries))
    }

    /// Adds an entry. It is on the disk when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        // Texts, numbers and maps with text keys: none of them can fail to be written.
        let mut line = serde_json::to_vec(entry).unwrap_or_default();
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_all());
        written.map_err(|source| JournalError::File { action: "write", path: self.path.clone(), source })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file at the end of its last whole line.
    fn mend(&mut self, parsed: &Parsed, length: usize) -> io::Result<()> {
        if parsed.whole < length {
            tracing::warn!(
                journal = %self.path.display(),
                bytes = length - parsed.whole,
                "dropped the last line of the journal, which was cut: what it was about is done again"
            );
            self.file.set_len(u64::try_from(parsed.whole).unwrap_or(u64::MAX))?;
        }
        self.file.seek(SeekFrom::End(0))?;
        if parsed.lacks_end {
            self.file.write_all(b"\n")?;
        }
        // The next entry takes these changes to the disk with it.
        Ok(())
    }
}

/// Reads a journal without taking it.
///
/// # Errors
/// It is damaged, or cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, JournalError> {
    let content = std::fs::read(path);
    let content = content.map_err(|source| JournalError::File { action: "read", path: path.to_owned(), source })?;
    parse(&content, path).map(|parsed| parsed.entries)
}

/// The entries in the bytes of a journal.
#[cfg(test)]
pub(super) fn entries(content: &[u8], path: &Path) -> Result<Vec<Entry>, JournalError> {
    parse(content, path).map(|parsed| parsed.entries)
}

/// What the bytes of a journal say.
struct Parsed {
    entries: Vec<Entry>,
    /// How many bytes they take.
    whole: usize,
    /// Whether the last entry is whole but for the end of its line.
    lacks_end: bool,
}

fn parse(content: &[u8], path: &Path) -> Result<Parsed, JournalError> {
    let mut parsed = Parsed { entries: Vec::new(), whole: 0, lacks_end: false };
    for (index, line) in content.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n");
        match serde_json::from_slice(text.unwrap_or(line)) {
            Ok(entry) => {
                parsed.entries.push(entry);
                parsed.whole += line.len();
                parsed.lacks_end = text.is_none();
            }
            // Only what is the last and has no end can have been cut.
            Err(_) if text.is_none() => break,
            Err(error) => {
                let problem = error.to_string();
                return Err(JournalError::Damaged { path: path.to_owned(), line: index + 1, problem });
            }
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::embedded::record::Left;

    fn left(problem: &str) -> Entry {
        Entry::Left(Left { settings: serde_json::Map::new(), problem: Some(problem.to_owned()) })
    }

    #[test]
    fn what_was_added_is_read_again_and_more_is_added_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.jsonl");
        let (mut journal, entries) = Journal::open(&path).unwrap();
        assert_eq!(entries, []);
        journal.append(&left("a")).unwrap();
        drop(journal);
        let (mut journal, entries) = Journal::open(&path).unwrap();
        assert_eq!(entries, [left("a")]);
        journal.append(&left("b")).unwrap();
        assert_eq!(read(&path).unwrap(), [left("a"), left("b")]);
    }

    #[test]
    fn a_cut_line_is_dropped_and_one_that_only_lacks_its_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.jsonl");
        let lines = ["a", "b"].map(|problem| serde_json::to_string(&left(problem)).unwrap() + "\n").concat();
        for length in 0..=lines.len() {
            std::fs::write(&path, &lines[..length]).unwrap();
            let (mut journal, entries) = Journal::open(&path).unwrap();
            let whole = lines.len() / 2;
            assert_eq!(entries.len(), (length + 1) / whole, "{length}");
            journal.append(&left("c")).unwrap();
            drop(journal);
            assert_eq!(read(&path).unwrap().last(), Some(&left("c")), "{length}");
            assert_eq!(read(&path).unwrap().len(), entries.len() + 1, "{length}");
        }
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.jsonl");
        let line = serde_json::to_string(&left("a")).unwrap();
        for damage in ["", "{", "{}", "\0\0\0"] {
            std::fs::write(&path, format!("{line}\n{damage}\n{line}\n")).unwrap();
            let error = Journal::open(&path).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn a_second_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.jsonl");
        let first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse { .. })));
        drop(first);
        assert!(Journal::open(&path).is_ok());
    }
}
