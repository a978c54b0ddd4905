//! A measured figure: beside it what it cannot exceed, and what it must reach.

use super::super::output::grouped;
use serde_json::{Value, json};

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// No more than this.
    AtMost(f64),
    /// At least this share of its limit.
    Share(f64),
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub name: String,
    value: f64,
    unit: String,
    /// What it cannot exceed, and what that was measured by.
    limit: Option<(f64, String)>,
    goal: Option<Goal>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Figure {
        Figure { name: name.into(), value, unit: unit.into(), limit: None, goal: None }
    }

    /// Beside it, what it cannot exceed.
    pub fn of(self, limit: f64, measured_by: &'static str) -> Figure {
        Figure { limit: Some((limit, measured_by.into())), ..self }
    }

    pub fn goal(self, goal: Goal) -> Figure {
        Figure { goal: Some(goal), ..self }
    }

    fn share(&self) -> Option<f64> {
        self.limit.as_ref().map(|(limit, _)| self.value / limit)
    }

    /// Whether it reaches its goal; one without a goal does.
    pub fn reached(&self) -> bool {
        match self.goal {
            None => true,
            Some(Goal::AtMost(most)) => self.value <= most,
            Some(Goal::Share(least)) => self.share().is_some_and(|share| share >= least),
        }
    }

    /// Its row: name, value, unit, limit, goal.
    pub fn row(&self) -> Vec<String> {
        let limit = self.limit.as_ref().map_or(String::new(), |(limit, of)| {
            format!("{:.0} % of {} ({of})", self.value / limit * 100.0, grouped(*limit as u64))
        });
        let goal = match self.goal {
            None => String::new(),
            Some(Goal::AtMost(most)) => format!("at most {most}"),
            Some(Goal::Share(least)) => format!("at least {:.0} %", least * 100.0),
        };
        let goal = if self.reached() { goal } else { format!("{goal}: missed") };
        let value = match self.value {
            v if v < 10.0 => format!("{v:.2}"),
            v if v < 1000.0 => format!("{v:.1}"),
            v => grouped(v as u64),
        };
        vec![self.name.clone(), value, self.unit.clone(), limit, goal]
    }

    /// What another process measured and gave as JSON.
    pub fn parse(said: &Value) -> Option<Figure> {
        let limit = said["limit"].as_f64().zip(said["limit_of"].as_str()).map(|(limit, of)| (limit, of.to_string()));
        let goal = (said["goal"]["at_most"].as_f64().map(Goal::AtMost))
            .or(said["goal"]["at_least_share"].as_f64().map(Goal::Share));
        let (name, unit) = (said["name"].as_str()?.to_string(), said["unit"].as_str()?.to_string());
        Some(Figure { name, value: said["value"].as_f64()?, unit, limit, goal })
    }

    pub fn json(&self) -> Value {
        let goal = match self.goal {
            None => Value::Null,
            Some(Goal::AtMost(most)) => json!({"at_most": most}),
            Some(Goal::Share(least)) => json!({"at_least_share": least}),
        };
        json!({
            "name": self.name, "value": self.value, "unit": self.unit, "limit": self.limit.as_ref().map(|l| l.0),
            "limit_of": self.limit.as_ref().map(|l| &l.1), "goal": goal, "reached": self.reached(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals() {
        let figure = Figure::new("appends", 71.0, "events/s").of(100.0, "signing alone");
        assert!(figure.clone().goal(Goal::Share(0.71)).reached());
        assert!(!figure.clone().goal(Goal::Share(0.72)).reached());
        assert!(figure.clone().goal(Goal::AtMost(71.0)).reached());
        for goal in [Goal::AtMost(2.5), Goal::Share(0.85)] {
            let figure = figure.clone().goal(goal);
            assert_eq!(Figure::parse(&figure.json()), Some(figure));
        }
        let missed = figure.goal(Goal::AtMost(70.9));
        assert!(!missed.reached() && missed.row()[4].contains("missed") && missed.json()["reached"] == false);
        assert_eq!(missed.row()[3], "71 % of 100 (signing alone)");
    }
}
