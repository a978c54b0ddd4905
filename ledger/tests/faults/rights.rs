//! A ledger that this user may not write, or not even read.

use crate::trace::{exerciser, strace};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the exerciser as a user who is not root, so that permissions count: as `nobody` if we are.
fn as_user(dir: &Path, args: [&str; 2]) -> Output {
    let place = dir.parent().unwrap();
    let program = place.join("exerciser");
    if !program.exists() {
        std::fs::copy(exerciser(), &program).unwrap();
        std::fs::set_permissions(place, Permissions::from_mode(0o755)).unwrap();
    }
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = if root { Command::new("setpriv") } else { Command::new(&program) };
    if root {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    }
    command.arg(dir).args(args).output().expect("setpriv of util-linux")
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for item in std::fs::read_dir(dir).unwrap().map(|i| i.unwrap().path()) {
        if item.is_dir() {
            out.extend(files(&item));
        } else {
            out.insert(item.clone(), std::fs::read(&item).unwrap());
        }
    }
    out
}

/// Sets the rights of all folders and files.
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

/// L-25: read-only folders and files, a foreign owner, and no right to read: reading works where it
/// may, writing is a typed error that names the path, nothing changes, and nothing new is created.
#[test]
fn l25_rights() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("l");
    let made = Command::new(exerciser()).arg(&ledger).args(["7", "8"]).output().unwrap();
    assert!(made.status.success());
    let before = files(&ledger);
    // Read-only for everybody; the owner's alone to write; nobody's to read but the owner's.
    for (folder, file, readable) in
        [(0o555, 0o444, true), (0o755, 0o644, true), (0o755, 0o600, false), (0o700, 0o600, false)]
    {
        set(&ledger, folder, file);
        let words = format!("{folder:o} {file:o}");
        let owner = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if !owner && folder != 0o555 {
            continue;
        }
        let read = as_user(&ledger, ["7", "0"]);
        assert_eq!(read.status.code(), Some(if readable { 0 } else { 3 }), "{words}: {read:?}");
        let write = as_user(&ledger, ["7", "1"]);
        let said = String::from_utf8_lossy(&write.stderr);
        assert_eq!(write.status.code(), Some(3), "{words}: {said}");
        assert!(said.contains("ermission denied") && said.contains(ledger.to_str().unwrap()), "{words}: {said}");
        set(&ledger, 0o755, 0o644);
        assert_eq!(files(&ledger), before, "{words}");
    }
    let again = Command::new(exerciser()).arg(&ledger).args(["7", "1"]).output().unwrap();
    assert!(again.status.success(), "{again:?}");
}

/// L-25: a file system that turned read-only: a typed error, nothing changes, reading goes on.
#[test]
fn l25_read_only_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = dir.path().join("l");
    assert!(Command::new(exerciser()).arg(&ledger).args(["7", "8"]).output().unwrap().status.success());
    let before = files(&ledger);
    for file in ["lock", "journal/mark", "journal/00000000000000000000.seg"] {
        let path = ledger.join(file);
        let inject = "inject=openat,pwrite64:error=EROFS";
        let args = ["-o", "/dev/null", "-P", path.to_str().unwrap(), "-e", inject];
        let done = strace(&args, &ledger, 7, 1).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{file}: {said}");
        assert!(said.contains("Read-only file system") && said.contains(ledger.to_str().unwrap()), "{file}: {said}");
        assert!(done.stdout.is_empty(), "{file}: nothing may be acknowledged");
        // A group may have been written before it failed; nothing that was there is touched.
        let now = files(&ledger);
        for (path, bytes) in before.iter().filter(|(p, _)| !p.ends_with("lock")) {
            assert!(now[path].starts_with(bytes), "{file}: {}", path.display());
        }
    }
    assert!(Command::new(exerciser()).arg(&ledger).args(["7", "0"]).output().unwrap().status.success());
}
