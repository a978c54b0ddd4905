//! A live version walked back, link by link, to the files that its numbers come from.

use crate::clone::Clone;
use crate::error::LabError;
use assay_production::gate::{self, InForce, Preview, preview, step};
use assay_shared::event::SeedGrade;
use assay_shared::event::study::{Ended, TrialFact};
use assay_shared::format::config::{LiveConfig, Promotion};
use assay_shared::time::{format_ms, format_us};
use serde::Serialize;

/// A link: what it is, what it says, and how it is proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: Vec<String>,
    /// What proves it.
    pub proof: String,
}

/// The links of a strategy's version, from what is live, or was, to the raw files: of the one in force, unless another
/// one is named. Everything is verified now.
///
/// # Errors
/// A strategy or version that is not on the branch, or a link that does not verify.
pub fn explain(clone: &Clone, strategy: &str, version: Option<u64>) -> Result<Vec<Link>, LabError> {
    let none = || {
        let names: Vec<_> = clone.live.iter().map(|c| c.strategy.as_str()).collect();
        LabError::usage(format!("no strategy '{strategy}' is live"), format!("live is: {}", names.join(", ")))
    };
    let d = clone.live.iter().find(|c| c.strategy == strategy).ok_or_else(none)?;
    let newest = d.version;
    let earlier = match version.filter(|v| *v != newest) {
        Some(version) => Some(clone.version(strategy, version)?),
        None => None,
    };
    let d = earlier.as_ref().unwrap_or(d);
    let p = &d.config(&clone.repo)?.0.promotion;
    if p.retired {
        let message = format!("'{strategy}' was retired by version {}: nothing of it is live", p.version);
        let hint = format!("explain an earlier one: `assay explain {strategy} --version {}`", p.version - 1);
        return Err(LabError::usage(message, hint));
    }
    let mut out = above(clone, (d, p), newest)?;
    // What restores a version stands on that version's evidence.
    let mut version = (p.version, p.restores_version);
    let mut at = clone.head.clone();
    let (old, new, config) = loop {
        let missing = || LabError::Verification(format!("the branch has no version {} of {strategy}", version.0));
        let (old, new) = step(&clone.repo, &at, strategy, version.0)?.ok_or_else(missing)?;
        let bytes = clone.repo.file(&new, &LiveConfig::path(strategy))?.ok_or_else(missing)?;
        let config = LiveConfig::parse(&bytes).map_err(LabError::format("the config"))?;
        let Some(restored) = config.promotion.restores_version else { break (old, new, config) };
        out.push(Link {
            name: "restores",
            says: vec![format!("version {} has the content of version {restored}", version.0)],
            proof: "compared field by field".into(),
        });
        version = (restored, None);
        at = old;
    };
    let now = assay_ledger::log::system_clock();
    let seen = preview(&clone.repo, &old, &new, strategy, now)?;
    out.extend(evidence(clone, &config, &seen)?);
    Ok(out)
}

/// The links from what is live to the policy: the deployment, the config, who approved it, by which policy.
fn above(clone: &Clone, (d, p): (&InForce, &Promotion), newest: u64) -> Result<Vec<Link>, LabError> {
    // A host's log that is not here says nothing; one that does not verify stops everything.
    let all = if clone.host_log()?.is_some() { clone.went_live()? } else { Vec::new() };
    let went = all.iter().find(|w| w.config_sha256 == d.sha256 && w.on_the_branch);
    let name = if p.version < newest { "was live" } else { "live" };
    let next = all.iter().find(|w| w.strategy == p.strategy && w.version == p.version + 1 && w.on_the_branch);
    let until = next.map(|n| {
        let what = if n.retired { "retired" } else { "replaced" };
        format!("{what} by version {} at {}", n.version, format_us(n.at_us))
    });
    let halt = if all.is_empty() { None } else { clone.halted(None)?.remove(&p.strategy) };
    let halt = halt.map(|h| {
        let unsigned = if h.signed { "" } else { " (UNSIGNED)" };
        let so = if h.goes_on { "made to go on without enough people for it" } else { "nobody trades it" };
        format!("HALTED since {} by {}{unsigned}: {so}", format_us(h.since_us), h.by)
    });
    let live = match went {
        Some(w) => Link {
            name,
            says: std::iter::once(since(p, w.at_us, newest)).chain(until).chain(halt).collect(),
            proof: format!("entry {} of the host's log, leaf {}", w.entry.0, w.entry.1),
        },
        None => Link {
            name,
            says: vec![format!("{} v{}: no host's log here says since when", p.strategy, p.version)],
            proof: "none".into(),
        },
    };
    let keys: Vec<String> = d.approver_keys.iter().map(|k| k.id().to_string()).collect();
    let approved = d.approvers.iter().zip(&keys).map(|(who, key)| format!("{who} with the key {key}"));
    Ok(vec![
        live,
        Link {
            name: "config",
            says: vec![
                format!("SHA-256 {}", d.sha256),
                format!("proposed by {} at {}", p.author, p.promotion_timestamp),
            ],
            proof: format!("signed by {} (promotion@assay); brought in by the commit {}", p.author, d.commit),
        },
        Link {
            name: "approvals",
            says: approved.collect(),
            proof: "signatures over the statement (approval@assay), which binds config and policy".into(),
        },
        Link {
            name: "policy",
            says: vec![format!("SHA-256 {}", d.policy_sha256)],
            proof: "signed from version to version, from the pinned first one on".into(),
        },
    ])
}

fn since(p: &Promotion, at_us: u64, newest: u64) -> String {
    let over = if p.version < newest { format!("; version {newest} is the newest") } else { String::new() };
    format!("{} v{} since {} by the host's clock{over}", p.strategy, p.version, format_us(at_us))
}

/// The links behind a config: reproduction, trial, study, data.
fn evidence(clone: &Clone, config: &LiveConfig, seen: &Preview) -> Result<Vec<Link>, LabError> {
    let p = &config.promotion;
    let refused = seen.checks.iter().find(|c| matches!(c.name, "evidence" | "study") && c.outcome.is_err());
    if let Some(Err(why)) = refused.map(|c| &c.outcome) {
        return Err(LabError::Verification(why.clone()));
    }
    let reproduced = seen.reproduced.iter().map(|(who, from)| format!("{who}, {}", from.name()));
    let mut out = vec![Link {
        name: "reproduction",
        says: reproduced.collect(),
        proof: "signed statements (reproduction@assay) with the key-bound hash of the stream".into(),
    }];
    let Some(reference) = &config.ledger else { return Ok(out) };
    let proof = |seq: u64| {
        format!(
            "entry {seq} of {}, under the checkpoint of {} entries, root {}",
            reference.origin, reference.size, reference.root
        )
    };
    let (_, policy) = gate::policy_at(&clone.repo, &clone.head)?;
    let logs = gate::logs(&clone.repo, &policy)?;
    let log = logs
        .get(&reference.origin)
        .ok_or_else(|| LabError::Verification(format!("the repository does not hold the log {}", reference.origin)))?;
    let (entry, event) = log.event("trial", &reference.trial)?;
    let trial = event.trial().ok_or_else(|| LabError::Verification("the trial's event is none".into()))?;
    out.push(Link { name: "trial", says: trial_says(&trial, seen, entry.time_us), proof: proof(reference.trial.seq) });
    let (entry, event) = log.event("study", &reference.study)?;
    let study = event.study().ok_or_else(|| LabError::Verification("the study's event is none".into()))?;
    let seed = match study.seed {
        SeedGrade::Witnessed => "its seed was given by a witness",
        SeedGrade::Named => "its seed was named by the researcher",
    };
    let engine = &config.environment;
    out.push(Link {
        name: "study",
        says: vec![
            format!("'{}', opened at {}; {seed}", study.name, format_us(entry.time_us)),
            format!("engine {} at {}, strategy {}", engine.engine_version, engine.source_commit, p.strategy_hash),
        ],
        proof: proof(reference.study.seq),
    });
    if let Some(f) = &seen.figures {
        let d = &f.data;
        let files = d.files.map_or("nothing is said of its files".into(), |(all, same)| {
            format!("{same} of {all} raw files fit a checksum beside them, by the author's word")
        });
        out.push(Link {
            name: "data",
            says: vec![
                format!("data hash {}, rule book {}", p.data_hash, p.rulebook_hash),
                format!(
                    "{} from {} to {}, {} bars{}",
                    d.symbols.join(", "),
                    format_ms(d.first_ms),
                    format_ms(d.last_ms),
                    d.bars,
                    if d.generated { ", GENERATED" } else { "" }
                ),
                format!("from {}; {files}", d.source),
            ],
            proof: "whoever imports the same files gets the same data hash (`assay reproduce`)".into(),
        });
    }
    Ok(out)
}

fn trial_says(trial: &TrialFact, seen: &Preview, time_us: u64) -> Vec<String> {
    let mut out = vec![format!("number {}, recorded at {}", trial.number, format_us(time_us))];
    let params: Vec<String> = trial.params.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    out.push(params.join(", "));
    if let Ended::Completed { metrics, .. } = &trial.ended {
        let shown = ["cagr", "sharpe", "max_drawdown", "trades"];
        let figures = shown.iter().filter_map(|m| metrics.get(*m).map(|v| format!("{m} {v:.4}")));
        out.push(figures.collect::<Vec<_>>().join(", "));
    }
    if let Some(f) = &seen.figures {
        let whose = match f.given.len() {
            0 => "each the one that its sampler asks for".into(),
            n => format!("{n} given by hand, the others those that its sampler asks for"),
        };
        out.push(format!("one of {} trials of its study, {whose}", f.trials));
        if f.data.generated {
            out.push("no statistic says anything on generated data".into());
        } else if let Some(s) = &f.statistics {
            let dsr = s.dsr.map_or("undefined".into(), |v| format!("{v:.4}"));
            out.push(format!("beside {}; deflated Sharpe ratio {dsr}", s.beside()));
        }
    }
    out
}
