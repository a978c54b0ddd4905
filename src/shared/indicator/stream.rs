//! What all streaming calls share: one bar in, that bar's values out.

use ta_lib::{MAType, RetCode};

/// A running indicator.
pub(super) trait Stream: Send {
    /// Takes one bar's inputs and writes its outputs.
    fn update(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), RetCode>;
}

/// Writes a function's results into a slice, integers as floats.
pub(super) trait Spread {
    fn spread(self, out: &mut [f64]);
}

impl Spread for f64 {
    fn spread(self, out: &mut [f64]) {
        out[0] = self;
    }
}

impl Spread for i32 {
    fn spread(self, out: &mut [f64]) {
        out[0] = f64::from(self);
    }
}

macro_rules! spread_tuples {
    ($(($($t:ident $i:tt),*))*) => {
        $(impl<$($t: Spread),*> Spread for ($($t,)*) {
            fn spread(self, out: &mut [f64]) {
                $(self.$i.spread(&mut out[$i..]);)*
            }
        })*
    };
}

spread_tuples! { (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

pub(super) fn int(v: f64) -> Result<i32, RetCode> {
    if v == v.trunc() && v.abs() < 2e9 { Ok(v as i32) } else { Err(RetCode::BadParam) }
}

pub(super) fn real(v: f64) -> Result<f64, RetCode> {
    if v.is_finite() { Ok(v) } else { Err(RetCode::BadParam) }
}

pub(super) fn ma(v: f64) -> Result<MAType, RetCode> {
    MAType::try_from(int(v)?)
}
