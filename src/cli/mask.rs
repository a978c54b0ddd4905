//! What the program writes is never writable by others, whatever the umask it was started with: the
//! ledger, keys, pins, settings, git's and SQLite's files alike, and those of the programs it starts.

use rustix::fs::Mode;
use rustix::process::umask;

/// Takes the right to write away from group and others, for everything that is created from here on.
pub fn no_write_for_others() {
    let before = umask(Mode::WGRP | Mode::WOTH);
    umask(before | Mode::WGRP | Mode::WOTH);
}
