//! The client that requests go through, and how it is made anew when its credentials are no longer accepted.
//!
//! The client library reads a token file once a minute and runs a credential plugin when its token expires. It does
//! neither when the API server refuses a token that should still be valid, and takes a token file's last newline for a
//! part of the token. Both are done here.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use kube::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::TransportError;

/// How long a token that was read from a file is used before the file is looked at again, as other clients do.
const TOKEN_AGE: Duration = Duration::from_mins(1);

/// Makes a client from the credentials as they are now. It reads files and may run a credential plugin, so that it
/// blocks.
pub(in crate::k8s) type Connect = Box<dyn Fn() -> Result<Connection, TransportError> + Send + Sync>;

/// A client, and what its credentials were read from.
pub(in crate::k8s) struct Connection {
    pub(in crate::k8s) client: Client,
    /// The file with its token, and the token.
    pub(in crate::k8s) token: Option<(PathBuf, String)>,
}

/// The client that requests go through.
pub(in crate::k8s) struct Session {
    current: RwLock<Current>,
    connect: Arc<Connect>,
    /// Held while a client is made anew, so that it is made once for all requests that fail together.
    renewing: Mutex<()>,
}

struct Current {
    connection: Connection,
    /// How often the client has been made anew.
    generation: u64,
    read_at: Instant,
}

impl Session {
    pub(in crate::k8s) fn new(connection: Connection, connect: Connect) -> Self {
        let current = Current { connection, generation: 0, read_at: Instant::now() };
        Self { current: RwLock::new(current), connect: Arc::new(connect), renewing: Mutex::new(()) }
    }

    /// The client for a request, and its generation. A token file that has changed gives another one.
    pub(in crate::k8s) async fn client(&self) -> (Client, u64) {
        if let Some((path, generation)) = self.stale_token() {
            let read = tokio::fs::read_to_string(&path).await;
            // A file that is gone or empty for a moment is being replaced: the last token is used until then.
            let has_changed = read.is_ok_and(|text| {
                let token = text.trim();
                !token.is_empty()
                    && self.read(|current| current.connection.token.as_ref().is_some_and(|(_, known)| known != token))
            });
            if !has_changed {
                self.write(|current| current.read_at = Instant::now());
            } else if let Err(error) = self.renew(generation).await {
                tracing::warn!(path = %path.display(), %error, "cannot use the new token of a file");
            }
        }
        self.read(|current| (current.connection.client.clone(), current.generation))
    }

    /// Makes the client anew from credentials that are read again, unless that has happened since `generation`.
    ///
    /// # Errors
    /// The credentials cannot be read, or a plugin failed.
    pub(in crate::k8s) async fn renew(&self, generation: u64) -> Result<(), TransportError> {
        let _renewing = self.renewing.lock().await;
        if self.read(|current| current.generation) != generation {
            return Ok(());
        }
        let connect = Arc::clone(&self.connect);
        let connected = tokio::task::spawn_blocking(move || connect()).await;
        let connection = connected.map_err(|error| TransportError::new(&error))??;
        self.write(|current| {
            *current = Current { connection, generation: generation + 1, read_at: Instant::now() };
        });
        Ok(())
    }

    /// The token file that has to be looked at again.
    fn stale_token(&self) -> Option<(PathBuf, u64)> {
        self.read(|current| {
            let (path, _) = current.connection.token.as_ref()?;
            (current.read_at.elapsed() >= TOKEN_AGE).then(|| (path.clone(), current.generation))
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Current) -> T) -> T {
        read(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut Current)) {
        write(&mut self.current.write().unwrap_or_else(PoisonError::into_inner));
    }
}
