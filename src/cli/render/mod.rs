//! What goes to the person: tables, lines, lists that are redrawn, and files.

pub(super) mod age;
pub(super) mod atomic_file;
pub(super) mod banner;
pub(super) mod campaign;
pub(super) mod checklist;
pub(super) mod output;
pub(super) mod published_events;
pub(super) mod python;
pub(super) mod sparkline;
pub(super) mod terminal;
pub(super) mod trials;
pub(super) mod wrap;
