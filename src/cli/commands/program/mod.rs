//! Commands about the program itself: its version, its manual, and completions for shells.

pub(crate) mod completions;
pub(crate) mod man;
pub(crate) mod version;
