//! The walker over the golden cases.

fn main() {}
