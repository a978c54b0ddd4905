//! Words of the system and of the argument parser, as people write them.

use super::output::{say, styled};
use assay_lab::{Kind, LabError};

/// What they say, and what it means.
const SAID: [(&str, &str); 13] = [
    ("No such file or directory (os error 2)", "there is no such file or folder"),
    ("No such file or directory", "there is no such file or folder"),
    ("Not a directory (os error 20)", "a part of that path is a file, not a folder"),
    ("Is a directory (os error 21)", "it is a folder"),
    ("File exists (os error 17)", "something of that name is there already"),
    ("Permission denied (os error 13)", "this user may not"),
    ("Read-only file system (os error 30)", "that file system is read-only"),
    ("No space left on device (os error 28)", "that disk is full"),
    ("Connection refused (os error 111)", "nothing listens there"),
    ("invalid digit found in string", "it is not a whole number"),
    ("cannot parse integer from empty string", "it is not a whole number"),
    ("number too large to fit in target type", "it is too large"),
    ("invalid float literal", "it is not a number"),
];

/// The same in plain words.
pub fn plainly(text: &str) -> String {
    // libgit2 ends with numbers of its own.
    let text = text.split("; class=").next().unwrap_or(text);
    SAID.iter().fold(text.to_string(), |text, (said, means)| text.replace(said, means))
}

/// A reason that somebody gave: it is recorded for ever, and nobody learns anything from an empty one.
pub fn reason(text: &str) -> Result<String, LabError> {
    let text = text.trim();
    if text.is_empty() { Err(LabError::could_not("say why, in a few words")) } else { Ok(text.into()) }
}

/// The error for programs: one object on stderr.
pub fn tell_json(e: &LabError, code: u8) {
    let problems: Vec<String> = match e {
        LabError::Strategy { name, text, problems } => problems.iter().map(|d| d.render(name, text)).collect(),
        _ => Vec::new(),
    };
    let kind = match e.kind() {
        Kind::Verification => "verification",
        Kind::Usage => "usage",
        Kind::CouldNot => "could-not",
        Kind::Refused => "refused",
        Kind::Stopped => "stopped",
    };
    let message = plainly(&e.to_string());
    let error = serde_json::json!({
        "kind": kind, "exit_code": code, "message": message, "hint": e.hint(), "problems": problems,
    });
    say(&serde_json::json!({ "error": error }).to_string());
}

/// The error for people.
pub fn tell(e: &LabError) {
    if let LabError::Strategy { name, text, problems } = e {
        say(&problems.iter().map(|d| d.render(name, text)).collect::<Vec<_>>().join("\n\n"));
    }
    styled("error", "1;31", &plainly(&e.to_string()));
    if let Some(hint) = e.hint() {
        styled("hint", "36", &hint);
    }
}

/// What the argument parser says; whether it reached whoever reads.
pub fn tell_usage(e: &clap::Error) -> bool {
    let said = e.render().to_string();
    let plain = plainly(&said);
    if plain != said {
        say(plain.trim_end());
        return true;
    }
    e.print().map_or_else(|e| e.kind() == std::io::ErrorKind::BrokenPipe, |()| true)
}

/// The same for programs.
pub fn tell_usage_json(e: &clap::Error) -> bool {
    let said = plainly(&e.render().to_string());
    let message = said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
    let rest: Vec<&str> = said.lines().skip(1).map(str::trim).filter(|l| !l.is_empty()).collect();
    tell_json(&LabError::Usage { message, hint: Some(rest.join("\n")) }, 2);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_words() {
        let e = std::io::Error::from_raw_os_error(2);
        assert_eq!(plainly(&format!("cannot read x: {e}")), "cannot read x: there is no such file or folder");
        assert_eq!(plainly(&"x".parse::<u8>().unwrap_err().to_string()), "it is not a whole number");
        assert_eq!(plainly(&"999".parse::<u8>().unwrap_err().to_string()), "it is too large");
        assert!(reason(" \t").is_err() && reason(" sold ").is_ok_and(|why| why == "sold"));
    }
}
