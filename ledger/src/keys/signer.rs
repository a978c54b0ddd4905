//! Private keys that sign: OpenSSH ed25519 files, read and written, or a key in an agent.
//!
//! Keys are the files that `ssh-keygen -t ed25519` makes, plain or encrypted.

use crate::error::LedgerError;
use crate::keys::agent::Agent;
use crate::keys::bulk_sign::sign_all;
use crate::keys::public::{KeyId, PublicKey};
use ed25519_dalek::{Signer as _, SigningKey};
use ssh_key::private::{Ed25519Keypair, KeypairData, PrivateKey};
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where a private key is.
#[derive(Clone)]
enum Secret {
    /// Here; wiped when dropped.
    Own(Box<SigningKey>),
    /// In an agent.
    Agent(Box<Agent>),
}

/// A private key that can sign. Never printed.
#[derive(Clone)]
pub struct Signer {
    secret: Secret,
    public: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.id())
    }
}

/// Asks for the passphrase of a key file; `None` when there is nobody to ask.
pub type AskPassphrase<'a> = &'a dyn Fn(&Path) -> Option<String>;

impl Signer {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Signer, LedgerError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| LedgerError::Malformed { what: "randomness", why: e.to_string() })?;
        Ok(Signer::from_seed(seed))
    }

    /// The key of a 32-byte seed.
    pub fn from_seed(seed: [u8; 32]) -> Signer {
        let key = SigningKey::from_bytes(&seed);
        Signer { public: PublicKey::of(key.verifying_key()), secret: Secret::Own(Box::new(key)) }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        self.public.id()
    }

    /// Signs a message: 64 bytes.
    ///
    /// # Errors
    /// [`LedgerError::Key`] when the key is in an agent that is gone or refuses.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], LedgerError> {
        match &self.secret {
            Secret::Own(key) => Ok(key.sign(message).to_bytes()),
            Secret::Agent(agent) => agent.sign(message),
        }
    }

    /// Signs messages, as [`Signer::sign`] does each.
    ///
    /// # Errors
    /// As there.
    pub fn sign_all<M: AsRef<[u8]>>(&self, messages: &[M]) -> Result<Vec<[u8; 64]>, LedgerError> {
        match &self.secret {
            Secret::Own(key) => Ok(sign_all(key, messages)),
            Secret::Agent(agent) => messages.iter().map(|m| agent.sign(m.as_ref())).collect(),
        }
    }

    /// Reads an OpenSSH private key file. The file must be regular, owned by the user and closed
    /// to others, as ssh wants it. An encrypted key that the ssh agent holds is used there; for any
    /// other `ask` is asked.
    ///
    /// # Errors
    /// [`LedgerError::Key`] for a wrong file, type, mode or passphrase; [`LedgerError::Passphrase`]
    /// when it is encrypted and `ask` has no answer. The secret is never part of an error.
    pub fn read(path: &Path, ask: AskPassphrase<'_>) -> Result<Signer, LedgerError> {
        let bad = |what: String| LedgerError::Key { path: path.to_path_buf(), what };
        check_private_file(path).map_err(&bad)?;
        let text = std::fs::read_to_string(path).map_err(LedgerError::io("read", path))?;
        let mut key = PrivateKey::from_openssh(&text).map_err(|_| bad("it is not an OpenSSH private key".into()))?;
        if key.is_encrypted() {
            let public = key.public_key().key_data().ed25519().and_then(|k| PublicKey::from_bytes(&k.0));
            if let Some((public, agent)) = public.and_then(|p| Some((p, Agent::of_environment(&p)?))) {
                return Ok(Signer { secret: Secret::Agent(Box::new(agent)), public });
            }
            let passphrase = ask(path).ok_or_else(|| LedgerError::Passphrase { path: path.to_path_buf() })?;
            key = key.decrypt(passphrase).map_err(|_| bad("the passphrase is wrong".into()))?;
        }
        let algorithm = key.algorithm().to_string();
        let pair =
            key.key_data().ed25519().ok_or_else(|| bad(format!("it is {algorithm}; only ssh-ed25519 signs here")))?;
        Ok(Signer::from_seed(pair.private.to_bytes()))
    }

    /// Writes the key as an OpenSSH file (mode 0600, encrypted if a passphrase is given) and its
    /// public half beside it as `.pub`. Never overwrites.
    ///
    /// # Errors
    /// [`LedgerError::Io`] when a file exists already or cannot be written.
    pub fn write(&self, path: &Path, comment: &str, passphrase: Option<&str>) -> Result<(), LedgerError> {
        let bad = |e: ssh_key::Error| LedgerError::Key { path: path.to_path_buf(), what: e.to_string() };
        let Secret::Own(own) = &self.secret else {
            return Err(LedgerError::Key { path: path.into(), what: "its secret is in an agent".into() });
        };
        let pair = Ed25519Keypair::from_seed(own.as_bytes());
        let mut key = PrivateKey::new(KeypairData::from(pair), comment).map_err(bad)?;
        if let Some(passphrase) = passphrase {
            let mut rng = getrandom::SysRng;
            key = key.encrypt(&mut rng, passphrase).map_err(bad)?;
        }
        let text = key.to_openssh(ssh_key::LineEnding::LF).map_err(bad)?;
        let public = public_path(path);
        write_new(&public, 0o644, format!("{} {comment}\n", self.public().to_openssh()).as_bytes())?;
        write_new(path, 0o600, text.as_bytes()).inspect_err(|_| {
            // Half a pair is of no use to anybody, and was made just now.
            let _ = std::fs::remove_file(&public);
        })
    }
}

/// Where the public half of a key file stands, as `ssh-keygen` has it: the same name with `.pub`.
pub fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), LedgerError> {
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(mode).open(path).map_err(LedgerError::io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| {
        // Made just now, and no key: it would be in the way of the next try.
        let _ = std::fs::remove_file(path);
        LedgerError::io("write", path)(e)
    })
}

fn check_private_file(path: &Path) -> Result<(), String> {
    let meta = std::fs::symlink_metadata(path).map_err(|e| format!("cannot be read: {e}"))?;
    if meta.file_type().is_symlink() {
        return Err("it is a symbolic link; name the file itself".into());
    }
    if !meta.is_file() {
        return Err("it is not a file".into());
    }
    if std::fs::read(path).is_ok_and(|text| text.starts_with(b"ssh-")) {
        return Err("it is a public key; name the private one, which stands beside it without .pub".into());
    }
    if meta.mode() & 0o077 != 0 {
        return Err(format!("its mode is {:04o}, open to others; run `chmod 600` on it", meta.mode() & 0o7777));
    }
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Err(format!("it belongs to user {}, not to you ({me})", meta.uid()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// K-01, K-02, K-03: modes, missing and wrong passphrases, directories, links.
    #[test]
    fn k01_to_k03_key_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let signer = Signer::from_seed([5; 32]);
        signer.write(&path, "me", Some("secret words")).unwrap();
        let read = Signer::read(&path, &|_| Some("secret words".into())).unwrap();
        assert_eq!(read.id(), signer.id());
        assert!(matches!(Signer::read(&path, &|_| None), Err(LedgerError::Passphrase { .. })));
        let wrong = Signer::read(&path, &|_| Some("no".into())).unwrap_err().to_string();
        assert!(wrong.contains("passphrase is wrong") && !wrong.contains("secret"));
        assert!(signer.write(&path, "me", None).is_err(), "never overwrites");
        for mode in [0o644, 0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let said = Signer::read(&path, &|_| None).unwrap_err().to_string();
            assert!(said.contains("chmod 600"), "{mode:o}: {said}");
        }
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            let said = Signer::read(&path, &|_| None).unwrap_err().to_string();
            assert!(said.contains("belongs to user 65534"), "{said}");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Signer::read(&link, &|_| None).unwrap_err().to_string().contains("symbolic link"));
        assert!(Signer::read(dir.path(), &|_| None).unwrap_err().to_string().contains("not a file"));
        let missing = Signer::read(&dir.path().join("none"), &|_| None).unwrap_err();
        assert!(missing.to_string().contains("none"), "{missing}");
        // A key of another algorithm.
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";
        assert!(ecdsa.parse::<PublicKey>().unwrap_err().to_string().contains("malformed public key"));
        std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap();
        assert!(Signer::read(&path, &|_| None).unwrap_err().to_string().contains("not an OpenSSH"));
    }
}
