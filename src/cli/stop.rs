//! Ctrl-C and SIGTERM: every command ends at the first one.
//!
//! Work that watches the token (a study) puts itself in order and returns. Any other command is ended
//! here, between two steps that belong together: what it wrote is whole, since the stores survive an
//! end at any moment.

use super::output::say;
use assay_lab::Stop;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::time::Duration;

/// The exit code of whoever was stopped.
pub const EXIT: u8 = 130;
/// How long a step may take to its end before a stop is given up: a second signal ends at once.
const PATIENCE: Duration = Duration::from_secs(600);

/// Ends the process, with the terminal as it was: a prompt for a passphrase had switched its echo off.
fn end(before: Option<&Termios>) -> ! {
    if let Some(before) = before {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
    }
    std::process::exit(i32::from(EXIT))
}

/// Makes the first signal end what runs, and a second one end it at once.
pub fn watch(stop: &Stop) {
    let before = tcgetattr(rustix::stdio::stdin()).ok();
    let token = stop.clone();
    // Without a handler the system ends the process at once, which is safe too.
    let _ = ctrlc::set_handler(move || {
        if token.requested() {
            end(before.as_ref());
        }
        token.request();
        let (token, before) = (token.clone(), before.clone());
        // On a thread of its own, so that a second signal is heard.
        std::thread::spawn(move || {
            if token.wait_until_free(PATIENCE) {
                say("stopped");
                end(before.as_ref());
            }
        });
    });
}
