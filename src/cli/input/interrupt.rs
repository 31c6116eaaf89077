//! Commands that a signal may end early.

use tokio_util::sync::CancellationToken;

use crate::cli::exit::CliError;
use crate::runner::Signals;

/// Takes the signals that end the process into our hands.
pub(crate) fn listen() -> Result<Signals, CliError> {
    Signals::listen().map_err(|error| CliError::Failed(format!("failed to listen for signals: {error}")))
}

/// Does work that a signal can end: the first one cancels the token and waits for the work to clean up, the second
/// one gives it up.
///
/// # Errors
/// That of the work, or [`CliError::Interrupted`].
pub(crate) async fn interruptible<T>(
    signals: &mut Signals,
    cancellation: &CancellationToken,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        signal = signals.next() => tracing::warn!(signal, "stopping; a second signal forces the end"),
    }
    cancellation.cancel();
    tokio::select! {
        _ = &mut work => Err(CliError::Interrupted { clean: true }),
        _ = signals.next() => Err(CliError::Interrupted { clean: false }),
    }
}
