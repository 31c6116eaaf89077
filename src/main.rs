//! The `servo` program: the command line with the built-in connectors.

fn main() -> std::process::ExitCode {
    servox::main()
}
