//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::cli::exit::CliError;

pub(crate) const PUBLIC: u32 = 0o644;

pub(crate) const PRIVATE: u32 = 0o600;

/// Puts this text into a file, which is created with these permissions or replaced. Whoever opens the file sees the old
/// text or the new one, whatever happens in between. A link stays a link.
pub(crate) fn replace(path: &Path, text: &str, permissions: u32) -> Result<(), CliError> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = target.clone().into_os_string();
    beside.push(format!(".{:08x}", fastrand::u32(..)));
    let written = write(Path::new(&beside), text, permissions).and_then(|()| fs::rename(&beside, &target));
    written.map_err(|error| {
        // The first error is the one to tell.
        fs::remove_file(&beside).ok();
        CliError::Failed(format!("failed to write '{}': {error}", path.display()))
    })
}

fn write(path: &Path, text: &str, permissions: u32) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(permissions).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "old").expect("written");
        replace(&path, "new", PRIVATE).expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, PRIVATE);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "old").expect("written");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        replace(&link, "new", PUBLIC).expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
        assert!(link.is_symlink());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = replace(&folder.path().join("none/file"), "new", PUBLIC).expect_err("no folder").to_string();
        assert!(error.contains("none/file"), "{error}");
    }
}
