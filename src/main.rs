//! The `servo` program.

fn main() {}
