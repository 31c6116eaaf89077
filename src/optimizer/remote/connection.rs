//! The address and the credentials in use, and the file that may change them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::{Mutex, mpsc};

use super::auth::{Auth, ClientCredentials};
use crate::config::{AppDynamicsOptimizer, ConnectionFile, OptimizerConfig, ResolvedAppDynamics};
use crate::decode::{HttpUrl, Secret};
use crate::optimizer::OptimizerError;
use crate::retry::{Attempt, Limits, retry};

/// How long a connection file that does not exist yet is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Editors and kubelets change a file in several steps; they are over after this time.
const SETTLING: Duration = Duration::from_millis(100);

/// Where to send requests, and with which credentials.
pub(super) struct Connection {
    base: HttpUrl,
    pub(super) auth: Auth,
    /// What the connection file said, to tell a change from a touch.
    file: Option<Secret>,
}

impl Connection {
    /// The address of a path below the base address.
    pub(super) fn address(&self, path: &str) -> String {
        let base = self.base.as_str();
        let slash = if base.ends_with('/') { "" } else { "/" };
        format!("{base}{slash}{path}")
    }

    fn of_app_dynamics(resolved: &ResolvedAppDynamics) -> Result<Self, &'static str> {
        let auth = match &resolved.token {
            Some(token) => Auth::token(token)?,
            None => Auth::ClientCredentials(Box::new(ClientCredentials::new(
                resolved.token_url.clone(),
                resolved.client_id.as_deref().unwrap_or_default(),
                resolved.client_secret.as_ref().ok_or("neither a token nor a client secret is configured")?,
            )?)),
        };
        Ok(Self { base: resolved.url.clone(), auth, file: None })
    }
}

/// The connection in use; replaced when the connection file changes.
pub(super) struct Connections {
    current: RwLock<Option<Arc<Connection>>>,
    file: Option<FileSource>,
}

/// A configuration whose address and credentials stand in a file of their own.
struct FileSource {
    path: PathBuf,
    config: AppDynamicsOptimizer,
    /// Held while the file is being waited for, so that it is waited for once.
    loading: Mutex<()>,
}

impl Connections {
    /// # Errors
    /// Why the credentials cannot be sent.
    pub(super) fn new(config: &OptimizerConfig) -> Result<Self, &'static str> {
        let (current, file) = match config {
            OptimizerConfig::Opsani(config) => {
                (Some(Connection { base: config.url().clone(), auth: Auth::token(config.token())?, file: None }), None)
            }
            OptimizerConfig::AppDynamics(config) => match (config.connection_file(), config.resolved()) {
                (Some(path), _) => {
                    let source = FileSource { path: path.into(), config: config.clone(), loading: Mutex::new(()) };
                    (None, Some(source))
                }
                (None, Some(resolved)) => (Some(Connection::of_app_dynamics(&resolved)?), None),
                (None, None) => return Err("neither a connection file nor an address is configured"),
            },
            OptimizerConfig::Embedded(_) => return Err("an embedded optimizer has no address"),
        };
        Ok(Self { current: RwLock::new(current.map(Arc::new)), file })
    }

    /// The connection in use. The first call waits for a connection file that does not exist yet.
    ///
    /// # Errors
    /// When the connection file cannot be used.
    pub(super) async fn current(&self) -> Result<Arc<Connection>, OptimizerError> {
        if let Some(connection) = self.held() {
            return Ok(connection);
        }
        let Some(source) = &self.file else {
            return Err(OptimizerError::ConnectionFile { path: String::new(), problem: "there is none".to_owned() });
        };
        let _guard = source.loading.lock().await;
        if let Some(connection) = self.held() {
            return Ok(connection);
        }
        let connection = Arc::new(source.wait_for().await?);
        self.hold(Arc::clone(&connection));
        Ok(connection)
    }

    pub(super) fn shown_endpoint(&self) -> String {
        self.held().map(|connection| super::answer::shown(connection.base.url())).unwrap_or_default()
    }

    /// Follows the connection file and never returns. What cannot be read leaves the connection as it is.
    pub(super) async fn follow(&self) {
        let Some(source) = &self.file else { return std::future::pending().await };
        let (sender, mut changes) = mpsc::channel(1);
        let watcher = match watch(&source.path, sender) {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::error!(path = %source.path.display(), %error, "failed to watch the connection file: changes need a restart");
                return std::future::pending().await;
            }
        };
        let mut complaint = String::new();
        if self.held().is_some() {
            // It may have changed between its reading and the beginning of the watch.
            self.reload(source, &mut complaint).await;
        }
        while changes.recv().await.is_some() {
            tokio::time::sleep(SETTLING).await;
            // What changed in the meantime is read now.
            while changes.try_recv().is_ok() {}
            self.reload(source, &mut complaint).await;
        }
        drop(watcher);
        std::future::pending::<()>().await;
    }

    /// Reads the file again. The same complaint is not repeated: a log file in the watched folder would feed itself.
    async fn reload(&self, source: &FileSource, complaint: &mut String) {
        let error = match source.load().await {
            Ok(connection) => {
                complaint.clear();
                // Otherwise something else in the folder changed.
                if self.held().is_none_or(|held| held.file != connection.file) {
                    tracing::info!(path = %source.path.display(), "read the changed connection file");
                    self.hold(Arc::new(connection));
                }
                return;
            }
            Err(error) => error.to_string(),
        };
        if *complaint != error {
            tracing::error!(error, "kept the connection as it was");
            *complaint = error;
        }
    }

    fn held(&self) -> Option<Arc<Connection>> {
        // The slot is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, connection: Arc<Connection>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }
}

impl FileSource {
    async fn wait_for(&self) -> Result<Connection, OptimizerError> {
        let limits = Limits { max_time: Some(PATIENCE), max_tries: None, max_wait: None };
        let on_wait = |_: &OptimizerError, _: Duration| {
            tracing::info!(path = %self.path.display(), "waiting for the connection file");
        };
        let attempt = || async {
            let exists = tokio::fs::try_exists(&self.path).await.unwrap_or(false);
            self.load()
                .await
                .map_err(|error| if exists { Attempt::permanent(error) } else { Attempt::transient(error) })
        };
        retry(limits, on_wait, attempt).await
    }

    async fn load(&self) -> Result<Connection, OptimizerError> {
        let path = self.path.display().to_string();
        let unusable = |problem: String| OptimizerError::ConnectionFile { path: path.clone(), problem };
        let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| unusable(error.to_string()))?;
        let file = ConnectionFile::parse(&text, &path).map_err(|problems| unusable(problems.to_string()))?;
        let connection = Connection::of_app_dynamics(&self.config.with_connection(&file));
        let connection = connection.map_err(|problem| unusable(problem.to_owned()))?;
        Ok(Connection { file: Some(Secret::new(text)), ..connection })
    }
}

/// Watches the folder of a file: the file itself may be replaced, as Kubernetes does with mounted Secrets.
fn watch(path: &Path, sender: mpsc::Sender<()>) -> notify::Result<impl Watcher> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an event as well, and must not lead to another reading.
        let reads = event.is_ok_and(|event| event.kind.is_access());
        if !reads && sender.try_send(()).is_err() {
            tracing::trace!("a reading of the connection file is due already");
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
