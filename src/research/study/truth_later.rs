//! Vaults and forward runs in a log: what an honest one says stands, and whatever else is found.

use super::later::{Later, later};
use super::tests::{STRATEGY, STUDY, Stage, stage};
use super::truth::{DATA, findings, honest, read};
use assay_shared::event::codec::Real;
use assay_shared::event::{Event, ForwardRunCompleted, SnapshotRegisteredV2, VaultOpened};
use assay_shared::metric::Metric;
use assay_shared::recount::{Looked, Wrong, best};

const YOUNG: [u8; 32] = [8; 32];

/// A study that keeps ten days back, complete, with its best trial.
fn with_vault() -> (Stage, Vec<Event>, u32, Later) {
    let s = stage(STRATEGY, &STUDY.replace("[splits]", "[splits]\nvault_days = 10"));
    let log = honest(&s);
    let case = read(&log).1.unwrap().unwrap();
    let number = best(&case.finished).unwrap().0;
    let params = &case.finished[number as usize].seen.params;
    let bars = s.market.len() - 240..s.market.len();
    let found = later((&s.strategy, params), &s.market, &s.book, &s.study.assumptions, bars).unwrap();
    (s, log, number, found)
}

fn opening(log: &[Event], number: u32, l: &Later) -> VaultOpened {
    let study_id = log.iter().find_map(Event::study).unwrap().study_id;
    VaultOpened {
        study_id,
        number,
        first_ms: l.times.0,
        last_ms: l.times.1,
        bars: l.bars,
        metrics: l.metrics.clone(),
        blocks: l.blocks.clone(),
        stream_hash: l.stream_hash.0,
    }
}

#[test]
fn a_vault_is_opened_and_counted() {
    let (s, mut log, number, found) = with_vault();
    assert!(s.evaluator().unwrap().bars().end <= s.market.len() - 240, "no trial sees it");
    let honest_opening = opening(&log, number, &found);
    log.push(honest_opening.clone().into());
    assert_eq!(findings(&log), []);
    let case = read(&log).1.unwrap().unwrap();
    assert_eq!(case.later.len(), 1);
    let symbols = s.strategy.file.symbols.iter().cloned().collect();
    let looked = |log: &[Event], number: u32| {
        let (id, run) = (case.fact.study_id, (number, found.times.0, found.times.1));
        read(log).0.counts().looked(&symbols, &id, run)
    };
    assert_eq!(looked(&log, number), Looked::default(), "its own is none of the others");
    assert_eq!(looked(&log, number + 1), Looked { runs: 1, ..Looked::default() });
    // A study that keeps nothing back searched on these bars.
    let other = stage(STRATEGY, STUDY);
    let opened = honest(&other)[3].clone();
    assert_eq!(looked(&[&log[..], &[opened]].concat(), number), Looked { runs: 0, studies: 1, trials: 30 });

    type Forge = (fn(&mut VaultOpened), &'static str);
    let forged: [Forge; 11] = [
        (|v| v.number = 9999, "no score"),
        (|v| v.bars -= 1, "the vault has others"),
        (|v| v.last_ms += 3_600_000, "its data do not have"),
        (|v| v.first_ms = v.last_ms, "its data do not have"),
        (|v| std::mem::swap(&mut v.first_ms, &mut v.last_ms), "its data do not have"),
        (|v| (v.first_ms, v.last_ms) = (i64::MIN, i64::MAX), "its data do not have"),
        (|v| (v.first_ms, v.last_ms) = (i64::MAX, i64::MIN), "its data do not have"),
        (|v| v.blocks[3].powers[0] = Real(0.5), "its returns give"),
        (|v| v.blocks.clear(), "in blocks"),
        (|v| v.metrics.iter_mut().filter(|m| m.0.0 == Metric::Sharpe.code()).for_each(|m| m.1.0 += 1.0), "sharpe"),
        (|v| v.metrics.retain(|m| m.0.0 != Metric::Sharpe.code()), "sharpe"),
    ];
    for (forge, words) in forged {
        let mut opening = honest_opening.clone();
        forge(&mut opening);
        *log.last_mut().unwrap() = opening.into();
        let found = findings(&log);
        assert!(found.len() == 1 && found[0].wrong == Wrong::Later && found[0].what.contains(words), "{found:?}");
    }
    // Before the study is complete.
    let closed = log.len() - 2;
    log.pop();
    log.insert(closed, honest_opening.into());
    assert!(findings(&log).iter().any(|f| f.wrong == Wrong::Later && f.what.contains("not complete")));
}

#[test]
fn a_forward_run_is_of_younger_bars() {
    let (mut s, mut log, number, _) = with_vault();
    let case = read(&log).1.unwrap().unwrap();
    let params = case.finished[number as usize].seen.params.clone();
    let study_ends = *s.market.times.last().unwrap();
    s.market = crate::data::generate::market(&s.strategy.file.symbols, s.market.len() + 24 * 20, 5);
    let first = s.market.times.partition_point(|t| *t <= study_ends);
    let found = later((&s.strategy, &params), &s.market, &s.book, &s.study.assumptions, first..s.market.len()).unwrap();
    let registered = SnapshotRegisteredV2 {
        data_hash: YOUNG,
        file_sha256: DATA,
        rulebook_hash: s.book.hash().0,
        symbols: s.market.symbols.clone(),
        interval_ms: s.market.interval_ms,
        first_ms: s.market.times[0],
        last_ms: s.market.times[s.market.len() - 1],
        bars: s.market.len() as u64,
        generated: true,
        source: "t".into(),
        treatments: vec![],
        assumptions: vec![],
        findings: 0,
        files: 0,
        vendor_checked: 0,
        files_sha256: DATA,
    };
    let run = ForwardRunCompleted {
        study_id: case.fact.study_id,
        number,
        data_hash: YOUNG,
        rulebook_hash: s.book.hash().0,
        environment: s.environment.recorded(),
        first_ms: found.times.0,
        last_ms: found.times.1,
        bars: found.bars,
        metrics: found.metrics,
        blocks: found.blocks,
        stream_hash: found.stream_hash.0,
    };
    let before = log.clone();
    log.extend([Event::from(registered.clone()), run.clone().into()]);
    assert_eq!(findings(&log), []);

    let wrong = |log: &[Event], words: &str| {
        let found = findings(log);
        assert!(found.len() == 1 && found[0].what.contains(words), "{found:?}");
    };
    wrong(&[&before[..], &[run.clone().into()]].concat(), "not registered before it");
    let of = |registered: SnapshotRegisteredV2, run: ForwardRunCompleted| {
        [&before[..], &[Event::from(registered), run.into()]].concat()
    };
    wrong(&of(SnapshotRegisteredV2 { generated: false, ..registered.clone() }, run.clone()), "generated");
    let other = SnapshotRegisteredV2 { symbols: vec!["DOGEUSDT".into()], ..registered.clone() };
    wrong(&of(other, run.clone()), "not of this strategy");
    wrong(
        &of(registered.clone(), ForwardRunCompleted { first_ms: study_ends, ..run.clone() }),
        "that the study was made on",
    );
    wrong(&of(registered.clone(), ForwardRunCompleted { rulebook_hash: [1; 32], ..run.clone() }), "rule book");
    wrong(&of(registered, ForwardRunCompleted { bars: run.bars + 1, ..run }), "its data do not have");
}
