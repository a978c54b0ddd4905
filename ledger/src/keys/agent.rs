//! Signing through `ssh-agent`: the private key stays there.
//!
//! Source: draft-ietf-sshm-ssh-agent, messages 11 to 14. Answers are bounded, and nobody waits for
//! an agent that says nothing.

use crate::error::LedgerError;
use crate::keys::public::PublicKey;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIST: u8 = 11;
const KEYS: u8 = 12;
const SIGN: u8 = 13;
const SIGNED: u8 = 14;
const MAX_ANSWER: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// An agent that holds a key.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
    key: PublicKey,
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (out, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    *bytes = rest;
    Some(out)
}

impl Agent {
    /// The agent at a socket, if it holds the key.
    pub fn holding(socket: &Path, key: &PublicKey) -> Option<Agent> {
        let agent = Agent { socket: socket.into(), key: *key };
        let answer = agent.ask(LIST, &[], KEYS).ok()?;
        let (count, mut rest) = answer.split_first_chunk::<4>()?;
        for _ in 0..u32::from_be_bytes(*count) {
            if take(&mut rest)? == key.wire() {
                return Some(agent);
            }
            take(&mut rest)?;
        }
        None
    }

    /// The agent of the environment (`SSH_AUTH_SOCK`), if it holds the key.
    pub fn of_environment(key: &PublicKey) -> Option<Agent> {
        Agent::holding(Path::new(&std::env::var_os("SSH_AUTH_SOCK")?), key)
    }

    /// Signs a message; what comes back is verified.
    ///
    /// # Errors
    /// [`LedgerError::Key`] when the agent is gone, refuses, or answers with something else.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], LedgerError> {
        let mut request = Vec::new();
        string(&mut request, &self.key.wire());
        string(&mut request, message);
        request.extend_from_slice(&[0; 4]);
        let answer = self.ask(SIGN, &request, SIGNED)?;
        let mut blob = take(&mut &answer[..]).unwrap_or_default();
        let signature: Option<[u8; 64]> = match (take(&mut blob), take(&mut blob)) {
            (Some(b"ssh-ed25519"), Some(signature)) => signature.try_into().ok(),
            _ => None,
        };
        let signature = signature.ok_or_else(|| self.fail("it answered with no ed25519 signature"))?;
        self.key.verify_strict(message, &signature).map_err(|_| self.fail("its signature is not by the key"))?;
        Ok(signature)
    }

    fn fail(&self, what: impl std::fmt::Display) -> LedgerError {
        LedgerError::Key { path: self.socket.clone(), what: format!("the ssh agent: {what}") }
    }

    fn ask(&self, kind: u8, body: &[u8], wanted: u8) -> Result<Vec<u8>, LedgerError> {
        let exchange = || {
            let mut stream = UnixStream::connect(&self.socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let mut message = (body.len() as u32 + 1).to_be_bytes().to_vec();
            message.push(kind);
            message.extend_from_slice(body);
            stream.write_all(&message)?;
            let mut len = [0; 4];
            stream.read_exact(&mut len)?;
            let len = u32::from_be_bytes(len) as usize;
            if len == 0 || len > MAX_ANSWER {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            let mut answer = vec![0; len];
            stream.read_exact(&mut answer)?;
            Ok(answer)
        };
        let answer = exchange().map_err(|e: std::io::Error| self.fail(e))?;
        match answer.split_first() {
            Some((kind, rest)) if *kind == wanted => Ok(rest.to_vec()),
            _ => Err(self.fail("it refused")),
        }
    }
}
