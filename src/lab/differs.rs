//! A trial that was run again beside what was recorded: the same to the last bit, or the first figure that is not.

use crate::error::LabError;
use assay_ledger::Hash;
use assay_shared::event::Event;
use assay_shared::event::study::Ended::Completed;
use assay_shared::event::study::TrialFact;
use assay_shared::recount::Case;

/// That a trial is the recorded one, to the last bit; names the first figure that is not.
pub(crate) fn same(case: &Case, event: &Event) -> Result<(), LabError> {
    let Some(now) = event.trial() else { return Ok(()) };
    let number = now.number;
    let no = |what: String| LabError::Verification(format!("not reproduced: trial {number}: {what}"));
    let Some((seq, was)) = case.trials.iter().find(|(_, t)| t.number == number) else {
        return Err(no("it is not recorded".into()));
    };
    if now == *was {
        return Ok(());
    }
    Err(no(format!("{} (ledger entry {seq})", difference(was, &now))))
}

fn difference(was: &TrialFact, now: &TrialFact) -> String {
    let differ = |name: String, was: String, now: String| format!("{name} is {was} as recorded, and {now} here");
    if let Some((name, value)) = was.params.iter().find(|(name, value)| now.params.get(*name) != Some(value)) {
        let here = now.params.get(name).map_or("absent".into(), ToString::to_string);
        return differ(name.clone(), value.to_string(), here);
    }
    for (at, (a, b)) in was.folds.iter().zip(&now.folds).enumerate() {
        if a != b {
            return differ(format!("fold {}", at + 1), format!("{a:?}"), format!("{b:?}"));
        }
    }
    if let (Completed { score, metrics, .. }, Completed { score: here, metrics: there, .. }) = (&was.ended, &now.ended)
    {
        if score != here {
            return differ("the score".into(), score.to_string(), here.to_string());
        }
        if let Some((name, value)) = metrics.iter().find(|(name, value)| there.get(*name) != Some(value)) {
            let here = there.get(name).map_or("absent".into(), ToString::to_string);
            return differ(name.clone(), value.to_string(), here);
        }
    }
    if was.identity != now.identity {
        return differ("its identity".into(), Hash(was.identity).short(), Hash(now.identity).short());
    }
    differ("its end".into(), format!("{:?}", was.ended), format!("{:?}", now.ended))
}
