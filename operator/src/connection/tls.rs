//! TLS connector that verifies as much as libpq's `sslmode` asks for.

use super::{error::SettingsError, pem::Pem};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The extent to which the server's certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// Not at all: the connection is encrypted, but the server may be anyone.
    Nothing,
    /// A known authority has signed it.
    Chain,
    /// A known authority has signed it for the host of the connection.
    Full,
}

/// The files that TLS needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// The authorities that may sign the server's certificate; else those that the system trusts.
    pub(super) root_cert: Option<Pem>,
    /// The operator's own certificate, with its chain, and its key.
    pub(super) identity: Option<(Pem, Pem)>,
}

/// The connector for tokio-postgres, made of what is in the files now.
pub(super) fn connector(verify: Verify, files: &Files) -> Result<MakeRustlsConnect, SettingsError> {
    // Not the process-wide default, which depends on the library that comes first.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError::Tls(error.to_string()))?;
    let root_cert = files.root_cert.as_ref();
    let builder = match verify {
        Verify::Full => builder.with_root_certificates(roots(root_cert)?),
        Verify::Chain | Verify::Nothing => {
            let roots = if verify == Verify::Chain { Some(roots(root_cert)?) } else { None };
            let verifier = Arc::new(AnyHostVerifier { provider, roots });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    let Some((cert, key_file)) = &files.identity else {
        return Ok(MakeRustlsConnect::new(builder.with_no_client_auth()));
    };
    let (chain, key) = (client_chain(cert)?, client_key(key_file)?);
    let config = builder.with_client_auth_cert(chain, key);
    let why = |error: rustls::Error| cert.error(&format!("it doesn't go with {} ({error})", key_file.name()));
    Ok(MakeRustlsConnect::new(config.map_err(why)?))
}

fn client_chain(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let content = pem.read()?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    let chain = chain.map_err(|_| pem.error("it isn't PEM"))?;
    if chain.is_empty() { Err(pem.error("it contains no certificate")) } else { Ok(chain) }
}

fn client_key(pem: &Pem) -> Result<PrivateKeyDer<'static>, SettingsError> {
    PrivateKeyDer::from_pem_slice(&pem.read()?)
        .map_err(|_| pem.error("it contains no key in PEM without a password"))
}

fn roots(pem: Option<&Pem>) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = pem else {
        let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let no_authorities = "the system trusts no certificate authorities: set sslrootcert";
        return if added > 0 { Ok(roots) } else { Err(SettingsError::Tls(no_authorities.to_owned())) };
    };
    let unreadable = |why: String| pem.error(&why);
    let content = pem.read()?;
    for cert in CertificateDer::pem_slice_iter(&content) {
        let cert = cert.map_err(|error| unreadable(error.to_string()))?;
        roots.add(cert).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() { Err(unreadable("it contains none".to_owned())) } else { Ok(roots) }
}

/// Accepts a certificate for any host, if one of the authorities has signed it; without authorities, any
/// certificate.
///
/// Handshake signatures are always verified: SCRAM's channel binding relies on the server having the
/// certificate's key.
#[derive(Debug)]
struct AnyHostVerifier {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for AnyHostVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let cert = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&cert, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
