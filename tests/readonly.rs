//! Reading commands never write: not on a folder that cannot be written, and not on one that can.

use crate::desk::{Desk, Said};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Everything below a folder with its size and time of change.
fn state(dir: &Path, out: &mut BTreeMap<PathBuf, (u64, i64, i64)>) {
    for item in std::fs::read_dir(dir).unwrap().map(|i| i.unwrap().path()) {
        let meta = item.symlink_metadata().unwrap();
        out.insert(item.clone(), (meta.len(), meta.mtime(), meta.mtime_nsec()));
        if meta.is_dir() {
            state(&item, out);
        }
    }
}

fn set(dir: &Path, folder: u32, file: u32) {
    for item in std::fs::read_dir(dir).unwrap().map(|i| i.unwrap().path()) {
        if item.is_dir() {
            set(&item, folder, file);
        } else {
            std::fs::set_permissions(&item, Permissions::from_mode(file)).unwrap();
        }
    }
    std::fs::set_permissions(dir, Permissions::from_mode(folder)).unwrap();
}

/// Every command that only reads.
const READING: [&[&str]; 17] = [
    &["trials"],
    &["trials", "--all", "--json"],
    &["trial", "show"],
    &["study", "show"],
    &["study", "show", "trend-walkforward", "--json"],
    &["data", "show"],
    &["log"],
    &["active"],
    &["active", "--history", "--json"],
    &["audit"],
    &["audit", "--full", "--json"],
    &["verify", "--ledger", "lab/ledger"],
    &["review"],
    &["reconcile", "--check"],
    &["key", "list"],
    &["prove", "3"],
    &["verify", "--deep"],
];

fn all(desk: &Desk, run: impl Fn(&[&str]) -> Said) {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    state(&desk.path("lab"), &mut before);
    for args in READING {
        let said = run(&[&["--lab", "lab"], args].concat());
        assert_eq!(said.code, 0, "{args:?}:\n{}\n{}", said.out, said.err);
    }
    state(&desk.path("lab"), &mut after);
    let changed: Vec<_> = after.iter().filter(|(k, v)| before.get(*k) != Some(*v)).map(|(k, _)| k).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "changed: {changed:?}");
}

#[test]
fn reading_never_writes() {
    let desk = Desk::new();
    desk.demo(16, &[]).ok();
    // What a clean verification remembers stands already, so it has nothing to write.
    desk.assay(&["verify"]).ok();
    all(&desk, |args| desk.assay(args));
    // A mirror that is behind, one that is missing, one that is spoiled: answered from the ledger.
    let mirror = desk.path("lab/mirror.sqlite");
    let whole = std::fs::read(&mirror).unwrap();
    desk.assay(&["key", "new", "--out", "cyd"]).ok();
    desk.assay(&["key", "add", "cyd", "--role", "researcher", "--public", "cyd.pub"]).ok();
    desk.assay(&["verify"]).ok();
    std::fs::write(&mirror, &whole).unwrap();
    all(&desk, |args| desk.assay(args));
    let said = desk.assay(&["trials"]).ok();
    assert!(said.err.contains("the mirror lacks 1 entry,"), "{}", said.err);
    std::fs::remove_file(&mirror).unwrap();
    all(&desk, |args| desk.assay(args));
    // A folder that this user may read and not write.
    let home = desk.home.path();
    std::fs::set_permissions(home, Permissions::from_mode(0o755)).unwrap();
    if home.metadata().unwrap().uid() == 0 {
        // Its own, since git reads nobody else's repositories.
        desk.run("chown", &["-R", "65534:65534", "lab"]).ok();
    }
    set(&desk.path("lab"), 0o555, 0o444);
    all(&desk, |args| desk.assay_as_nobody(args));
    desk.assay_as_nobody(&["--lab", "lab", "report"]).fails(3, "--out");
    let out = tempfile::tempdir().unwrap();
    std::fs::set_permissions(out.path(), Permissions::from_mode(0o777)).unwrap();
    let place = out.path().join("reports");
    desk.assay_as_nobody(&["--lab", "lab", "report", "--out", place.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_dir(place).unwrap().count(), 5);
    set(&desk.path("lab"), 0o755, 0o644);
}
