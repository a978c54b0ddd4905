//! Whether a lab is in order: folder, keys, ledger, mirror, hooks, live table.

use crate::error::LabError;
use crate::folder::Lab;
use assay_production::deploy;

/// One check: its name, and what is there or what is wrong.
pub type Check = (&'static str, Result<String, String>);

/// Looks a lab over. Writes nothing.
pub fn checks(lab: &Lab) -> Vec<Check> {
    let words = |e: LabError| e.to_string();
    let hooks = ["pre-receive", "post-receive"].iter().all(|h| lab.deploy_path().join("hooks").join(h).is_file());
    let live = || -> Result<String, LabError> {
        let gate = lab.gate()?;
        let mut table = deploy::look(&gate.settings.live, &gate.settings.genesis_policy_sha256.to_string())?;
        let rows = table.rows()?;
        Ok(format!("{}: {} live", table.place(), rows.len()))
    };
    vec![
        ("key", lab.signer().map(|s| s.id().to_string()).map_err(words)),
        ("log key", lab.log_signer().map(|s| s.id().to_string()).map_err(words)),
        ("ledger", lab.log().map(|l| format!("{} entries", l.len())).map_err(words)),
        ("mirror", lab.mirror().and_then(|m| Ok(m.cursor()?)).map(|c| format!("at {c}")).map_err(words)),
        ("hooks", if hooks { Ok("installed".into()) } else { Err("missing: run `assay hook install`".into()) }),
        ("live table", live().map_err(words)),
    ]
}
