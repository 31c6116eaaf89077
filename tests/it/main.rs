//! Every integration test, in one binary for the sake of link time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod cli;
#[path = "../support"]
mod support {
    pub(crate) mod servo_bin;
}
