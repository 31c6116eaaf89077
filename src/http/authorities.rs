//! Certificate authorities: the bundled list, files, and what the variables of the surroundings name.
//!
//! Nothing here reads the environment: the variables are passed in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};

/// Why certificate authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// A file or folder cannot be read.
    #[error("failed to read certificate authorities from '{path}'", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file is no PEM text.
    #[error("'{path}' is not a valid PEM file", path = .path.display())]
    Pem { path: PathBuf, source: PemError },
    /// There is no certificate in what was named.
    #[error("no usable certificate in {0}: name a PEM file or a folder of them, or remove the setting")]
    Empty(String),
}

/// The certificate authorities whose signatures are accepted. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authorities(pub(super) Arc<RootCertStore>);

impl Authorities {
    /// Mozilla's list, as bundled when the program was built.
    pub fn bundled() -> Self {
        Self(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()))
    }

    /// Those of one PEM file and no others.
    ///
    /// # Errors
    /// When the file cannot be read or has no certificate.
    pub fn from_file(path: &Path) -> Result<Self, AuthoritiesError> {
        let mut store = RootCertStore::empty();
        add_file(&mut store, path)?;
        Self::nonempty(store, || format!("'{}'", path.display()))
    }

    /// Those of a PEM text and no others; `path` is where it is from.
    ///
    /// # Errors
    /// When it is no such text, or has no certificate.
    pub fn from_pem(path: &Path, text: &[u8]) -> Result<Self, AuthoritiesError> {
        let mut store = RootCertStore::empty();
        add_pem(&mut store, path, text)?;
        Self::nonempty(store, || format!("'{}'", path.display()))
    }

    /// Those that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name, together; without them, or when nothing of
    /// what they name exists, the bundled ones. A folder, or a list of folders joined by `:`, counts with its files
    /// that have names as `openssl rehash` gives them.
    ///
    /// # Errors
    /// When something that exists cannot be read, or nothing of it is a certificate.
    pub fn from_variables(file: Option<&str>, folders: Option<&str>) -> Result<Self, AuthoritiesError> {
        let mut store = RootCertStore::empty();
        let mut sources = Vec::new();
        if let Some(path) = file.map(Path::new).filter(|path| path.is_file()) {
            add_file(&mut store, path)?;
            sources.push(format!("'{}'", path.display()));
        }
        for folder in folders.into_iter().flat_map(|list| list.split(':')).map(Path::new).filter(|path| path.is_dir()) {
            add_folder(&mut store, folder)?;
            sources.push(format!("'{}'", folder.display()));
        }
        if sources.is_empty() {
            return Ok(Self::bundled());
        }
        Self::nonempty(store, || sources.join(" and "))
    }

    fn nonempty(store: RootCertStore, source: impl FnOnce() -> String) -> Result<Self, AuthoritiesError> {
        if store.is_empty() { Err(AuthoritiesError::Empty(source())) } else { Ok(Self(Arc::new(store))) }
    }
}

fn add_file(store: &mut RootCertStore, path: &Path) -> Result<(), AuthoritiesError> {
    let text = std::fs::read(path).map_err(|source| AuthoritiesError::Read { path: path.to_owned(), source })?;
    add_pem(store, path, &text)
}

fn add_pem(store: &mut RootCertStore, path: &Path, text: &[u8]) -> Result<(), AuthoritiesError> {
    let certificates = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| AuthoritiesError::Pem { path: path.to_owned(), source })?;
    let (_, ignored) = store.add_parsable_certificates(certificates);
    if ignored > 0 {
        // Old authorities with odd encodings are in many lists; the others must still work.
        tracing::debug!(path = %path.display(), ignored, "ignored certificates that cannot be parsed");
    }
    Ok(())
}

fn add_folder(store: &mut RootCertStore, folder: &Path) -> Result<(), AuthoritiesError> {
    let failed = |source| AuthoritiesError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(is_hash_name) && path.is_file() {
            add_file(store, &path)?;
        }
    }
    Ok(())
}

/// Whether a file name is eight hexadecimal digits, a dot and a number: the names under which authorities are looked
/// up. Without this rule every certificate of a system folder would count twice, as link and as file.
fn is_hash_name(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_looked_up_by_hash_names() {
        for (name, counts) in [
            ("02265526.0", true),
            ("aBcdef01.12", true),
            ("ca-certificates.crt", false),
            ("02265526", false),
            ("02265526.r0", false),
            ("02265526.", false),
            ("x2265526.0", false),
        ] {
            assert_eq!(is_hash_name(name), counts, "{name}");
        }
    }

    #[test]
    fn what_does_not_exist_leaves_the_bundled_list() {
        let bundled = Authorities::bundled().0.len();
        assert!(bundled > 100);
        for (file, folders) in [(None, None), (Some("/no/such/file"), Some("/no/such/folder:")), (Some(""), Some(""))] {
            let authorities = Authorities::from_variables(file, folders).unwrap();
            assert_eq!(authorities.0.len(), bundled);
        }
    }

    #[test]
    fn what_exists_must_have_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "no certificate\n").unwrap();
        let error = Authorities::from_variables(file.to_str(), None).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        let error = Authorities::from_variables(None, folder.path().to_str()).unwrap_err();
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
        assert!(Authorities::from_file(&file).is_err());
        assert!(Authorities::from_file(Path::new("/no/such/file")).is_err());
    }
}
