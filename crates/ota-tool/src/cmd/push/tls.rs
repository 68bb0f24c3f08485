//! TLS towards the broker: the broker proves who it is, we prove ourselves by the login.

use crate::files;
use anyhow::{Context, Result, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// TLS 1.2 and 1.3, trusting the authorities in `ca` (PEM) alone, or those of the system.
pub(super) fn config(ca: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let roots = match ca {
        Some(path) => named(path)?,
        None => system()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn named(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(&files::read_list(path)?) {
        let cert = cert.ok().with_context(|| format!("{}: damaged PEM", path.display()))?;
        roots.add(cert).with_context(|| format!("{} holds a certificate that cannot be used", path.display()))?;
    }
    ensure!(!roots.is_empty(), "{} holds no certificate; give the authority's as PEM", path.display());
    Ok(roots)
}

fn system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(!roots.is_empty(), "this system trusts no certificate authority; name the broker's with --ca FILE");
    Ok(roots)
}
