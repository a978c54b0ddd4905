//! `assay demo`: the whole way, from market data to a live row; only a sequence of the commands.

use super::output::{heading, print, say};
use super::{Context, active, announce, audit, data, init, study, trials};
use assay_lab::create::{NewLab, create};
use assay_lab::data::{Import, Imported, Read, generated, read};
use assay_lab::deploy::merge_and_push;
use assay_lab::download::{Download, download};
use assay_lab::host::create_table;
use assay_lab::obtain::From;
use assay_lab::proposal::Proposed;
use assay_lab::reproduce::{self, How};
use assay_lab::study::{Seed, jobs as study_jobs, open, parse_strategy, parse_study, run as work, with_symbols};
use assay_lab::{Lab, LabError, parity, promote, report, review, rollback, tamper, trial};
use assay_ledger::Signer;
use assay_production::deploy::Roles;
use assay_research::data::fetch::{DEFAULT_BASE, DEFAULT_LISTING, Source};
use assay_research::data::{DataError, Request};
use assay_shared::rulebook::book::Between;
use assay_shared::strategy::Strategy;
use assay_shared::time::parse;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STRATEGY: &str = include_str!("../../configs/strategies/trend.toml");
const STUDY: &str = include_str!("../../configs/studies/walkforward.toml");
/// The first day that the dated bracket files cover.
const REAL_FROM: &str = "2022-03-01";
/// Symbols of a downloaded or generated market.
const FEW: [&str; 4] = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "SOLUSDT"];

/// Do the main job once, from market data to a live row, and show every step
///
/// Market data comes from --data (or ASSAY_DATA), else from a download, else it is generated and
/// loudly labelled. Of data without the strategy's symbols it takes the first four that are there. Everything stays in the lab folder, so that you can go on with it.
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
    #[arg(long, value_parser = study::threads())]
    jobs: Option<usize>,
    /// Use the generated market at once
    #[arg(long)]
    generated: bool,
    /// Address of the bulk data to download from
    #[arg(long, default_value = DEFAULT_BASE, hide = true)]
    base: String,
}

fn step(cx: &Context, n: u32, text: &str) -> Result<(), LabError> {
    if cx.session.stop.requested() {
        return Err(LabError::Stopped("what was done so far stays in the lab folder".into()));
    }
    heading(&format!("{n}. {text}"));
    Ok(())
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    let out = args.out.clone().or_else(|| cx.lab.clone()).unwrap_or_else(|| "lab".into());
    let stood = out.symlink_metadata().is_ok();
    step(cx, 1, "A lab: keys, ledger, mirror, repositories, hooks")?;
    let reviewer = out.join("people").join("ben");
    let lab = found(cx, &args, &out, &reviewer)?;
    let cx = Context { lab: Some(out.clone()), json: false, session: cx.session.clone() };

    step(&cx, 2, "Market data: import, quality, snapshot")?;
    let strategy = parse_strategy(STRATEGY, "configs/strategies/trend.toml")?;
    let (imported, strategy) = market(&lab, &args, strategy).inspect_err(|e| {
        // What this run made is not left in the way of the next one; somebody who said stop goes on with it.
        if !stood && !matches!(e, LabError::Stopped(_)) {
            let _ = std::fs::remove_dir_all(&out);
        }
    })?;
    let generated = imported.contents.generated;

    step(&cx, 3, "A study: every trial a signed event")?;
    let mut settings = parse_study(STUDY, "configs/studies/walkforward.toml")?;
    settings.trials = args.trials.max(1);
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let name = settings.name.clone();
    let opened = open(&lab, strategy, settings, Seed::Named, None, None, &[])?;
    announce::announce(&opened, jobs)?;
    work(&lab, &opened, jobs)?;

    step(&cx, 4, "The leaderboard, and the report of the best trial")?;
    trials::leaderboard(&cx, &lab, Some(&name), 8)?;
    let [json, html, ..] = report::write(&lab, Some(&name), None, None, true)?;
    print(&format!("report: {} (data: {})", html.display(), json.display()));

    step(&cx, 5, "Parity: research and production give the same orders, fills and cash")?;
    prove_parity(&lab, &name, None)?;

    step(&cx, 6, "Promotion: propose, approve as a second person, merge, push; the hook verifies")?;
    promote_one(&lab, &reviewer, &promote::propose(&lab, Some(&name), None)?)?;
    let second = trial::second_best(&lab, &name)?;
    prove_parity(&lab, &name, Some(second))?;
    promote_one(&lab, &reviewer, &promote::propose(&lab, Some(&name), Some(second))?)?;

    step(&cx, 7, "Audit: walk the live row back; then tamper with copies")?;
    audit::run(&cx, audit::Args::default())?;
    let strategy_name = opened.strategy.file.name.clone();
    tampering(&lab, (&strategy_name, opened.id), &out.join(format!("tampered-{}", std::process::id())))?;

    step(&cx, 8, "Rollback: version 1 again, as a forward promotion")?;
    promote_one(&lab, &reviewer, &rollback::propose(&lab, &strategy_name, rollback::To::Version(1), "demonstration")?)?;
    active::run(&cx, active::Args::all_history())?;
    closing(&out, generated);
    Ok(())
}

fn found(cx: &Context, args: &Args, out: &Path, reviewer: &Path) -> Result<Lab, LabError> {
    if out.join("assay.toml").exists() {
        let hint = format!(
            "remove it, choose another with --out, or go on with it: `assay --lab {} study show`",
            out.display()
        );
        return Err(LabError::usage(format!("{} is a lab already", out.display()), hint));
    }
    if let Some(dir) = given(args) {
        std::fs::read_dir(&dir).map_err(LabError::io("list", &dir))?;
    }
    // Written only when the lab stands: what is wrong with the arguments leaves nothing behind.
    let ben = Signer::generate()?;
    let new = NewLab {
        witnesses: Vec::new(),
        dir: out.to_path_buf(),
        person: "ana".into(),
        origin: "demo.assay.invalid/ana".into(),
        reviewers: vec![("ben".into(), ben.public())],
        deploy: None,
        genesis: None,
        live: args.live.clone(),
        encrypt: false,
        follows: None,
        allow_generated: true,
    };
    let created = create(&new, &cx.session)?;
    let people = reviewer.parent().unwrap_or(out);
    std::fs::create_dir_all(people).map_err(LabError::io("create", people))?;
    ben.write(reviewer, "ben", None)?;
    init::announce(&new, &created);
    if args.live.as_deref().is_some_and(|live| live.starts_with("postgres")) {
        create_table(&created.lab.gate()?, None, &Roles::default())?;
    }
    Ok(created.lab)
}

/// The folder with market data that was named, if one was.
fn given(args: &Args) -> Option<PathBuf> {
    args.data.clone().or_else(|| std::env::var_os("ASSAY_DATA").map(PathBuf::from)).filter(|_| !args.generated)
}

/// Market data from a folder, a download, or generated; the strategy cut to the symbols there are.
fn market(lab: &Lab, args: &Args, strategy: Strategy) -> Result<(Imported, Strategy), LabError> {
    if let Some(dir) = given(args) {
        let symbols = strategy.file.all_symbols();
        say(&format!(
            "from {}; cut to {REAL_FROM} on, the first month that the dated bracket files cover",
            dir.display()
        ));
        let wanted = read(&import(dir.clone(), symbols, Some(REAL_FROM), None), lab, true);
        if let Err(LabError::Data(DataError::Asked { what })) = &wanted {
            say(&format!("{what}: taking what is there"));
            let found = read(&import(dir, Vec::new(), None, Some("2020-01-01")), lab, true)?;
            let strategy = with_symbols(&strategy, &first(&found))?;
            return Ok((register(lab, found)?, strategy));
        }
        return Ok((register(lab, wanted?)?, strategy));
    }
    let symbols = FEW.map(String::from).to_vec();
    let strategy = with_symbols(&strategy, &symbols)?;
    if !args.generated {
        say("no --data given: downloading two years of four perpetuals (Ctrl-C and --generated to go without)");
        match downloaded(lab, &symbols, &args.base) {
            Ok(found) => return Ok((register(lab, found)?, strategy)),
            Err(LabError::Stopped(words)) => return Err(LabError::Stopped(words)),
            Err(e) => say(&format!("no download: {e}")),
        }
    }
    say("GENERATED MARKET: made up for this demonstration; the figures say nothing about real trading");
    Ok((register(lab, generated(lab, &symbols, 24 * 900, 20_240_607)?)?, strategy))
}

/// The first symbols that were found.
fn first(found: &Read) -> Vec<String> {
    found.draft.contents().series.iter().take(FEW.len()).map(|s| s.name.clone()).collect()
}

fn downloaded(lab: &Lab, symbols: &[String], base: &str) -> Result<Read, LabError> {
    let dir = lab.dir.join("downloads");
    let listing = if base == DEFAULT_BASE { DEFAULT_LISTING } else { base }.to_string();
    // Whoever has no network is told so soon.
    let (connect, pause, attempts) = (Duration::from_secs(4), Duration::from_millis(500), 2);
    let source = Source { base: base.into(), listing, connect, pause, body: Duration::from_secs(60), attempts };
    let what =
        Download { symbols, interval: "1h", months: ("2023-01", "2024-12"), source, connections: 4, refresh: false };
    download(&what, &dir, &lab.session)?;
    read(&import(dir, symbols.to_vec(), None, Some("2020-01-01")), lab, true)
}

fn import(dir: PathBuf, symbols: Vec<String>, from: Option<&str>, brackets: Option<&str>) -> Import {
    let request = Request { symbols, interval: "1h".into(), from_ms: from.and_then(parse), ..Request::default() };
    Import {
        dir,
        request,
        assume_brackets_from: brackets.map(str::to_string),
        brackets_seen: None,
        between: Between::Harsher,
    }
}

fn register(lab: &Lab, found: Read) -> Result<Imported, LabError> {
    data::show_quality(&found.report(), say);
    let imported = found.register(lab)?;
    data::registered(&imported);
    Ok(imported)
}

fn prove_parity(lab: &Lab, study: &str, number: Option<u32>) -> Result<(), LabError> {
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

fn promote_one(lab: &Lab, reviewer: &Path, proposed: &Proposed) -> Result<(), LabError> {
    let p = &proposed.config.promotion;
    print(&format!("proposed  {} v{} on {}", p.strategy, p.version, proposed.branch));
    if p.restores_version.is_none() {
        let sample = (p.version > 1).then_some(32);
        let how = How {
            branch: &proposed.branch,
            key: Some(reviewer),
            sample,
            budget: None,
            from: From::default(),
            threads: study_jobs(None),
        };
        let done = reproduce::reproduce(lab, &how)?;
        print(&format!(
            "reproduced by {}: {} of {} trials",
            done.person.unwrap_or_default(),
            done.statement.ran,
            done.statement.trials
        ));
    }
    let person = review::approve(lab, &proposed.branch, reviewer, &proposed.sha256.to_string())?;
    print(&format!("approved  by {person}"));
    let words = merge_and_push(lab, &proposed.branch)?;
    print(&words.lines().map(|l| format!("hook      {l}")).collect::<Vec<_>>().join("\n"));
    Ok(())
}

fn tampering(lab: &Lab, (strategy, study): (&str, [u8; 16]), scratch: &Path) -> Result<(), LabError> {
    // Made here, or it is not ours to remove.
    std::fs::create_dir(scratch).map_err(LabError::io("create", scratch))?;
    let (ledger, config) = (tamper::ledger_byte(lab, scratch), tamper::config_digit(lab, strategy, scratch));
    std::fs::remove_dir_all(scratch).map_err(LabError::io("remove", scratch))?;
    print(&format!("\none byte of the ledger changed  -> refused: {}", ledger?));
    print(&format!("one digit of the config changed -> {}", config?));
    let [better, thinner] = tamper::numbers(lab, study)?;
    print(&format!("a better Sharpe ratio, signed   -> refused: {better}"));
    print(&format!("a trial left out, all re-signed -> refused: {thinner}"));
    Ok(())
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
