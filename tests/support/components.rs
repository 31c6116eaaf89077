//! The real programs that tests run, found or made by `tests/components/get`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of a real program. Where it cannot be had: a failure under `CI=true`, elsewhere `None` after a visible word
/// on what to do, so that the test returns without having run.
#[expect(clippy::disallowed_methods, reason = "a test may wait for a build, and reads CI's variable")]
pub(crate) fn component(name: &str) -> Option<PathBuf> {
    let get = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components/get");
    let output = Command::new(&get).arg(name).output().unwrap();
    if output.status.success() {
        return Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{name} is needed under CI: {why}");
    // Written past the harness, which hides the output of tests that pass.
    std::io::stderr().write_all(format!("SKIPPED, as {name} is not here: {why}\n").as_bytes()).unwrap();
    None
}
