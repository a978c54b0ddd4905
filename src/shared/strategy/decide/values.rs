//! Levels as numbers.

use crate::order::STEPS;
use crate::strategy::plan::Id;
use crate::strategy::rules::LevelPlaces;

/// Levels as numbers, before they are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Values {
    pub stop_loss: f64,
    pub take_profit: f64,
    pub trailing_stop: f64,
    pub stop_price: f64,
    pub target_price: f64,
    pub max_bars: f64,
    pub steps: [(f64, f64); STEPS],
}

pub(super) const NOTHING: Values = Values {
    stop_loss: f64::NAN,
    take_profit: f64::NAN,
    trailing_stop: f64::NAN,
    stop_price: f64::NAN,
    target_price: f64::NAN,
    max_bars: f64::NAN,
    steps: [(f64::NAN, f64::NAN); STEPS],
};

/// Reads levels from values.
pub(super) fn read(places: &LevelPlaces, values: &[f64]) -> Values {
    let at = |place: Option<Id>| place.map_or(f64::NAN, |id| values[id]);
    let mut steps = NOTHING.steps;
    for (step, (after, distance)) in steps.iter_mut().zip(&places.trailing) {
        *step = (after.map_or(0.0, |id| values[id]), values[*distance]);
    }
    Values {
        stop_loss: at(places.stop_loss),
        take_profit: at(places.take_profit),
        trailing_stop: at(places.trailing_stop),
        stop_price: at(places.stop_price),
        target_price: at(places.target_price),
        max_bars: at(places.max_bars),
        steps,
    }
}
