//! The commands: one file each; the argument struct is the manual.

mod active;
mod announce;
mod approve;
mod audit;
mod bench;
mod compare;
mod complete;
mod completions;
mod compromise;
mod consistency;
mod data;
mod declare;
mod demo;
mod deploy;
mod doctor;
mod explain;
mod guide;
mod halt;
mod here;
mod hook;
mod init;
mod key;
mod later;
mod ledger;
mod log;
mod mask;
mod mirror;
mod notify;
mod output;
mod page;
mod parity;
mod place;
mod policy;
mod promote;
mod prove;
mod query;
mod reconcile;
mod report;
mod reproduce;
mod retire;
mod review;
mod review_page;
mod rollback;
mod rules;
mod schema;
mod serve;
mod stop;
mod strategy;
mod study;
mod sync;
mod terminal;
mod trials;
mod verify;
mod walk;
mod watch;
mod witness;
mod words;

use assay_lab::{Kind, Lab, LabError, Session, folder};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use terminal::Terminal;

/// Prove a trading strategy before it trades.
///
/// Studies, walk-forwards and promotions are signed events in an append-only ledger; what goes live
/// is verified from them. Begin with `assay guide` or `assay demo`.
///
/// Without a command it says where you stand, and what comes next.
///
/// Exit codes: 0 fine, 1 verification failed, 2 usage or configuration, 3 could not check,
/// 4 refused by policy.
#[derive(Debug, Parser)]
#[command(name = "assay", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    /// The lab's folder [default: the one around here, else ./lab]
    #[arg(long, global = true, value_name = "DIR")]
    lab: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    #[command(subcommand)]
    Key(key::Args),
    #[command(subcommand)]
    Data(data::Args),
    #[command(subcommand)]
    Rules(rules::Args),
    #[command(subcommand)]
    Strategy(strategy::Args),
    #[command(subcommand)]
    Study(study::Args),
    Trials(trials::Args),
    #[command(subcommand)]
    Trial(trials::One),
    Report(report::Args),
    Compare(compare::Args),
    Parity(parity::Args),
    Promote(promote::Args),
    #[command(subcommand)]
    Policy(policy::Args),
    Review(review::Args),
    Reproduce(reproduce::Args),
    Approve(approve::Args),
    Deploy(deploy::Args),
    Sync(sync::Args),
    Rollback(rollback::Args),
    Retire(retire::Args),
    #[command(subcommand)]
    Hook(hook::Args),
    Guide(guide::Args),
    Halt(halt::Args),
    Resume(halt::ResumeArgs),
    Reconcile(reconcile::Args),
    Active(active::Args),
    Verify(verify::Args),
    Prove(prove::Args),
    VerifyProof(prove::VerifyArgs),
    VerifyConsistency(consistency::Args),
    #[command(subcommand)]
    Ledger(ledger::Args),
    #[command(subcommand)]
    Witness(witness::Args),
    Audit(audit::Args),
    Explain(explain::Args),
    Compromise(compromise::Args),
    Log(log::Args),
    #[command(subcommand)]
    Mirror(mirror::Args),
    Query(query::Args),
    Bench(bench::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Manual(completions::ManualArgs),
    Schema(schema::Args),
    Notify(notify::Args),
}

/// What every command may need.
pub struct Context {
    lab: Option<PathBuf>,
    /// Print data as JSON.
    pub json: bool,
    /// The terminal as observer, and the token that Ctrl-C sets.
    pub session: Session,
}

impl Context {
    /// The lab.
    pub fn lab(&self) -> Result<Lab, LabError> {
        Lab::open(&folder::find(self.lab.as_deref())?, &self.session)
    }
}

fn run(args: Args, session: Session) -> Result<(), LabError> {
    let cx = Context { lab: args.lab, json: args.json, session };
    let Some(command) = args.command else { return here::run(&cx) };
    match command {
        Command::Demo(a) => demo::run(&cx, a),
        Command::Init(a) => init::run(&cx, a),
        Command::Key(a) => key::run(&cx, a),
        Command::Data(a) => data::run(&cx, a),
        Command::Rules(a) => rules::run(&cx, a),
        Command::Strategy(a) => strategy::run(&cx, a),
        Command::Study(a) => study::run(&cx, a),
        Command::Trials(a) => trials::run(&cx, a),
        Command::Trial(a) => trials::one(&cx, a),
        Command::Report(a) => report::run(&cx, a),
        Command::Compare(a) => compare::run(&cx, a),
        Command::Parity(a) => parity::run(&cx, a),
        Command::Policy(a) => policy::run(&cx, a),
        Command::Promote(a) => promote::run(&cx, a),
        Command::Reproduce(a) => reproduce::run(&cx, a),
        Command::Review(a) => review::run(&cx, a),
        Command::Approve(a) => approve::run(&cx, a),
        Command::Deploy(a) => deploy::run(&cx, a),
        Command::Sync(a) => sync::run(&cx, a),
        Command::Rollback(a) => rollback::run(&cx, a),
        Command::Retire(a) => retire::run(&cx, a),
        Command::Hook(a) => hook::run(&cx, a),
        Command::Guide(a) => guide::run(&cx, a),
        Command::Halt(a) => halt::run(&cx, a),
        Command::Resume(a) => halt::run_resume(&cx, a),
        Command::Reconcile(a) => reconcile::run(&cx, a),
        Command::Active(a) => active::run(&cx, a),
        Command::Verify(a) => verify::run(&cx, a),
        Command::Prove(a) => prove::run(&cx, a),
        Command::VerifyProof(a) => prove::verify(&cx, a),
        Command::VerifyConsistency(a) => consistency::run(&cx, a),
        Command::Ledger(a) => ledger::run(&cx, a),
        Command::Witness(a) => witness::run(&cx, a),
        Command::Audit(a) => audit::run(&cx, a),
        Command::Explain(a) => explain::run(&cx, a),
        Command::Compromise(a) => compromise::run(&cx, a),
        Command::Log(a) => log::run(&cx, a),
        Command::Mirror(a) => mirror::run(&cx, a),
        Command::Query(a) => query::run(&cx, a),
        Command::Bench(a) => bench::run(&cx, a),
        Command::Doctor(a) => doctor::run(&cx, a),
        Command::Completions(a) => completions::run(&cx, a),
        Command::Manual(a) => completions::manual(&cx, a),
        Command::Schema(a) => schema::run(&cx, a),
        Command::Notify(a) => notify::run(&cx, a),
    }
}

/// `$XDG_STATE_HOME/assay`, or `~/.local/state/assay`.
fn memory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("assay"))
}

/// Parses the arguments, runs the command, and turns its end into an exit code.
pub fn main() -> ExitCode {
    mask::no_write_for_others();
    completions::answer();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            let asks_json = std::env::args_os().take_while(|a| a != "--").any(|a| a == "--json");
            let lost = if e.use_stderr() && asks_json { !words::tell_usage_json(&e) } else { !words::tell_usage(&e) };
            return ExitCode::from(match (e.use_stderr(), lost) {
                (true, _) => 2,
                (false, lost) => u8::from(lost) * 3,
            });
        }
    };
    let session = Session { observer: Arc::new(Terminal::default()), memory: memory(), ..Session::silent() };
    stop::watch(&session.stop);
    let (asked, json) = (session.stop.clone(), args.json);
    match run(args, session).and_then(|()| output::written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let code = exit_code(e.kind());
            if json {
                words::tell_json(&e, code)
            } else {
                words::tell(&e)
            }
            // Whatever came of it, somebody asked to stop.
            ExitCode::from(if asked.requested() { stop::EXIT } else { code })
        }
    }
}

/// 0 fine, 1 verification failed, 2 usage or config, 3 could not check, 4 refused by policy.
fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::Verification => 1,
        Kind::Usage => 2,
        Kind::CouldNot => 3,
        Kind::Refused => 4,
        Kind::Stopped => stop::EXIT,
    }
}
