//! `assay demo`: the whole way, from market data to a live row; only a sequence of the commands.

use super::data::{self, ImportArgs, Imported};
use super::error::CliError;
use super::lab::Lab;
use super::output::{heading, print, say, stopped};
use super::promote::Proposed;
use super::{
    Context, active, approve, audit, deploy, init, key, opened, parity, promote, report, rollback, strategy, study,
    tamper, trials,
};
use assay_research::data::fetch::DEFAULT_BASE;
use assay_research::study::Settings;
use assay_shared::strategy::file::Strategy;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STRATEGY: &str = include_str!("../../configs/strategies/trend.toml");
const STUDY: &str = include_str!("../../configs/studies/walkforward.toml");
/// The first day that the dated bracket files cover.
const REAL_FROM: &str = "2022-03-01";

/// Do the main job once, from market data to a live row, and show every step
///
/// Market data comes from --data (or ASSAY_DATA), else from a download, else it is generated and
/// loudly labelled. Everything stays in the lab folder, so that you can go on with it.
///
/// Example: assay demo --data ~/binance --live postgres:///trading
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with market data
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder of the new lab [default: ./lab]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where the live table is: sqlite:FILE or postgres://…
    #[arg(long)]
    live: Option<String>,
    /// Trials of the study
    #[arg(long, default_value_t = 240)]
    trials: u32,
    /// Threads [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
    /// Use the generated market at once
    #[arg(long)]
    generated: bool,
    /// Address of the bulk data to download from
    #[arg(long, default_value = DEFAULT_BASE, hide = true)]
    base: String,
}

fn step(n: u32, text: &str) -> Result<(), CliError> {
    if stopped() {
        return Err(CliError::Stopped("what was done so far stays in the lab folder".into()));
    }
    heading(&format!("{n}. {text}"));
    Ok(())
}

pub fn run(_: &Context, args: Args) -> Result<(), CliError> {
    let out = args.out.clone().unwrap_or_else(|| "lab".into());
    step(1, "A lab: keys, ledger, mirror, repositories, hooks")?;
    let reviewer = out.join("people").join("ben");
    let lab = create(&args, &out, &reviewer)?;
    let cx = Context { lab: Some(out.clone()), json: false };

    step(2, "Market data: import, quality, snapshot")?;
    let strategy = strategy::parse(STRATEGY, "configs/strategies/trend.toml")?;
    let (imported, strategy) = market(&lab, &args, strategy)?;
    let generated = imported.market.generated;

    step(3, "A study: every trial a signed event")?;
    let mut settings =
        Settings::parse(STUDY).map_err(|e| CliError::usage(e, "repair configs/studies/walkforward.toml"))?;
    settings.trials = args.trials.max(1);
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let name = settings.name.clone();
    let opened = opened::open(&lab, strategy, settings, None)?;
    opened::announce(&opened, jobs);
    study::work(&lab, &opened, Some(jobs))?;

    step(4, "The leaderboard, and the report of the best trial")?;
    trials::leaderboard(&lab, &name, 8, false)?;
    let (json, html) = report::write(&lab, Some(&name), None)?;
    print(&format!("report: {} (data: {})", html.display(), json.display()));

    step(5, "Parity: research and production give the same orders, fills and cash")?;
    prove_parity(&lab, &name, None)?;

    step(6, "Promotion: propose, approve as a second person, merge, push; the hook verifies")?;
    promote_one(&lab, &reviewer, promote::propose(&lab, Some(&name), None)?)?;
    let second = second_best(&lab, &name)?;
    prove_parity(&lab, &name, Some(second))?;
    promote_one(&lab, &reviewer, promote::propose(&lab, Some(&name), Some(second))?)?;

    step(7, "Audit: walk the live row back; then tamper with copies")?;
    audit::run(&cx, audit::Args::default())?;
    let scratch = out.join("tampered");
    std::fs::create_dir_all(&scratch).map_err(CliError::io("create", &scratch))?;
    let strategy_name = opened.strategy.file.name.clone();
    let (ledger, config) = (tamper::ledger_byte(&lab, &scratch), tamper::config_digit(&lab, &strategy_name, &scratch));
    std::fs::remove_dir_all(&scratch).map_err(CliError::io("remove", &scratch))?;
    print(&format!("\none byte of the ledger changed  -> refused: {}", ledger?));
    print(&format!("one digit of the config changed -> {}", config?));

    step(8, "Rollback: version 1 again, as a forward promotion")?;
    promote_one(&lab, &reviewer, rollback::propose(&lab, &strategy_name, 1, "demonstration")?)?;
    active::run(&cx, active::Args::all_history())?;
    closing(&out, generated);
    Ok(())
}

fn create(args: &Args, out: &Path, reviewer: &Path) -> Result<Lab, CliError> {
    if out.join("assay.toml").exists() {
        let hint = format!(
            "remove it, choose another with --out, or go on with it: `assay --lab {} study show`",
            out.display()
        );
        return Err(CliError::usage(format!("{} is a lab already", out.display()), hint));
    }
    let people = reviewer.parent().unwrap_or(out);
    std::fs::create_dir_all(people).map_err(CliError::io("create", people))?;
    key::new_key(reviewer, "ben", false)?;
    let init = init::Args {
        witnesses: Vec::new(),
        dir: out.to_path_buf(),
        person: "ana".into(),
        origin: Some("demo.assay.invalid/ana".into()),
        reviewers: vec![format!("ben={}", reviewer.with_extension("pub").display())],
        live: args.live.clone(),
        encrypt: false,
        allow_generated: true,
    };
    init::run(&Context { lab: None, json: false }, init)?;
    Lab::find(Some(out))
}

/// Market data from a folder, a download, or generated; the strategy cut to the symbols there are.
fn market(lab: &Lab, args: &Args, strategy: Strategy) -> Result<(Imported, Strategy), CliError> {
    let given =
        args.data.clone().or_else(|| std::env::var_os("ASSAY_DATA").map(PathBuf::from)).filter(|_| !args.generated);
    if let Some(dir) = given {
        let symbols = strategy.file.symbols.clone();
        say(&format!(
            "from {}; cut to {REAL_FROM} on, the first month that the dated bracket files cover",
            dir.display()
        ));
        return Ok((imported(lab, &import_args(dir, symbols, Some(REAL_FROM), None))?, strategy));
    }
    if !args.generated {
        let symbols: Vec<String> = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT"].map(String::from).to_vec();
        let dir = lab.dir.join("downloads");
        say("no --data given: downloading two years of four perpetuals (Ctrl-C and --generated to go without)");
        match data::fetch_files(&symbols, "1h", ("2023-01", "2024-12"), &dir, &args.base, Duration::from_secs(4)) {
            Ok(()) => {
                let import = import_args(dir, symbols.clone(), None, Some("2020-01-01"));
                return Ok((imported(lab, &import)?, with_symbols(&strategy, &symbols)?));
            }
            Err(CliError::Stopped(words)) => return Err(CliError::Stopped(words)),
            Err(e) => say(&format!("no download: {e}")),
        }
    }
    say("GENERATED MARKET: made up for this demonstration; the figures say nothing about real trading");
    let symbols: Vec<String> = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT"].map(String::from).to_vec();
    Ok((data::generated(lab, &symbols, 24 * 900, 20_240_607)?, with_symbols(&strategy, &symbols)?))
}

fn import_args(dir: PathBuf, symbols: Vec<String>, from: Option<&str>, brackets: Option<&str>) -> ImportArgs {
    ImportArgs {
        dir,
        symbols,
        interval: "1h".into(),
        from: from.map(str::to_string),
        to: None,
        gaps: None,
        duplicates: None,
        missing_mark: None,
        missing_funding: None,
        assume_brackets_from: brackets.map(str::to_string),
        dry_run: false,
    }
}

fn imported(lab: &Lab, args: &ImportArgs) -> Result<Imported, CliError> {
    data::import(lab, args, false)?.ok_or_else(|| CliError::Verification("nothing was imported".into()))
}

fn with_symbols(strategy: &Strategy, symbols: &[String]) -> Result<Strategy, CliError> {
    let mut file = strategy.file.clone();
    file.symbols = symbols.to_vec();
    let text = toml::to_string(&file).map_err(|e| CliError::Verification(e.to_string()))?;
    strategy::parse(&text, "trend on other symbols")
}

fn prove_parity(lab: &Lab, study: &str, number: Option<u32>) -> Result<(), CliError> {
    let (event, trades) = parity::prove(lab, Some(study), number)?;
    let stream = assay_ledger::format::hash::hex(&event.production_stream);
    print(&format!(
        "trial {}: {} bars one at a time, {trades} trades, the same stream {}",
        event.number,
        event.bars,
        &stream[..12]
    ));
    Ok(())
}

fn promote_one(lab: &Lab, reviewer: &Path, proposed: Proposed) -> Result<(), CliError> {
    let p = &proposed.config.promotion;
    print(&format!("proposed  {} v{} on {}", p.strategy, p.version, proposed.branch));
    let person = approve::approve(lab, &proposed.branch, reviewer)?;
    print(&format!("approved  by {person}"));
    let words = deploy::merge_and_push(lab, &proposed.branch)?;
    print(&words.lines().map(|l| format!("hook      {l}")).collect::<Vec<_>>().join("\n"));
    Ok(())
}

/// A second trial to promote: the next best that the policy's gates let through.
fn second_best(lab: &Lab, study: &str) -> Result<u32, CliError> {
    let mirror = lab.mirror()?;
    let s = lab.study(&mirror, Some(study))?;
    let rows = mirror.trials(&s.study_id, assay_research::mirror::query::Order::Best, 2)?;
    let feasible = rows.iter().filter(|t| t.violation == Some(0.0)).nth(1);
    let none = || CliError::Verification("the study has no second feasible trial; ask for more with --trials".into());
    feasible.map(|t| t.number).ok_or_else(none)
}

fn closing(out: &Path, generated: bool) {
    heading("Done. Everything is in the lab folder; go on with it:");
    let lab = if out == Path::new("lab") { String::new() } else { format!(" --lab {}", out.display()) };
    for line in [
        format!("assay{lab} trials                       the study's trials"),
        format!("assay{lab} log                          the ledger's events"),
        format!("assay{lab} verify --deep                verify everything"),
        format!("assay{lab} active --history             what was live when"),
        format!("assay{lab} review                       proposals and what to sign"),
        format!("assay{lab} prove 5 > 5.tlog-proof       a proof for one event"),
        format!("assay{lab} study run STRATEGY STUDY     your own study (see configs/)"),
    ] {
        say(&format!("  {line}"));
    }
    if generated {
        say("\nThis was a GENERATED MARKET. With real data: assay demo --data DIR");
    }
}
