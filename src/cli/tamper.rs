//! Tampering with copies, to show that it is refused. Part of the demo.

use super::error::CliError;
use super::init::absolute;
use super::lab::Lab;
use super::verify;
use assay_production::promotion::Repo;
use assay_shared::promotion::LiveConfig;
use std::path::{Path, PathBuf};

fn copy_dir(from: &Path, to: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(to).map_err(CliError::io("create", to))?;
    for item in std::fs::read_dir(from).map_err(CliError::io("list", from))? {
        let path = item.map_err(CliError::io("list", from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_dir(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(CliError::io("copy", &path))?;
        }
    }
    Ok(())
}

/// Flips one byte in the middle of a copy of the ledger's journal; gives what verification says.
pub fn ledger_byte(lab: &Lab, scratch: &Path) -> Result<String, CliError> {
    let copy = scratch.join("ledger");
    copy_dir(&lab.ledger_dir(), &copy)?;
    let journal = copy.join("journal");
    let segments = std::fs::read_dir(&journal).map_err(CliError::io("list", &journal))?;
    let mut segments: Vec<PathBuf> = segments.flatten().map(|d| d.path()).collect();
    segments.sort();
    let segment = segments.first().ok_or_else(|| CliError::Verification("the ledger is empty".into()))?;
    let mut bytes = std::fs::read(segment).map_err(CliError::io("read", segment))?;
    let at = bytes.len() / 2;
    bytes[at] ^= 0x01;
    std::fs::write(segment, &bytes).map_err(CliError::io("write", segment))?;
    let (_, findings) = verify::findings(&copy)?;
    match findings.first() {
        Some(f) => {
            Ok(format!("byte {at} of {}: {}: {}", bytes.len(), f.reason, f.detail.replace(&absolute(&copy), "COPY")))
        }
        None => Err(CliError::Verification("a flipped byte was not noticed".into())),
    }
}

/// Changes one digit of the live config in a clone and pushes it; gives what the hook says.
pub fn config_digit(lab: &Lab, strategy: &str, scratch: &Path) -> Result<String, CliError> {
    let clone = scratch.join("clone.git");
    copy_dir(&lab.repo_path(), &clone)?;
    let repo = Repo::open(&clone)?;
    let tip = repo.tip("refs/heads/main").ok_or_else(|| CliError::Verification("no main branch".into()))?;
    let path = LiveConfig::path(strategy);
    let bytes = repo.file(&tip, &path)?.ok_or_else(|| CliError::Verification(format!("no {path}")))?;
    let text = String::from_utf8_lossy(&bytes).replacen("leverage = 1", "leverage = 9", 1);
    let text = if text.as_bytes() == &bytes[..] { flip_digit(&text) } else { text };
    repo.commit("main", &[(path, text.into_bytes())].into_iter().collect(), "mallory", "a small change")?;
    match repo.push(absolute(&lab.deploy_path()).as_ref(), &["refs/heads/main".into()]) {
        Ok(_) => Err(CliError::Verification("a changed config was accepted".into())),
        Err(e) => {
            let words = e.to_string();
            let line = words.lines().find(|l| l.contains("refused [")).unwrap_or(&words);
            Ok(line.trim_start_matches("remote: ").trim().to_string())
        }
    }
}

/// Changes the last digit of the parameters' table.
fn flip_digit(text: &str) -> String {
    let start = text.find("[parameters]").unwrap_or(0);
    let mut out: Vec<char> = text.chars().collect();
    if let Some(c) = out.iter_mut().skip(start).find(|c| c.is_ascii_digit()) {
        *c = if *c == '9' { '8' } else { '9' };
    }
    out.into_iter().collect()
}
