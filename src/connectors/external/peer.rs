//! A running executable from the servo's side: takes calls while somebody has them, reads what it writes in between, and
//! is ended with the last of its owners.

use std::error::Error;

use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::protocol::RemoteError;
use super::session::{Fault, Request, Session};
use crate::connector::EventContext;

/// A question in the middle of an event.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Json,
    /// How long the answer may take.
    pub(super) limit: std::time::Duration,
    pub(super) cx: EventContext,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The executable misbehaved, and has been ended.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It was gone before it was asked.
    #[error("it is gone")]
    Gone,
}

type Answer = Result<Result<Json, RemoteError>, Fault>;

pub(super) struct Peer {
    calls: mpsc::Sender<(Call, oneshot::Sender<Answer>)>,
    task: JoinHandle<()>,
}

impl Peer {
    /// Watches over a session from now on.
    pub(super) fn watch(session: Session, name: &str) -> Self {
        let (calls, receiver) = mpsc::channel(1);
        let task = tokio::spawn(attend(session, receiver, name.to_owned()));
        Self { calls, task }
    }

    /// Whether the executable has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.calls.is_closed()
    }

    /// Asks and waits for the answer. When this is dropped, the executable is told to cancel.
    ///
    /// # Errors
    /// The executable misbehaved, and nothing is left of it; or it was gone already.
    pub(super) async fn call(&self, call: Call) -> Result<Result<Json, RemoteError>, CallError> {
        let (sender, answer) = oneshot::channel();
        self.calls.send((call, sender)).await.map_err(|_| CallError::Gone)?;
        Ok(answer.await.map_err(|_| CallError::Gone)??)
    }

    /// Ends the executable: asks it to, then makes it. Returns when nothing of it is left.
    pub(super) async fn dismiss(self) {
        let Self { calls, task } = self;
        drop(calls);
        if let Err(error) = task.await {
            tracing::error!(%error, "the end of a connector was not seen");
        }
    }
}

/// Serves calls until there is nobody to make them, or the executable does something wrong.
async fn attend(mut session: Session, mut calls: mpsc::Receiver<(Call, oneshot::Sender<Answer>)>, name: String) {
    loop {
        let fault = tokio::select! {
            call = calls.recv() => match call {
                None => break,
                Some((call, answer)) => match serve(&mut session, call, answer).await {
                    Ok(()) => continue,
                    Err(failed) => {
                        // Only when nothing of it is left does the event end.
                        session.end().await;
                        return failed.tell();
                    }
                },
            },
            fault = session.idle() => session.explained(fault).await,
        };
        tracing::warn!(
            connector = name,
            error = &fault as &(dyn Error + 'static),
            "the connector failed between events"
        );
        session.end().await;
        return;
    }
    if let Err(fault) = session.shut_down().await {
        tracing::warn!(
            connector = name,
            error = &fault as &(dyn Error + 'static),
            "the connector did not end as it should"
        );
    }
    session.end().await;
}

/// A call that ended in a fault, and who is to know.
struct Failed {
    fault: Fault,
    answer: oneshot::Sender<Answer>,
}

impl Failed {
    fn tell(self) {
        // Whoever asked may have gone.
        drop(self.answer.send(Err(self.fault)));
    }
}

async fn serve(session: &mut Session, call: Call, mut answer: oneshot::Sender<Answer>) -> Result<(), Failed> {
    let Call { method, params, limit, cx } = call;
    let cancellation: CancellationToken = cx.cancellation().child_token();
    let request = Request { method, params: &params, limit, cancellation: &cancellation };
    let called = session.call(request, |percent, message| cx.progress(percent, message));
    tokio::pin!(called);
    let called = loop {
        tokio::select! {
            called = &mut called => break called,
            () = answer.closed(), if !cancellation.is_cancelled() => cancellation.cancel(),
        }
    };
    match called {
        Ok(result) => {
            drop(answer.send(Ok(result)));
            Ok(())
        }
        Err(fault) => Err(Failed { fault, answer }),
    }
}
