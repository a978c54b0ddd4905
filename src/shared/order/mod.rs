//! What is asked of an account at the close of a bar: orders, sizes, levels, target weights. Values only; what
//! becomes of them is the [`account`](crate::account)'s.

mod desk;
mod intent;

pub use desk::{Ask, Orders, Target};
pub use intent::{Action, Follow, Intent, Kind, Level, Levels, STEPS, Size, Step, Tag};
