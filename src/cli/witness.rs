//! `assay witness`

use super::Context;
use super::output::{print_bytes, print_json, say};
use super::serve::serve;
use assay_lab::LabError;
use assay_lab::place::read_bytes;
use assay_lab::witness::{Service, Witnessing, cosign};
use serde_json::json;
use std::path::PathBuf;

/// Bytes of a proof at most.
const PROOF_LIMIT: usize = 1 << 20;

/// Witness other people's ledgers: cosign checkpoints, sign seeds
///
/// A witness needs no lab: a key of its own, which should serve no other purpose, and a folder in which
/// it remembers.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Cosign an exported ledger's checkpoint, if it continues the last one seen
    ///
    /// A rollback or a fork is refused, and both signed notes are kept in the memory as evidence. The
    /// cosigned checkpoint is printed; the log's owner puts it beside the ledger with
    /// `assay ledger attach`.
    ///
    /// Example: assay witness cosign /srv/audit/lab --vkey "$(cat log.vkey)" --key witness --name w.example/ana --memory seen
    Cosign {
        /// The exported folder
        export: PathBuf,
        /// The log's verifier key
        #[arg(long)]
        vkey: String,
        #[command(flatten)]
        own: Own,
        /// The size that the witness saw last, as you believe; refused when it is another
        #[arg(long)]
        old: Option<u64>,
    },
    /// Sign the seed of a study, for an opening under a checkpoint that this witness cosigned
    ///
    /// The proof is what `assay prove` prints for the study's opening. The same opening always gets the
    /// same answer, so nobody can ask until a seed pleases.
    ///
    /// Example: assay witness seed 17.tlog-proof --vkey "$(cat log.vkey)" --key witness --name w.example/ana --memory seen
    Seed {
        /// The opening's proof
        proof: PathBuf,
        /// The log's verifier key
        #[arg(long)]
        vkey: String,
        #[command(flatten)]
        own: Own,
    },
    /// Answer requests over HTTP: C2SP tlog-witness, and seeds
    ///
    /// `POST /add-checkpoint` is C2SP tlog-witness; `POST /study-seed` takes a `.tlog-proof` and gives
    /// what `assay witness seed` does. It speaks plain HTTP to whoever can reach it: put a proxy with
    /// TLS before it where that is the world.
    ///
    /// Example: assay witness serve --listen 127.0.0.1:8042 --log "$(cat log.vkey)" --key witness --name w.example/ana --memory seen
    Serve {
        /// Address and port
        #[arg(long, default_value = "127.0.0.1:8042")]
        listen: String,
        /// The verifier key of a log that it knows; repeat for several
        #[arg(long = "log", required = true, value_name = "VKEY")]
        logs: Vec<String>,
        #[command(flatten)]
        own: Own,
    },
}

/// Who the witness is.
#[derive(Debug, clap::Args)]
pub struct Own {
    /// The witness's private key
    #[arg(long)]
    key: PathBuf,
    /// The witness's name, such as a domain and path
    #[arg(long)]
    name: String,
    /// Where the witness remembers
    #[arg(long)]
    memory: PathBuf,
}

impl Own {
    fn service(&self, cx: &Context, logs: &[String]) -> Result<Service, LabError> {
        Service::new(&self.name, &self.key, &self.memory, logs, &cx.session)
    }
}

pub fn run(cx: &Context, args: Args) -> Result<(), LabError> {
    match args {
        Args::Cosign { export, vkey, own, old } => {
            let by = Witnessing { vkey: &vkey, key: &own.key, name: &own.name, memory: &own.memory, old };
            let (cosigned, checkpoint, witness) = cosign(&export, &by, &cx.session)?;
            say(&format!("{} at size {} cosigned by {witness}", checkpoint.origin, checkpoint.size));
            if cx.json {
                print_json(&json!({"origin": checkpoint.origin, "size": checkpoint.size,
                    "witness": witness.to_string(), "checkpoint": String::from_utf8_lossy(&cosigned)}));
                return Ok(());
            }
            print_bytes(&cosigned)
        }
        Args::Seed { proof, vkey, own } => {
            let answer = own.service(cx, &[vkey])?.study_seed(&read_bytes(&proof, PROOF_LIMIT)?);
            match answer.status {
                200 => print_bytes(answer.body.as_bytes()),
                _ => Err(LabError::Verification(answer.body.trim_end().into())),
            }
        }
        Args::Serve { listen, logs, own } => {
            let service = own.service(cx, &logs)?;
            say(&format!("witness {}", service.witness()?));
            serve(&listen, service, &cx.session.stop)
        }
    }
}
