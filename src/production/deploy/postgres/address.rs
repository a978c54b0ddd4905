//! An address as libpq reads it: what it says of encryption is taken out, the rest is the driver's.

use std::path::PathBuf;

/// How a connection is encrypted; libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// Never.
    Disable,
    /// Only where the server insists.
    Allow,
    /// Where the server can.
    Prefer,
    /// Always, whoever the server is (verified where a root certificate is named).
    Require,
    /// Always, with a server whose certificate comes from the roots.
    VerifyCa,
    /// And that is for the host that was asked for.
    VerifyFull,
}

/// Whose certificates are believed; libpq's `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// `~/.postgresql/root.crt`, where there is one.
    Default,
    /// The machine's.
    System,
    /// Those of a file.
    File(PathBuf),
}

/// An address apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Without what is said of encryption.
    pub rest: String,
    pub mode: SslMode,
    pub roots: Roots,
}

impl Address {
    /// Takes an address `postgres://…?sslmode=…&sslrootcert=…` apart.
    ///
    /// # Errors
    /// Words about a mode that there is not, or a setting that is not supported.
    pub(super) fn parse(url: &str) -> Result<Address, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut kept) = (None, Roots::Default, Vec::new());
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match key {
                "sslmode" => mode = Some(mode_of(&value)?),
                "sslrootcert" if value == "system" => roots = Roots::System,
                "sslrootcert" => roots = Roots::File(value.into()),
                "sslcert" | "sslkey" | "sslcrl" | "sslpassword" => {
                    return Err(format!("{key} is not supported: the server knows this program by its password"));
                }
                _ => kept.push(pair),
            }
        }
        let mode = match (mode, &roots) {
            // The machine's roots vouch for half the world: only with the host's name do they say anything.
            (None | Some(SslMode::VerifyFull), Roots::System) => SslMode::VerifyFull,
            (Some(_), Roots::System) => return Err("sslrootcert=system needs sslmode=verify-full".into()),
            (mode, _) => mode.unwrap_or(SslMode::Prefer),
        };
        let rest = if kept.is_empty() { base.into() } else { format!("{base}?{}", kept.join("&")) };
        Ok(Address { rest, mode, roots })
    }
}

fn mode_of(word: &str) -> Result<SslMode, String> {
    Ok(match word {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => {
            return Err(format!("sslmode={word} is none of disable, allow, prefer, require, verify-ca, verify-full"));
        }
    })
}

/// `%2F` and the like.
fn decoded(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        let hex = more.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &more[2..];
            }
            _ => out.push(*first),
        }
    }
    String::from_utf8(out).map_err(|_| format!("'{text}' is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_libpq_reads_it() {
        let of = |url: &str| Address::parse(url).map(|a| (a.rest, a.mode, a.roots));
        let plain = "postgres://u@h/d";
        assert_eq!(of(plain), Ok((plain.into(), SslMode::Prefer, Roots::Default)));
        let full = "postgres://u@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fetc%2Froot.crt";
        let file = Roots::File("/etc/root.crt".into());
        assert_eq!(of(full), Ok((format!("{plain}?connect_timeout=3"), SslMode::VerifyFull, file)));
        let system = "postgres://u@h/d?sslrootcert=system";
        assert_eq!(of(system), Ok((plain.into(), SslMode::VerifyFull, Roots::System)));
        for (bad, why) in [
            ("?sslmode=on", "is none of"),
            ("?sslmode=require&sslrootcert=system", "needs sslmode=verify-full"),
            ("?sslkey=a", "not supported"),
        ] {
            assert!(of(&format!("{plain}{bad}")).unwrap_err().contains(why), "{bad}");
        }
    }
}
