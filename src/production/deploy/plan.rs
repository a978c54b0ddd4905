//! What must change so that the live table holds what git says, and the writes that do it.

use super::DeployError;
use super::row::{Past, Row, Want};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What must be done about one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// A new version goes live.
    Deploy {
        /// Strategy.
        strategy: String,
        /// Version.
        version: i64,
    },
    /// The strategy goes out of force.
    Retire {
        /// Strategy.
        strategy: String,
        /// The version that says so.
        version: i64,
    },
    /// The row was changed by hand and is set right.
    Heal {
        /// Strategy.
        strategy: String,
        /// Version.
        version: i64,
        /// What differed.
        detail: String,
    },
    /// A row that git knows nothing of is removed.
    Remove {
        /// Strategy.
        strategy: String,
        /// What it was.
        detail: String,
    },
    /// The history holds a version that was never deployed. It is append-only: whoever owns the database looks how it
    /// came there, and removes it.
    Forged {
        /// Strategy.
        strategy: String,
        /// Version in the history.
        version: i64,
    },
    /// A word in the table of halts that was recorded and is gone is said again.
    PutBack {
        /// Strategy.
        strategy: String,
        /// What it was.
        detail: String,
    },
    /// The table is ahead of this commit: a later reconciler was here. Nothing is written.
    Late {
        /// Strategy.
        strategy: String,
        /// Version in the table.
        version: i64,
    },
}

impl Change {
    /// The strategy.
    pub fn strategy(&self) -> &str {
        match self {
            Change::Deploy { strategy, .. }
            | Change::Retire { strategy, .. }
            | Change::Heal { strategy, .. }
            | Change::Remove { strategy, .. }
            | Change::Forged { strategy, .. }
            | Change::PutBack { strategy, .. }
            | Change::Late { strategy, .. } => strategy,
        }
    }

    /// What is to be done about it, in words.
    pub fn way_out(&self) -> &'static str {
        match self {
            Change::Forged { .. } => {
                "the history is append-only: its owner looks how that came there, and removes it (`assay guide host`)"
            }
            _ => "`assay reconcile` heals it",
        }
    }

    /// True for what somebody did behind git's back.
    pub fn is_drift(&self) -> bool {
        matches!(self, Change::Heal { .. } | Change::Remove { .. } | Change::Forged { .. } | Change::PutBack { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Deploy { strategy, version } => write!(f, "{strategy} v{version} goes live"),
            Change::Retire { strategy, version } => write!(f, "{strategy} is retired by version {version}"),
            Change::Heal { strategy, version, detail } => {
                write!(f, "the row of {strategy} is set right to v{version}: {detail}")
            }
            Change::Remove { strategy, detail } => write!(f, "the row of {strategy} is removed: {detail}"),
            Change::Forged { strategy, version } => {
                write!(f, "the history holds {strategy} v{version}, which was never deployed")
            }
            Change::PutBack { strategy, detail } => write!(f, "{strategy} is put back: {detail}"),
            Change::Late { strategy, version } => write!(f, "{strategy} v{version} is there from a later run"),
        }
    }
}

/// Whether a version of a strategy with a config of that hash was ever deployed, as git says: the table never
/// testifies for itself.
pub type Known<'a> = &'a dyn Fn(&str, i64, &str) -> bool;

/// What git says was ever deployed, and what the host's own log says was.
pub type Git<'a> = (Known<'a>, Known<'a>);

/// Makes the row of what git wants.
pub type Make<'a> = &'a dyn Fn(&Want) -> Result<Row, DeployError>;

/// What git wants to be in the table, and how its rows are made.
pub type Wanted<'a> = (&'a [Want], Make<'a>);

/// What must change so that the table holds `want`. A row ahead of us that is known was put there by a later
/// reconciler; one that is not, somebody put there by hand.
/// `make` makes the row of what is wanted: only of what differs. `recorded` says whether the host's own log has a version as deployed: then whatever is missing or older was put
/// there by somebody else.
///
/// # Errors
/// A row that cannot be made.
pub fn plan(
    present: &[Row],
    (want, make): Wanted<'_>,
    known: Known<'_>,
    recorded: Known<'_>,
) -> Result<Vec<Change>, DeployError> {
    let mut out = Vec::new();
    let stands: BTreeMap<&str, &Row> = present.iter().map(|r| (r.strategy.as_str(), r)).collect();
    let wanted: BTreeSet<&str> = want.iter().map(|w| w.strategy.as_str()).collect();
    for w in want {
        let (strategy, version) = (w.strategy.clone(), w.version);
        let row = stands.get(w.strategy.as_str()).copied();
        if w.retired {
            let said = recorded(&w.strategy, w.version, &w.config_sha256);
            match (said, row.is_some()) {
                (true, true) => {
                    out.push(Change::Remove { strategy, detail: format!("it was retired by version {version}") })
                }
                (true, false) => {}
                (false, _) => out.push(Change::Retire { strategy, version }),
            }
            continue;
        }
        match row {
            None if recorded(&w.strategy, w.version, &w.config_sha256) => {
                out.push(Change::Heal { strategy, version, detail: "the row was deleted".into() });
            }
            None => out.push(Change::Deploy { strategy, version }),
            Some(r) if r.version == w.version && r.hash() == w.row => {}
            Some(r) if r.version > w.version && known(&r.strategy, r.version, r.text("config_sha256")) => {
                out.push(Change::Late { strategy, version: r.version });
            }
            Some(r)
                if r.version < w.version
                    && known(&r.strategy, r.version, r.text("config_sha256"))
                    && !recorded(&w.strategy, w.version, &w.config_sha256) =>
            {
                out.push(Change::Deploy { strategy, version });
            }
            Some(r) => {
                let mut what = r.differences(&make(w)?);
                if r.version != w.version {
                    what.insert(0, "version");
                }
                out.push(Change::Heal { strategy, version, detail: format!("changed by hand: {}", what.join(", ")) });
            }
        }
    }
    for r in present.iter().filter(|r| !wanted.contains(r.strategy.as_str())) {
        out.push(Change::Remove {
            strategy: r.strategy.clone(),
            detail: format!("version {} is not in git", r.version),
        });
    }
    Ok(out)
}

/// One statement of a transaction that brings the table in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    /// The row goes into the table, and into the history unless that version stands there.
    Put(Row),
    /// The strategy's row goes, and this one into the history.
    Retire(Row),
    /// The strategy's row goes.
    Remove(String),
}

/// What to change, and the writes that do it. A version that goes live again keeps its first time.
pub(super) fn writes(
    present: &[Row],
    history: &[Past],
    (want, make): Wanted<'_>,
    (known, recorded): Git<'_>,
    now_us: i64,
) -> Result<(Vec<Change>, Vec<Write>), DeployError> {
    let since: BTreeMap<_, i64> =
        history.iter().map(|p| ((p.strategy.as_str(), p.version, p.config_sha256.as_str()), p.deployed_us)).collect();
    let said = |s: &str, v: i64, sha: &str| recorded(s, v, sha) || since.contains_key(&(s, v, sha));
    let mut changes = plan(present, (want, make), known, &said)?;
    let changed: BTreeSet<String> = changes.iter().map(|c| c.strategy().to_string()).collect();
    for r in present.iter().filter(|r| !changed.contains(&r.strategy)) {
        // The history is append-only: since when a version is live it says.
        let first = since.get(&(r.strategy.as_str(), r.version, r.text("config_sha256")));
        if first.is_some_and(|us| *us != r.deployed_us) {
            let (strategy, version) = (r.strategy.clone(), r.version);
            changes.push(Change::Heal { strategy, version, detail: "changed by hand: deployed_us".into() });
        }
    }
    let forged = history.iter().filter(|p| !known(&p.strategy, p.version, &p.config_sha256));
    changes.extend(forged.map(|p| Change::Forged { strategy: p.strategy.clone(), version: p.version }));
    let write = |change: &Change| -> Result<Option<Write>, DeployError> {
        let wanted = want.iter().find(|w| w.strategy == change.strategy());
        Ok(match (change, wanted) {
            (Change::Deploy { .. } | Change::Heal { .. }, Some(w)) => {
                let version = (w.strategy.as_str(), w.version, w.config_sha256.as_str());
                let deployed_us = since.get(&version).copied().unwrap_or(now_us);
                Some(Write::Put(Row { deployed_us, ..make(w)? }))
            }
            (Change::Retire { .. }, Some(w)) => Some(Write::Retire(Row { deployed_us: now_us, ..make(w)? })),
            (Change::Remove { strategy, .. }, _) => Some(Write::Remove(strategy.clone())),
            _ => None,
        })
    };
    let writes = changes.iter().filter_map(|c| write(c).transpose()).collect::<Result<_, _>>()?;
    Ok((changes, writes))
}
