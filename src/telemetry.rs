//! Facts about the agent and its surroundings that are sent with HELLO: a flat map of texts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The version of ServoX whose behaviour and protocol this agent speaks.
pub(crate) const SERVOX_VERSION: &str = "2.2.5";

/// How the agent names itself on the wire: `User-Agent`, and `agent` in HELLO.
pub(crate) const USER_AGENT: &str = concat!("servox-rs/", env!("CARGO_PKG_VERSION"), " (compatible; servox 2.2.5)");

/// The facts of one servo; shared by its connectors, each of which sets and removes its own.
#[derive(Debug, Default)]
pub struct Telemetry(Mutex<BTreeMap<String, String>>);

impl Telemetry {
    /// The facts that every servo has. `namespace` is that of the agent's own pod.
    pub fn new(namespace: Option<&str>) -> Self {
        let telemetry = Self::default();
        telemetry.set("servox.version", SERVOX_VERSION);
        telemetry.set("servox.platform", platform());
        if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
            telemetry.set("servox.namespace", namespace);
        }
        telemetry
    }

    pub fn set(&self, key: impl Into<String>, value: impl Into<String>) {
        self.facts().insert(key.into(), value.into());
    }

    pub fn remove(&self, key: &str) {
        self.facts().remove(key);
    }

    /// All facts as they are now.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        self.facts().clone()
    }

    fn facts(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // The map is whole at every moment, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Operating system, release, machine and C library, such as `Linux-6.1.0-x86_64-with-glibc`.
fn platform() -> String {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let libc = if cfg!(target_env = "musl") { "musl" } else { "glibc" };
    format!("{}-{}-{}-with-{libc}", text(name.sysname()), text(name.release()), text(name.machine()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_namespace_is_no_fact() {
        assert!(!Telemetry::new(Some("")).snapshot().contains_key("servox.namespace"));
        assert_eq!(Telemetry::new(Some("ns")).snapshot()["servox.namespace"], "ns");
    }

    #[test]
    fn the_version_is_the_one_whose_protocol_is_spoken() {
        assert_eq!(Telemetry::new(None).snapshot()["servox.version"], "2.2.5");
    }
}
