//! Files to begin with, written with comments.

use crate::error::LabError;
use crate::study::{parse_strategy, parse_study};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const STRATEGY: &str = include_str!("begin/strategy.toml");
/// A study file in which every setting is the default, with what it means.
pub const STUDY: &str = include_str!("begin/study.toml");

/// What the templates say where a name is wanted.
const NAME: &str = "NAME";

/// Writes a strategy file to begin with, on these symbols. Gives its place.
///
/// # Errors
/// A name or symbols that no strategy can have; a file that is there, or cannot be written.
pub fn strategy(name: &str, symbols: &[String], out: Option<&Path>) -> Result<PathBuf, LabError> {
    named(name)?;
    let quoted: Vec<String> = symbols.iter().map(|s| format!("{s:?}")).collect();
    let symbols = format!("symbols = [{}]", quoted.join(", "));
    let text = STRATEGY.replace(NAME, name).replace("symbols = [\"BTCUSDT\"]", &symbols);
    parse_strategy(&text, "the new strategy")?;
    write(&text, name, out)
}

/// Writes a study file to begin with. Gives its place.
///
/// # Errors
/// A name that no study can have; a file that is there, or cannot be written.
pub fn study(name: &str, out: Option<&Path>) -> Result<PathBuf, LabError> {
    named(name)?;
    let quoted = serde_json::to_string(name).unwrap_or_default();
    let text = STUDY.replace(&format!("{NAME:?}"), &quoted);
    parse_study(&text, "the new study")?;
    write(&text, name, out)
}

fn named(name: &str) -> Result<(), LabError> {
    if name.trim().is_empty() {
        return Err(LabError::usage("it needs a name", "write one, such as mine"));
    }
    if let Some(plain) = name.strip_suffix(".toml") {
        let what = format!("'{name}' is the name of a file: the study or strategy in it needs one of its own");
        return Err(LabError::usage(
            what,
            format!("write {plain}, and --out FILE where the file is to be another one"),
        ));
    }
    Ok(())
}

fn write(text: &str, name: &str, out: Option<&Path>) -> Result<PathBuf, LabError> {
    let unfit = |c: char| !(c.is_alphanumeric() || "-_.".contains(c));
    let named = PathBuf::from(format!("{}.toml", name.replace(unfit, "-").trim_start_matches(['.', '-'])));
    let path = out.map_or(named, Path::to_path_buf);
    let taken = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            LabError::usage(format!("{} is there already", path.display()), "name another place with --out")
        }
        _ => LabError::io("create", &path)(e),
    };
    let mut file = std::fs::File::create_new(&path).map_err(taken)?;
    file.write_all(text.as_bytes()).map_err(LabError::io("write", &path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::warnings;

    /// A strategy to begin with has nothing to be warned of, and a study says what one of two lines means anyway.
    #[test]
    fn what_is_written_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = strategy("mine", &["ETHUSDT".into(), "BTCUSDT".into()], Some(&dir.path().join("s.toml"))).unwrap();
        let read = crate::study::read_strategy(&path).unwrap();
        assert_eq!((read.file.name.as_str(), read.file.symbols.len()), ("mine", 2));
        assert!(warnings(&path, &read).unwrap().iter().all(|w| w.starts_with("note")), "notes, and nothing to mend");
        let again = strategy("mine", &["BTCUSDT".into()], Some(&path)).unwrap_err().to_string();
        assert!(again.contains("is there already"), "{again}");

        let path = study("first look", Some(&dir.path().join("t.toml"))).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let (said, short) = (parse_study(&text, "a").unwrap(), parse_study("name = \"first look\"", "b").unwrap());
        assert_eq!(said, short, "every line of it is a default");
        // And what is said of other choices reads too.
        let other = text.replace("# drawdown", "drawdown");
        assert_ne!(parse_study(&other, "c").unwrap(), said);
        assert!(study("two\nlines", Some(&dir.path().join("u.toml"))).is_err());
        assert!(strategy("x\"y", &[], Some(&dir.path().join("v.toml"))).is_err());
    }
}
