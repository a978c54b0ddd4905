//! `assay completions` and `assay manual`

use super::Context;
use super::output::{print, print_bytes, say};
use assay_lab::LabError;
use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Print shell completions
///
/// They know commands and options, and what the lab around here holds: studies, snapshots, proposals, strategies. The script
/// asks the `assay` on the search path.
///
/// Example: assay completions bash > ~/.local/share/bash-completion/completions/assay
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, zsh, fish, elvish or powershell
    shell: clap_complete::Shell,
}

/// Answers a shell that completes, which asks with the variable COMPLETE, and ends the process then.
pub fn answer() {
    CompleteEnv::with_factory(super::Args::command).complete();
}

pub fn run(_: &Context, args: Args) -> Result<(), LabError> {
    let (mut script, shell) = (Vec::new(), args.shell.to_string());
    let shells = Shells::builtins();
    let found =
        shells.completer(&shell).map(|c| c.write_registration("COMPLETE", "assay", "assay", "assay", &mut script));
    match found {
        Some(Ok(())) => print_bytes(&script),
        Some(Err(e)) => Err(LabError::io("write", Path::new("the script"))(e)),
        None => Err(LabError::usage(format!("no completions are known for {shell}"), "take bash, zsh, fish or elvish")),
    }
}

/// Write manual pages, one for each command
///
/// Example: assay manual --out ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
pub struct ManualArgs {
    /// Folder for the pages
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn manual(_: &Context, args: ManualArgs) -> Result<(), LabError> {
    std::fs::create_dir_all(&args.out).map_err(LabError::io("create", &args.out))?;
    let mut command = super::Args::command();
    command.build();
    let mut written = 0;
    pages(&command, "assay", &args.out, &mut written)?;
    print(&args.out.display().to_string());
    say(&format!("{written} pages; read one with `man -l {}`", args.out.join("assay-study-run.1").display()));
    Ok(())
}

fn pages(command: &clap::Command, name: &str, dir: &Path, written: &mut usize) -> Result<(), LabError> {
    let path = dir.join(format!("{name}.1"));
    let mut page = Vec::new();
    let titled = command.clone().display_name(name);
    clap_mangen::Man::new(titled).render(&mut page).map_err(LabError::io("make", &path))?;
    let mut file = std::fs::File::create(&path).map_err(LabError::io("write", &path))?;
    file.write_all(&page).map_err(LabError::io("write", &path))?;
    *written += 1;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        pages(sub, &format!("{name}-{}", sub.get_name()), dir, written)?;
    }
    Ok(())
}
