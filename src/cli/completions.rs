//! `assay completions`

use super::Context;
use super::output::print_bytes;
use assay_lab::LabError;
use clap::CommandFactory as _;

/// Print shell completions
///
/// Example: assay completions bash > ~/.local/share/bash-completion/completions/assay
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, zsh, fish, elvish or powershell
    shell: clap_complete::Shell,
}

pub fn run(_: &Context, args: Args) -> Result<(), LabError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Args::command(), "assay", &mut script);
    print_bytes(&script)
}
