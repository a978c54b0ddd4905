//! Tampering with copies, to show that it is refused. Part of the demonstration.

use crate::error::LabError;
use crate::folder::{Lab, absolute};
use crate::study::recorded_as;
use crate::verify;
use assay_production::repository::Repo;
use assay_shared::event::Event;
use assay_shared::format::config::LiveConfig;
use assay_shared::metric::Metric;
use std::path::{Path, PathBuf};

fn copy_dir(from: &Path, to: &Path) -> Result<(), LabError> {
    std::fs::create_dir_all(to).map_err(LabError::io("create", to))?;
    for item in std::fs::read_dir(from).map_err(LabError::io("list", from))? {
        let path = item.map_err(LabError::io("list", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_dir(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(LabError::io("copy", &path))?;
        }
    }
    Ok(())
}

/// Flips one byte in the middle of a copy of the ledger's journal; gives what verification says.
///
/// # Errors
/// When nobody notices.
pub fn ledger_byte(lab: &Lab, scratch: &Path) -> Result<String, LabError> {
    let copy = scratch.join("ledger");
    copy_dir(&lab.ledger_dir(), &copy)?;
    let journal = copy.join("journal");
    let segments = std::fs::read_dir(&journal).map_err(LabError::io("list", &journal))?;
    let mut segments: Vec<PathBuf> = segments.flatten().map(|d| d.path()).collect();
    segments.sort();
    let segment = segments.first().ok_or_else(|| LabError::Verification("the ledger is empty".into()))?;
    let mut bytes = std::fs::read(segment).map_err(LabError::io("read", segment))?;
    let at = bytes.len() / 2;
    bytes[at] ^= 0x01;
    std::fs::write(segment, &bytes).map_err(LabError::io("write", segment))?;
    match verify::folder(&copy)?.findings.first() {
        Some(f) => {
            Ok(format!("byte {at} of {}: {}: {}", bytes.len(), f.reason, f.detail.replace(&absolute(&copy), "COPY")))
        }
        None => Err(LabError::Verification("a flipped byte was not noticed".into())),
    }
}

/// What the gate finds in a study whose events the researcher signed again with other numbers: a Sharpe ratio that its
/// returns do not give, and a study from which a trial is left out. All signatures are taken to be good.
///
/// # Errors
/// When nobody notices.
pub fn numbers(lab: &Lab, study_id: [u8; 16]) -> Result<[String; 2], LabError> {
    let mut forged = false;
    let better = |event: &mut Event| {
        if let Event::TrialCompletedV2(t) = event
            && !forged
            && let Some(sharpe) = t.metrics.iter_mut().find(|m| m.0.0 == Metric::SharpePerBar.code())
        {
            (sharpe.1.0, forged) = (sharpe.1.0.abs() * 3.0 + 0.1, true);
        }
        true
    };
    let better = found(lab, study_id, better)?;
    // The ones behind it move up, so that no number is missing.
    let thinner = |event: &mut Event| match event {
        Event::TrialCompletedV2(t) if t.study_id == study_id => shifted(&mut t.number),
        Event::TrialPrunedV2(t) if t.study_id == study_id => shifted(&mut t.number),
        Event::TrialFailedV2(t) if t.study_id == study_id => shifted(&mut t.number),
        _ => true,
    };
    Ok([better, found(lab, study_id, thinner)?])
}

/// Takes the place of a trial that is left out; false of that one.
fn shifted(number: &mut u32) -> bool {
    const LEFT_OUT: u32 = 1;
    let stays = *number != LEFT_OUT;
    *number -= u32::from(*number > LEFT_OUT);
    stays
}

/// The first thing that is found in a study whose events were changed, or left out where the change says so.
fn found(lab: &Lab, id: [u8; 16], change: impl FnMut(&mut Event) -> bool) -> Result<String, LabError> {
    let (_, case) = recorded_as(&lab.log()?, id, change)?;
    let all = case.check().into_iter().chain(case.suggestions(0..case.trials.len()));
    let first = all.min_by_key(|f| f.seq).map(|f| format!("entry {}: {}", f.seq, f.what));
    first.ok_or_else(|| LabError::Verification("other numbers were not noticed".into()))
}

/// Changes one digit of the live config in a clone and pushes it; gives what the hook says.
///
/// # Errors
/// When it is accepted.
pub fn config_digit(lab: &Lab, strategy: &str, scratch: &Path) -> Result<String, LabError> {
    let clone = scratch.join("clone.git");
    copy_dir(&lab.repo_path(), &clone)?;
    let repo = Repo::open(&clone)?;
    let tip = repo.tip("refs/heads/main").ok_or_else(|| LabError::Verification("no main branch".into()))?;
    let path = LiveConfig::path(strategy);
    let bytes = repo.file(&tip, &path)?.ok_or_else(|| LabError::Verification(format!("no {path}")))?;
    let text = flip_digit(&String::from_utf8_lossy(&bytes));
    repo.commit("main", &[(path, text.into_bytes())].into_iter().collect(), "mallory", "a small change")?;
    match repo.push(absolute(&lab.deploy_path()).as_ref(), &["refs/heads/main".into()]) {
        Ok(_) => Err(LabError::Verification("a changed config was accepted".into())),
        Err(e) => {
            let words = e.to_string();
            let line = words.lines().find(|l| l.contains("refused [")).unwrap_or(&words);
            Ok(line.trim_start_matches("remote: ").trim().to_string())
        }
    }
}

/// Changes the first digit of the parameters' table.
fn flip_digit(text: &str) -> String {
    let start = text.find("[parameters]").unwrap_or(0);
    let mut out: Vec<char> = text.chars().collect();
    if let Some(c) = out.iter_mut().skip(start).find(|c| c.is_ascii_digit()) {
        *c = if *c == '9' { '8' } else { '9' };
    }
    out.into_iter().collect()
}
