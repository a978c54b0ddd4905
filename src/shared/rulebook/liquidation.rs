//! The liquidation price, solved for the bracket that holds at that price.
//!
//! Source: Binance FAQ "How to calculate liquidation price of USDⓈ-M futures contracts".
//! `LP = (WB − TMM + UPNL + cum − side·q·EP) / (q·mmr − side·q)`. Maintenance margin is continuous
//! and convex in the price and equity is linear, so exactly one bracket holds its own root.

use super::bracket::{Bracket, Brackets};

/// A position and the wallet behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// +1 long, −1 short.
    pub side: f64,
    /// Quantity, base asset, positive.
    pub qty: f64,
    /// Average entry price, USDT.
    pub entry: f64,
    /// Isolated wallet, or the whole cross wallet, USDT.
    pub wallet: f64,
    /// Maintenance margin of all other cross positions, USDT; 0 when isolated.
    pub other_maintenance: f64,
    /// Unrealised profit of all other cross positions, USDT; 0 when isolated.
    pub other_pnl: f64,
}

/// The root of one bracket, whether or not the bracket holds there. USDT.
pub fn price_in(bracket: &Bracket, e: &Exposure) -> f64 {
    let top = e.wallet - e.other_maintenance + e.other_pnl + bracket.cum - e.side * e.qty * e.entry;
    top / (e.qty * bracket.mmr - e.side * e.qty)
}

/// The mark price at which the position is liquidated and the bracket that holds there; `None`
/// when no positive price does it.
pub fn price<'a>(brackets: &'a Brackets, e: &Exposure) -> Option<(f64, &'a Bracket)> {
    let table = brackets.table();
    let last = table.len() - 1;
    for (i, bracket) in table.iter().enumerate() {
        let p = price_in(bracket, e);
        let notional = e.qty * p;
        if p > 0.0 && notional >= bracket.floor && (notional < bracket.cap || i == last) {
            return Some((p, bracket));
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn btc_2026() -> Vec<Bracket> {
        let rows = [
            (0.0, 300e3, 150.0, 0.004, 0.0),
            (300e3, 800e3, 100.0, 0.005, 300.0),
            (800e3, 3e6, 75.0, 0.0065, 1500.0),
            (3e6, 12e6, 50.0, 0.01, 12_000.0),
            (12e6, 70e6, 25.0, 0.02, 132_000.0),
            (70e6, 100e6, 20.0, 0.025, 482_000.0),
        ];
        rows.iter()
            .map(|&(floor, cap, max_leverage, mmr, cum)| Bracket { floor, cap, max_leverage, mmr, cum })
            .collect()
    }

    fn isolated(side: f64, qty: f64, entry: f64, wallet: f64) -> Exposure {
        Exposure { side, qty, entry, wallet, other_maintenance: 0.0, other_pnl: 0.0 }
    }

    /// The exchange's two published examples: each is the other's "other position".
    #[test]
    fn binance_faq() {
        let at = |mmr, cum| Bracket { floor: 0.0, cap: 1e12, max_leverage: 1.0, mmr, cum };
        let eth = Exposure {
            side: 1.0,
            qty: 3683.979,
            entry: 1456.84,
            wallet: 1535443.01,
            other_maintenance: 71200.81144,
            other_pnl: -56354.57,
        };
        assert!((price_in(&at(0.1, 135365.0), &eth) / 1153.256464696339 - 1.0).abs() < 1e-12);
        let btc = Exposure {
            side: 1.0,
            qty: 109.488,
            entry: 32481.98,
            wallet: 1535443.01,
            other_maintenance: 356512.508,
            other_pnl: -448192.89,
        };
        assert!((price_in(&at(0.025, 16300.0), &btc) / 26316.893308902603 - 1.0).abs() < 1e-12);
        assert!((price_in(&at(0.01, 0.01), &isolated(-1.0, 1.0, 10.0, 2.0)) / 11.89108910891089 - 1.0).abs() < 1e-12);
        assert!((price_in(&at(0.01, 0.01), &isolated(1.0, 0.6, 10.0, 1.2)) / 8.063973063973064 - 1.0).abs() < 1e-12);
    }

    /// Worked numbers with the bracket solved at the liquidation price, tables of 2026-09.
    #[test]
    fn solved_at_the_liquidation_price() {
        let b = Brackets::new(btc_2026()).unwrap();
        for (side, qty, lev, want, mmr) in [
            (1.0, 1.0, 10.0, 54216.867469879515, 0.004),
            (-1.0, 1.0, 10.0, 65737.05179282869, 0.004),
            (1.0, 50.0, 20.0, 57342.7277302466, 0.0065),
            (-1.0, 50.0, 20.0, 62613.86138613861, 0.01),
        ] {
            let (p, bracket) = price(&b, &isolated(side, qty, 60_000.0, qty * 60_000.0 / lev)).unwrap();
            assert!((p / want - 1.0).abs() < 1e-12 && bracket.mmr == mmr, "{p} {want}");
        }
        assert!(price(&b, &isolated(1.0, 1.0, 100.0, 150.0)).is_none(), "a long with more than its value behind it");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]
        /// At the root, equity equals maintenance margin, and just past it falls short.
        #[test]
        fn the_root_is_a_root(long: bool, qty in 0.01f64..500.0, entry in 100.0f64..90_000.0, lev in 1.0f64..75.0) {
            let b = Brackets::new(btc_2026()).unwrap();
            let e = isolated(if long { 1.0 } else { -1.0 }, qty, entry, qty * entry / lev);
            if let Some((p, _)) = price(&b, &e) {
                let slack = |p: f64| e.wallet + e.side * qty * (p - entry) - b.maintenance(qty * p);
                prop_assert!(slack(p).abs() < 1e-6 * qty * entry);
                prop_assert!(slack(p * (1.0 - 0.001 * e.side)) < 0.0);
                prop_assert!(slack(p * (1.0 + 0.001 * e.side)) > 0.0);
            }
        }
    }
}
