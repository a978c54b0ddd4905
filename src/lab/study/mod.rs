//! Studies of a lab: opened from texts or read back from the ledger, run, resumed, closed.

mod declared;
mod extend;
mod figures;
mod finish;
mod later;
mod opened;
mod page;
mod queue;
mod recorded;
mod run;
mod seeded;
mod texts;
mod walk;

pub use declared::{Declared, Recorded, declare};
pub use extend::{extend, points};
pub use figures::{Figures, of_trial};
pub(crate) use finish::ends_again;
pub use finish::finish_pruned;
pub(crate) use later::later_again;
pub use later::{Seen, forward, open_vault, seen_later};
pub use opened::{Opened, Seed, chosen, open, prices, reopen};
pub use page::{page, windows};
pub use recorded::recorded;
pub(crate) use recorded::recorded_as;
pub use run::{Budget, Ended, jobs, run, run_within, walk_forward};
pub use seeded::{ready, seeded};
pub use texts::{Changes, parse_strategy, parse_study, plain_study, read_strategy, read_study, warnings, with_symbols};
pub use walk::{Walked, walk};
