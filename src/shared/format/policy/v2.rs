//! Version 2 of a policy's text.

use super::CURRENT;
use crate::format::tree::{self, Table, row, some};
use crate::policy::{Person, Policy};

fn person(p: &Person) -> Table {
    let roles: Vec<String> = p.roles.iter().map(|r| r.name().to_string()).collect();
    let keys: Vec<String> = p.keys.iter().map(assay_ledger::PublicKey::to_openssh).collect();
    vec![row("name", &p.name), row("roles", &roles[..]), row("keys", &keys[..])]
}

/// The text.
pub(super) fn text(p: &Policy) -> String {
    let t = &p.thresholds;
    let mut thresholds = vec![row("approvals", t.approvals), row("policy", t.policy)];
    thresholds.extend(some("witnesses", Some(t.witnesses).filter(|n| *n > 0)));
    thresholds.push(row("reproductions", t.reproductions));
    let vendor = Some(t.reproductions_from_vendor).filter(|n| *n > 0);
    thresholds.extend(some("reproductions_from_vendor", vendor));
    let g = &p.gates;
    let mut gates =
        vec![row("min_trades", g.min_trades), row("max_leverage", g.max_leverage), row("max_drawdown", g.max_drawdown)];
    gates.extend(some("min_dsr", g.min_dsr));
    gates.extend(some("max_pbo", g.max_pbo));
    gates.extend([
        row("engine_versions", &g.engine_versions[..]),
        row("max_evidence_age_days", g.max_evidence_age_days),
        row("allow_generated", g.allow_generated),
    ]);
    gates.extend(some("track_record", Some(g.track_record).filter(|on| *on)));
    gates.extend(some("witnessed_seed", Some(g.witnessed_seed).filter(|on| *on)));
    gates.extend(some("max_count_age_days", Some(g.max_count_age_days).filter(|days| *days != 7)));
    let people: Vec<Table> = p.people.iter().map(person).collect();
    let origins: Vec<Table> = p.origins.iter().map(|o| vec![row("vkey", &o.vkey)]).collect();
    let witnesses: Vec<Table> = p.witnesses.iter().map(|w| vec![row("vkey", &w.vkey)]).collect();
    // No log yet is said in a line: without any table there would be no key.
    let mut out = vec![row("format", CURRENT), row("version", p.version), row("name", &p.name)];
    out.extend(some("single_person", Some(p.single_person).filter(|on| *on)));
    out.extend([row("thresholds", thresholds), row("gates", gates), row("people", people)]);
    out.extend([row("origins", origins), row("witnesses", witnesses)]);
    tree::text(&out)
}
