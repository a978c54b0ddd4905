//! Encrypted connections, as `sslmode` and `sslrootcert` mean them. The only file that knows rustls.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-ssl.html>.

use super::address::{Address, Roots, SslMode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Takes a server whose certificate comes from the roots, for whatever host; without roots, any.
#[derive(Debug)]
struct AnyHost {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let all = self.provider.signature_verification_algorithms.all;
            let cert = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(&cert, roots, intermediates, now, all)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// How the server of an address is verified.
///
/// # Errors
/// Words about roots that are missing or cannot be read.
pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let wanted = match address.mode {
        SslMode::VerifyCa | SslMode::VerifyFull => Some(roots(&address.roots)?),
        // As libpq does: a root certificate that is there is used.
        SslMode::Require if address.roots != Roots::Default || default_file().is_some_and(|f| f.exists()) => {
            Some(roots(&address.roots)?)
        }
        _ => None,
    };
    let config = match (address.mode, wanted) {
        (SslMode::VerifyFull, Some(roots)) => builder.with_root_certificates(roots).with_no_client_auth(),
        (_, roots) => {
            let verifier = Arc::new(AnyHost { roots, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn default_file() -> Option<PathBuf> {
    std::env::var_os("HOME").map(|home| Path::new(&home).join(".postgresql/root.crt"))
}

fn roots(of: &Roots) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let file = match of {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            return if store.is_empty() { Err("this machine has no root certificates".into()) } else { Ok(store) };
        }
        Roots::File(file) => file.clone(),
        Roots::Default => default_file().filter(|f| f.exists()).ok_or(
            "sslmode verifies the server, and there is no ~/.postgresql/root.crt: name sslrootcert=FILE, or \
             sslrootcert=system",
        )?,
    };
    let fail = |e: String| format!("root certificates {}: {e}", file.display());
    let mut any = false;
    for cert in CertificateDer::pem_file_iter(&file).map_err(|e| fail(e.to_string()))? {
        store.add(cert.map_err(|e| fail(e.to_string()))?).map_err(|e| fail(e.to_string()))?;
        any = true;
    }
    if any { Ok(store) } else { Err(fail("no certificate is in it".into())) }
}
