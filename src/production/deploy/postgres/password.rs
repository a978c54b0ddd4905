//! A password that an address does not hold, as libpq finds it: `PGPASSWORD`, then a file of passwords.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The password of an address that says none.
pub(super) fn find(config: &Config) -> Option<String> {
    std::env::var("PGPASSWORD").ok().filter(|p| !p.is_empty()).or_else(|| of_file(&file()?, config))
}

fn file() -> Option<PathBuf> {
    let named = std::env::var_os("PGPASSFILE").filter(|f| !f.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass")))
}

/// The first line that fits. A file that others may read is not believed, as libpq does not.
fn of_file(path: &Path, config: &Config) -> Option<String> {
    let private = std::fs::metadata(path).ok()?.permissions().mode() & 0o077 == 0;
    let text = std::fs::read_to_string(path).ok().filter(|_| private)?;
    let host = match config.get_hosts().first() {
        // Of a socket in the server's usual folder libpq asks for localhost.
        None => "localhost".into(),
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(dir)) if dir == Path::new("/var/run/postgresql") || dir == Path::new("/tmp") => {
            "localhost".into()
        }
        Some(Host::Unix(dir)) => dir.display().to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let wanted = [host.as_str(), &port, config.get_dbname().unwrap_or(user), user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| of_line(line, &wanted))
}

/// The password of a line `host:port:database:user:password`, where the others fit; `*` fits everything, and a backslash
/// keeps the character after it.
fn of_line(line: &str, wanted: &[&str; 4]) -> Option<String> {
    let mut fields = vec![String::new()];
    let mut bare = vec![true];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '\\' => {
                fields[last].extend(chars.next());
                bare[last] = false;
            }
            ':' if last < 4 => {
                fields.push(String::new());
                bare.push(true);
            }
            c => fields[last].push(c),
        }
    }
    let fits = |(k, want): (usize, &&str)| fields.get(k).is_some_and(|f| f == want || (f == "*" && bare[k]));
    let all = fields.len() == 5 && wanted.iter().enumerate().all(fits);
    fields.pop().filter(|_| all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_libpq_finds_it() {
        let wanted = ["db.example", "5432", "trading", "writer"];
        for (line, found) in [
            ("db.example:5432:trading:writer:s3cret", Some("s3cret")),
            ("*:*:*:*:any", Some("any")),
            (r"db.example:*:trading:writer:a\:b\\c:d", Some(r"a:b\c:d")),
            (r"\*:*:*:*:no", None),
            ("db.example:5433:trading:writer:no", None),
            ("db.example:5432:trading:writer", None),
            ("", None),
        ] {
            assert_eq!(of_line(line, &wanted).as_deref(), found, "{line}");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        std::fs::write(&path, "# a word\nother:*:*:*:x\nlocalhost:5432:u:u:own\n*:5433:*:*:far\n").unwrap();
        let of = |url: &str| of_file(&path, &url.parse().unwrap());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(of("postgres://u@localhost").as_deref(), Some("own"));
        assert_eq!(of("postgres://u@%2Ftmp/u").as_deref(), Some("own"));
        assert_eq!(of("postgres://w@h:5433/d").as_deref(), Some("far"));
        assert_eq!(of("postgres://w@h/d"), None);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(of("postgres://u@localhost"), None, "others may read it");
    }
}
