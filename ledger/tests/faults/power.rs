//! Power loss under the real program: the system calls of a run are played back onto a disk in
//! memory, and at every call the power goes, which loses what was not synced.

use crate::trace::{Call, Told, calls, main_thread};
use crate::{check, long};
use assay_ledger::log::Home;
use assay_ledger::storage::disk::{Disk as _, DiskFile, Open};
use assay_ledger::testing::disk::SimDisk;
use assay_ledger::testing::store::MemStores;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// An argument of a system call: a string, or anything else as it was printed.
enum Arg {
    Text(Vec<u8>),
    Word(String),
}

/// Takes apart the arguments of a call that was traced with `-xx`: strings are all `\xNN`.
fn split(args: &str) -> Vec<Arg> {
    let args = args.strip_suffix(')').unwrap_or(args);
    let part = |part: &str| match part.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) => Arg::Text(text.split("\\x").skip(1).map(|b| u8::from_str_radix(b, 16).unwrap()).collect()),
        None => Arg::Word(part.trim().into()),
    };
    args.split(", ").map(part).collect()
}

enum File {
    Folder(PathBuf),
    Plain(Box<dyn DiskFile>),
}

/// The disk as the calls so far have left it, and what was said so far.
struct Playback {
    disk: SimDisk,
    root: PathBuf,
    open: BTreeMap<String, File>,
    told: Told,
}

impl Playback {
    /// A path of the ledger; its index and its lock are nothing that an acknowledgement rests on.
    fn path(&self, arg: &Arg) -> Option<PathBuf> {
        let Arg::Text(bytes) = arg else { return None };
        let path = PathBuf::from(std::ffi::OsString::from_vec(bytes.clone()));
        let ours = path.starts_with(&self.root) && !path.starts_with(self.root.join("index.sled"));
        (ours && path.file_name().is_some_and(|n| n != "lock") || self.root.starts_with(&path)).then_some(path)
    }

    fn openat(&mut self, path: PathBuf, flags: &str, fd: i64) {
        let how = match (flags.contains("O_CREAT"), flags.contains("O_RDWR")) {
            (true, _) => Open::Replace,
            (false, true) => Open::Write,
            (false, false) => Open::Read,
        };
        let file = self.disk.open(&path, how).map_or(File::Folder(path), File::Plain);
        self.open.insert(fd.to_string(), file);
    }

    /// Does what a call did. Gives whether it changed the disk.
    fn play(&mut self, call: &Call<'_>) -> bool {
        if call.result < 0 {
            return false;
        }
        let args = split(call.args);
        if let ("write", [Arg::Word(fd), Arg::Text(said), ..]) = (call.name, &args[..])
            && fd == "1"
        {
            self.told.hear(said);
            return false;
        }
        let paths: Vec<PathBuf> = args.iter().filter_map(|a| self.path(a)).collect();
        let fd = args.first().and_then(|a| if let Arg::Word(w) = a { self.open.get(w) } else { None });
        match (call.name, fd, &paths[..], &args[..]) {
            ("openat", _, [path], [.., Arg::Word(flags)]) if flags.starts_with("O_") => {
                self.openat(path.clone(), flags, call.result);
            }
            ("openat", _, [path], [_, _, Arg::Word(flags), ..]) => self.openat(path.clone(), flags, call.result),
            ("openat", ..) => drop(self.open.remove(&call.result.to_string())),
            ("mkdir" | "mkdirat", _, [path], _) => self.disk.mkdir(path).unwrap(),
            ("rename" | "renameat" | "renameat2", _, [from, to], _) => self.disk.rename(from, to).unwrap(),
            ("pwrite64", Some(File::Plain(file)), _, [_, Arg::Text(bytes), _, Arg::Word(at)]) => {
                file.write_at(at.parse().unwrap(), bytes).unwrap();
            }
            ("ftruncate", Some(File::Plain(file)), _, [_, Arg::Word(len)]) => {
                file.set_len(len.parse().unwrap()).unwrap();
            }
            ("fsync" | "fdatasync", Some(File::Plain(file)), ..) => file.sync().unwrap(),
            ("fsync", Some(File::Folder(path)), ..) => self.disk.sync_dir(path).unwrap(),
            ("write" | "pwrite64" | "ftruncate", Some(_), ..) => {
                panic!("cannot be played back: {}({:.200}", call.name, call.args)
            }
            _ => return false,
        }
        call.name != "openat" || self.open.contains_key(&call.result.to_string())
    }

    /// Everything must hold when the power goes now.
    fn power_goes(&self, seed: u64, words: &str) {
        let disk = self.disk.duplicate();
        disk.power_loss(seed);
        let stores = Arc::new(MemStores::new());
        let home = Home { dir: self.root.clone(), disk: Arc::new(disk), stores, per_segment: 256 };
        check(&home, &self.told, &format!("{words}, seed {seed}"));
    }
}

/// O-01, I1, I2: the power goes after any system call of create, append, a new segment, checkpoint
/// and export: what was acknowledged is there, and every checkpoint that was said is a prefix.
#[test]
fn o01_power_loss_at_any_call() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("l");
    let of = "trace=openat,mkdir,mkdirat,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2";
    let text = main_thread(dir.path(), &root, 20, &["-e", of, "-xx", "-s", "1000000"]);
    let mut playback = Playback { disk: SimDisk::new(), root, open: BTreeMap::new(), told: Told::default() };
    let (mut changes, mut losses) = (0u64, 0);
    for call in calls(&text) {
        if playback.play(&call) {
            changes += 1;
        }
        // Also right after something was said: that is when it counts.
        let said = call.name == "write";
        if long() || said || changes % 2 == 0 {
            let seeds = if long() { 0..4 } else { 0..1 };
            for seed in seeds {
                playback.power_goes(seed * 1_000_003 + changes, &format!("after change {changes}"));
                losses += 1;
            }
        }
    }
    let told = &playback.told;
    assert!(told.acknowledged > 256 && told.published.len() == 5, "{told:?}");
    assert!(changes > 150 && losses > 50, "{changes} changes, {losses} losses");
    playback.disk.process_loss();
    playback.power_goes(1, "at the end");
}
