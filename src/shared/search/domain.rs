//! Which points of a space there are: what a strategy allows, and what counts in it.

use crate::strategy::{Params, Strategy};

/// Which points of a space there are.
pub trait Domain {
    /// Whether values keep the strategy's constraints.
    fn allows(&self, params: &Params) -> bool;

    /// Whether what counts depends on other values.
    fn is_forked(&self) -> bool {
        false
    }

    /// Sets the parameters that do not count, given the others, to their defaults, and gives their places in the space.
    fn settle(&self, params: &mut Params) -> Vec<usize> {
        let _ = params;
        Vec::new()
    }
}

impl<F: Fn(&Params) -> bool> Domain for F {
    fn allows(&self, params: &Params) -> bool {
        self(params)
    }
}

impl Domain for Strategy {
    fn allows(&self, params: &Params) -> bool {
        Strategy::allows(self, params)
    }

    fn is_forked(&self) -> bool {
        !self.file.conditions.is_empty()
    }

    fn settle(&self, params: &mut Params) -> Vec<usize> {
        Strategy::settle(self, params)
    }
}
