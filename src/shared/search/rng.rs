//! Counter-based random numbers, keyed by study seed, trial number and attempt: any of them can be
//! made alone, on any machine, in any order.

/// A stream of random numbers (SplitMix64 over a mixed key).
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream of a trial's attempt.
    pub fn new(seed: u64, number: u64, attempt: u64) -> Rng {
        let key = mix(mix(mix(seed ^ 0x6173_7361_7900_0001).wrapping_add(number)).wrapping_add(attempt << 32));
        Rng { state: key }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64 from seed 1234567, as its author's C code (Vigna, splitmix64.c) gives it.
    #[test]
    fn published_vectors() {
        let mut r = Rng { state: 1_234_567 };
        for wanted in [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ] {
            assert_eq!(r.bits(), wanted);
        }
    }

    #[test]
    fn streams_differ_and_are_uniform() {
        let mut r = Rng::new(1, 2, 3);
        let firsts = [Rng::new(2, 2, 3), Rng::new(1, 3, 3), Rng::new(1, 2, 4)].map(|mut r| r.bits());
        assert!(!firsts.contains(&Rng::new(1, 2, 3).bits()));
        let mean = (0..20_000).map(|_| r.uniform()).sum::<f64>() / 20_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((0..1000).all(|_| r.below(3) < 3));
    }
}
