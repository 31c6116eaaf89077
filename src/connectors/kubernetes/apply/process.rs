//! Which process holds a record, and whether it is still there.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A process on a machine, as far as another process there can tell it from others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The name of the machine or pod, for people.
    pub host: String,
    /// The boot of the machine, and the space of process numbers in it.
    place: String,
    pub pid: u32,
    /// When it started, in ticks since the boot: process numbers come again.
    started: String,
}

/// What can be said of a process from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Alive,
    Gone,
    /// It is on another machine, or in another container.
    Unknown,
}

impl Process {
    /// This process.
    pub(crate) async fn own() -> Self {
        let (boot, space) = (read("/proc/sys/kernel/random/boot_id").await, space().await);
        Self {
            host: read("/proc/sys/kernel/hostname").await,
            place: format!("{boot} {space}"),
            pid: std::process::id(),
            started: started(std::process::id()).await,
        }
    }

    /// Whether it still runs.
    pub(crate) async fn presence(&self) -> Presence {
        let own = Self::own().await;
        if self.place != own.place || self.started.is_empty() {
            return Presence::Unknown;
        }
        if started(self.pid).await == self.started { Presence::Alive } else { Presence::Gone }
    }
}

async fn read(path: &str) -> String {
    tokio::fs::read_to_string(path).await.map(|text| text.trim().to_owned()).unwrap_or_default()
}

async fn space() -> String {
    let link = tokio::fs::read_link("/proc/self/ns/pid").await;
    link.map(|link| link.display().to_string()).unwrap_or_default()
}

/// Empty if there is no such process.
async fn started(pid: u32) -> String {
    // The command, which may have blanks, is in parentheses; the start is the 20th word after it.
    let status = read(&format!("/proc/{pid}/stat")).await;
    let after = status.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
    after.split_whitespace().nth(19).unwrap_or_default().to_owned()
}

/// The attempts of this process that are under way.
static UNDER_WAY: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// An attempt of this process. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(String);

impl UnderWay {
    pub(crate) fn begin(attempt: &str) -> Self {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt.to_owned());
        Self(attempt.to_owned())
    }

    /// Whether an attempt of this process is under way.
    pub(crate) fn has(attempt: &str) -> bool {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).contains(attempt)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_told_from_one_that_is_gone_and_one_elsewhere() {
        let own = Process::own().await;
        assert_eq!(own.presence().await, Presence::Alive);
        let earlier = Process { started: "1".to_owned(), ..own.clone() };
        assert_eq!(earlier.presence().await, Presence::Gone);
        let elsewhere = Process { place: "another boot".to_owned(), ..own };
        assert_eq!(elsewhere.presence().await, Presence::Unknown);
    }
}
