//! What happens in the cluster after a client's write.

use std::time::Duration;

use serde_json::Value;

use super::objects::{Key, Objects};

/// How an object was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Create,
    Modify,
    Delete,
}

/// A write of a client that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) verb: Verb,
    pub(crate) key: Key,
    pub(crate) before: Option<Value>,
    /// None when the object was removed at once.
    pub(crate) after: Option<Value>,
}

/// A change of the cluster, some time after the one before it.
pub(crate) struct Stage {
    pub(super) delay: Duration,
    pub(super) act: Box<dyn FnOnce(&mut Objects) + Send>,
}

impl Stage {
    pub(crate) fn after(delay: Duration, act: impl FnOnce(&mut Objects) + Send + 'static) -> Self {
        Self { delay, act: Box::new(act) }
    }
}

/// Plays the cluster: answers a write with changes in stages.
pub(crate) trait Controller: Send {
    fn react(&mut self, write: &Write, objects: &Objects) -> Vec<Stage>;
}

impl<F: FnMut(&Write, &Objects) -> Vec<Stage> + Send> Controller for F {
    fn react(&mut self, write: &Write, objects: &Objects) -> Vec<Stage> {
        self(write, objects)
    }
}
