//! Commands about connector types: listing them, testing an executable, and the commands that a type adds.

pub(crate) mod list;
pub(crate) mod subcommand;
pub(crate) mod test;
