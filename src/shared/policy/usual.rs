//! What a first policy asks for, and where another one asks for less.

use super::{Gates, count_age};

impl Gates {
    /// What a first policy asks for; of made-up markets no statistic says anything.
    pub fn usual(engine_version: String, generated: bool) -> Gates {
        Gates {
            min_trades: 30,
            max_leverage: 5.0,
            max_drawdown: 0.6,
            min_dsr: (!generated).then_some(0.95),
            max_pbo: (!generated).then_some(0.5),
            engine_versions: vec![engine_version],
            max_evidence_age_days: 30,
            track_record: !generated,
            witnessed_seed: false,
            max_count_age_days: count_age(),
            allow_generated: generated,
        }
    }

    /// What is asked for less strictly than a first policy does, each with its own limit and the usual one.
    pub fn looser_than_usual(&self) -> Vec<String> {
        let usual = Gates::usual(String::new(), self.allow_generated);
        let said = |(name, own, usual): (&str, String, String)| format!("{name} {own} (a first policy: {usual})");
        self.less(&usual).into_iter().map(said).collect()
    }

    /// What is asked for less strictly than another policy does, each with that one's limit and its own.
    pub fn looser_than(&self, other: &Gates) -> Vec<String> {
        let said = |(name, own, other): (&str, String, String)| format!("{name}: {other} -> {own}");
        let made_up = self.allow_generated && !other.allow_generated;
        let made_up = made_up.then(|| "allow_generated: no -> yes".to_string());
        self.less(other).into_iter().map(said).chain(made_up).collect()
    }

    fn less(&self, usual: &Gates) -> Vec<(&'static str, String, String)> {
        let share = |v: f64| format!("{:.0} %", v * 100.0);
        let asked = |v: Option<f64>| v.map_or("none".into(), |v| v.to_string());
        let least = |a: Option<f64>, b: Option<f64>| b.is_some_and(|b| a.is_none_or(|a| a < b));
        let most = |a: Option<f64>, b: Option<f64>| b.is_some_and(|b| a.is_none_or(|a| a > b));
        let all = [
            (
                self.min_trades < usual.min_trades,
                "min_trades",
                self.min_trades.to_string(),
                usual.min_trades.to_string(),
            ),
            (
                self.max_leverage > usual.max_leverage,
                "max_leverage",
                self.max_leverage.to_string(),
                usual.max_leverage.to_string(),
            ),
            (
                self.max_drawdown > usual.max_drawdown,
                "max_drawdown",
                share(self.max_drawdown),
                share(usual.max_drawdown),
            ),
            (least(self.min_dsr, usual.min_dsr), "min_dsr", asked(self.min_dsr), asked(usual.min_dsr)),
            (most(self.max_pbo, usual.max_pbo), "max_pbo", asked(self.max_pbo), asked(usual.max_pbo)),
            (usual.track_record && !self.track_record, "track_record", "no".into(), "yes".into()),
        ];
        let looser = all.into_iter().filter(|(looser, ..)| *looser);
        looser.map(|(_, name, own, usual)| (name, own, usual)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looser() {
        let usual = || Gates::usual("1".into(), false);
        assert!(usual().looser_than_usual().is_empty());
        let strict = Gates { min_trades: 100, max_leverage: 2.0, min_dsr: Some(0.99), max_pbo: Some(0.2), ..usual() };
        assert!(strict.looser_than_usual().is_empty());
        let lax = Gates {
            min_trades: 1,
            max_drawdown: 0.9,
            min_dsr: None,
            max_pbo: Some(0.7),
            track_record: false,
            ..usual()
        };
        let said = lax.looser_than_usual().join("; ");
        assert_eq!(
            said,
            "min_trades 1 (a first policy: 30); max_drawdown 90 % (a first policy: 60 %); min_dsr none (a first policy: 0.95); \
             max_pbo 0.7 (a first policy: 0.5); track_record no (a first policy: yes)"
        );
        assert!(Gates::usual("1".into(), true).looser_than_usual().is_empty(), "of made-up data nothing is asked");
    }
}
