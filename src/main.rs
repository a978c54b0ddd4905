//! The command line of Assay: the only place that sees research and production both.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
