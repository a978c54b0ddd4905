//! The hooks of a deploy repository: written, and looked over. A gate is only as good as the
//! hooks that git really runs, and git runs none without a word when their folder has moved.

use crate::error::LabError;
use crate::folder::absolute;
use crate::place::free;
use assay_production::repository::Repo;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const HOOKS: [(&str, &str); 3] = [
    ("pre-receive", include_str!("../../hooks/pre-receive")),
    ("reference-transaction", include_str!("../../hooks/reference-transaction")),
    ("post-receive", include_str!("../../hooks/post-receive")),
];

/// A word of a shell script, whatever it holds.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Writes the hooks of a bare repository, with this program, the gate's folder and its branch in them, and
/// gives their folder. Hooks of somebody else's are not written over, unless it is forced.
pub(crate) fn write(repo: &Path, gate: &Path, deploy: &str, force: bool) -> Result<PathBuf, LabError> {
    let hooks = Path::new(&absolute(repo)).join("hooks");
    let ours = |file: &Path| std::fs::read_to_string(file).is_ok_and(|t| t.contains("\" hook ") && t.contains("assay"));
    for (name, _) in HOOKS {
        free(&hooks.join(name), force, "is a hook of your own", ours)?;
    }
    std::fs::create_dir_all(&hooks).map_err(LabError::io("create", &hooks))?;
    let program = std::env::current_exe().map_err(LabError::io("find", Path::new("assay")))?;
    let (program, gate) = (quoted(&program.to_string_lossy()), quoted(&gate.to_string_lossy()));
    for (name, text) in HOOKS {
        let file = hooks.join(name);
        let text = text.replace("@ASSAY@", &program).replace("@GATE@", &gate).replace("@DEPLOY@", deploy);
        // Whole and runnable before it has its name: git passes over a hook that may not be run.
        let temp = hooks.join(format!("{name}.assay"));
        std::fs::write(&temp, text)
            .and_then(|()| std::fs::set_permissions(&temp, std::fs::Permissions::from_mode(0o755)))
            .and_then(|()| std::fs::rename(&temp, &file))
            .map_err(LabError::io("write", &file))?;
    }
    Ok(hooks)
}

/// Whether git runs the hooks of a deploy repository, and they ask the gate that stands in it.
///
/// # Errors
/// [`LabError::CouldNot`] with what is wrong and the way out.
pub fn check(repo: &Path) -> Result<(), LabError> {
    let wrong = |what: String| LabError::CouldNot {
        message: format!("the hooks of {} are not in force: {what}", repo.display()),
        hint: Some(format!("set them up for this place with `assay hook install --repo {}`", repo.display())),
    };
    let hooks = repo.join("hooks");
    let configured = Repo::open(repo)?.setting("core.hooksPath").map_or_else(|| hooks.clone(), PathBuf::from);
    if !same(&configured, &hooks) {
        return Err(wrong(format!("git looks for them in '{}'", configured.display())));
    }
    HOOKS.iter().try_for_each(|(name, _)| examine(&hooks.join(name), &repo.join("assay"))).map_err(wrong)
}

fn examine(file: &Path, gate: &Path) -> Result<(), String> {
    let at = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| format!("{at} cannot be read: {e}"))?;
    if !runnable(file) {
        return Err(format!("{at} may not be run"));
    }
    let after = |mark: &str| text.split_once(mark).and_then(|(_, rest)| rest.lines().next()).map(unquoted);
    let program = after("\nassay=").unwrap_or_default();
    if !runnable(Path::new(&program)) {
        return Err(format!("{at} runs '{program}', which is no program here"));
    }
    let named = after("--gate ").unwrap_or_default();
    if !same(Path::new(&named), gate) {
        return Err(format!("{at} asks the gate in '{named}'"));
    }
    Ok(())
}

/// The word at the end of a line, as [`quoted`] or plain double quotes made it.
fn unquoted(word: &str) -> String {
    word.trim().trim_matches(['\'', '"']).replace(r"'\''", "'")
}

fn runnable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Whether two paths are one place that is there.
fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a folder is called, the hook reads the same name and runs nothing of it.
    #[test]
    fn names_survive_the_shell() {
        for name in ["plain", "with space", "it's", "$(touch x)", "a\"b", "`id`", "back\\slash"] {
            let script = format!("printf %s {}", quoted(name));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), name);
            assert_eq!(unquoted(&quoted(name)), name);
        }
    }
}
