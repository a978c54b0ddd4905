//! What may stand once in a log beside its keys: the names of its studies. Asked at the moment of
//! recording, under the ledger's lock, so that two processes cannot both be told yes.

use super::Event;
use assay_ledger::Entry;
use std::collections::BTreeMap;

/// An event that would clash with one that is recorded already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// A study of that name was opened already, and is another one.
    #[error(
        "there is a study named '{name}' already, and it is another one: of another strategy, other settings, other data or another program"
    )]
    StudyName {
        /// The name.
        name: String,
    },
}

impl Clash {
    /// What to do instead.
    pub fn hint(&self) -> String {
        match self {
            Clash::StudyName { name } => {
                format!(
                    "run this one as another study with --name; the one that is there goes on as it was opened: `assay study resume \
                     '{name}'` where it was stopped, `assay study extend '{name}' --trials N` where it is complete"
                )
            }
        }
    }
}

/// What a log has recorded so far, as far as it binds what comes next.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    studies: BTreeMap<String, [u8; 16]>,
}

impl Recorded {
    /// What was read together before.
    pub fn of(studies: Vec<(String, [u8; 16])>) -> Recorded {
        Recorded { studies: studies.into_iter().collect() }
    }

    /// The names of studies, and which they stand for.
    pub fn studies(&self) -> impl Iterator<Item = (&str, [u8; 16])> {
        self.studies.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// Takes an entry in. What cannot be read binds nothing.
    pub fn observe(&mut self, entry: &Entry) {
        if entry.kind() == "StudyOpened"
            && let Ok(event) = Event::of(entry)
            && let Some((name, id)) = opened(&event)
        {
            self.studies.entry(name.into()).or_insert(id);
        }
    }

    /// Whether events could be recorded next, in this order. The very same study again is fine: it
    /// stands once, whoever was first.
    ///
    /// # Errors
    /// The first clash.
    pub fn would_admit(&self, events: &[Event]) -> Result<(), Clash> {
        let mut new: BTreeMap<&str, [u8; 16]> = BTreeMap::new();
        for (name, id) in events.iter().filter_map(opened) {
            let standing = self.studies.get(name).or_else(|| new.get(name));
            if standing.is_some_and(|standing| *standing != id) {
                return Err(Clash::StudyName { name: name.into() });
            }
            new.insert(name, id);
        }
        Ok(())
    }
}

fn opened(event: &Event) -> Option<(&str, [u8; 16])> {
    match event {
        Event::StudyOpened(e) => Some((&e.name, e.study_id)),
        Event::StudyOpenedV2(e) => Some((&e.name, e.study_id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::samples;

    /// A name stands for one study: another of that name clashes, the very same one does not.
    #[test]
    fn names_of_studies() {
        let opened = |id: u8, name: &str| -> Event {
            let mut study = samples().into_iter().find(|e| e.kind() == "StudyOpened" && e.version() == 2).unwrap();
            if let Event::StudyOpenedV2(s) = &mut study {
                (s.study_id, s.name) = ([id; 16], name.into());
            }
            study
        };
        let mut recorded = Recorded::default();
        assert_eq!(recorded.would_admit(&[opened(1, "a"), opened(2, "b"), opened(1, "a")]), Ok(()));
        let clash = recorded.would_admit(&[opened(1, "a"), opened(2, "a")]).unwrap_err();
        assert!(clash.to_string().contains("'a'") && clash.hint().contains("resume 'a'"));
        recorded.studies.insert("a".into(), [1; 16]);
        assert_eq!(recorded.would_admit(&[opened(1, "a")]), Ok(()));
        assert!(recorded.would_admit(&[opened(2, "a")]).is_err());
    }
}
