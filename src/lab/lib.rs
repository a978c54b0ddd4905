//! What a lab can do. It prints nothing and asks nothing: an observer hears of progress and notices
//! and is asked for passphrases, a token says stop, and errors are typed. The command line stands on
//! it; so can pages, other languages and workers.
//!
//! | room | what it is for |
//! |---|---|
//! | [`session`] | who stands around: the observer, the token that says stop |
//! | [`folder`] | a lab's folder: settings, paths, its stores opened |
//! | [`writer`] | a ledger that can be written |
//! | [`history`] | a log never signs two histories |
//! | [`mod@environment`] | the versions that results depend on |
//! | [`create`] | a new lab |
//! | [`keys`] | keys made, added, revoked, replaced |
//! | [`data`] | market data into a lab |
//! | [`quality`] | what was found in them, kept and shown |
//! | [`download`] | files of the exchange's archive |
//! | `vendor` | which files the exchange's own archive confirmed to whoever asks here |
//! | [`rules`] | what is known of the exchange's rules, and books made of it |
//! | [`kept`] | what became of the files of snapshots |
//! | [`erased`] | what was destroyed on purpose |
//! | `standing` | whose keys count, what is taken; what nobody vouched for is verified |
//! | [`begin`] | files to begin with |
//! | [`study`] | studies opened, run, resumed |
//! | [`values`] | what a strategy's own names are, bar by bar |
//! | [`trial`] | trials found |
//! | `stress` | a trial with costs that are higher than assumed |
//! | [`report`] | a trial's report |
//! | [`compare`] | trials beside each other |
//! | [`parity`] | research and production give the same stream |
//! | [`place`] | places that somebody names: read with a limit, written over only where they are ours |
//! | [`policy`] | policies read, compared and signed |
//! | [`proposal`] | what promotions and rollbacks have in common |
//! | [`promote`] | a trial proposed for production |
//! | [`rollback`] | an earlier version proposed again |
//! | [`reproduce`] | a proposal run again by somebody else |
//! | [`obtain`] | the data and the rule book of a proposal, had from wherever they are |
//! | [`store`] | snapshots of others: a folder, or a web server |
//! | `differs` | a trial beside what was recorded: the first figure that is another |
//! | [`review`] | what a proposal would put live; approvals |
//! | [`concerns`] | what speaks against a proposal |
//! | `written` | what of a strategy's text no search counts |
//! | [`sync`] | the lab and the repositories that it shares with others |
//! | [`clone`] | what a plain clone of the deploy repository says |
//! | [`explain`] | a live version walked back, link by link |
//! | [`compromise`] | what rests on a key that is feared for |
//! | [`deploy`] | an approved proposal merged and pushed |
//! | `hooks` | the hooks of a deploy repository, written and looked over |
//! | [`install`] | a bare repository made a gate |
//! | [`host`] | the deploy host: what its hooks answer, its log, the reconciler |
//! | [`halt`] | a strategy stopped at once, and gone on with by several |
//! | [`halted`] | what the table of halts says, what counts of it, and what is gone from it |
//! | `lawful` | whether enough people were for it that a strategy goes on |
//! | `table` | a host's live table, where it is |
//! | [`live`] | what is live, and what was when |
//! | [`notify`] | who is told of what happens |
//! | [`audit`] | everything verified, each live row walked back |
//! | [`verify`] | a ledger verified |
//! | [`exchange`] | a ledger exported, imported, with others' cosignatures |
//! | [`witness`] | cosigning and seeds, by file and for requests |
//! | [`proof`] | events and checkpoints proven, without the lab |
//! | [`recover`] | ways out: a journal rebuilt, an index thrown away, planted entries set aside |
//! | [`ask`] | witnesses asked over HTTP |
//! | [`mirror`] | the SQLite mirror rebuilt and copied |
//! | [`doctor`] | whether a lab is in order |
//! | [`tamper`] | copies tampered with, for the demonstration |

pub mod ask;
pub mod audit;
pub mod begin;
pub mod clone;
pub mod compare;
pub mod compromise;
pub mod concerns;
pub mod create;
pub mod data;
pub mod deploy;
mod differs;
pub mod doctor;
pub mod download;
pub mod environment;
pub mod erased;
pub mod error;
pub mod exchange;
pub mod explain;
pub mod folder;
pub mod halt;
pub mod halted;
pub mod history;
mod hooks;
pub mod host;
pub mod install;
pub mod kept;
pub mod keys;
mod lawful;
pub mod live;
mod lost;
pub mod mirror;
pub mod notify;
pub mod obtain;
pub mod parity;
pub mod place;
#[cfg(test)]
mod place_tests;
pub mod policy;
pub mod promote;
pub mod proof;
pub mod proposal;
pub mod quality;
pub mod recover;
pub mod report;
pub mod reproduce;
pub mod review;
pub mod rollback;
pub mod rules;
pub mod session;
mod standing;
pub mod store;
mod stress;
pub mod study;
pub mod sync;
mod table;
pub mod tamper;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod values;
mod vendor;
pub mod verify;
pub mod witness;
pub mod writer;
mod written;

pub use environment::environment;
pub use error::{Kind, LabError};
pub use folder::Lab;
pub use session::{Notice, Observer, Progress, Session, Stop};
pub use writer::Writer;
