//! The certificate authority of a sandbox.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::{Error, Result};

/// A certificate authority, whose key never leaves this process.
#[derive(Debug)]
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A kind of server certificates, for [`Postgres::replace_certificate`](crate::Postgres::replace_certificate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For 127.0.0.1.
    Good,
    /// For 127.0.0.1, in another century.
    Expired,
    /// For 127.0.0.1, in another millennium.
    NotYetValid,
    /// For a host of another name.
    OfAnotherHost,
}

/// A certificate and its private key, in PEM.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name("korf-sandbox-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(Error::Certificate)?;
        Ok(Self(CertifiedIssuer::self_signed(params, key).map_err(Error::Certificate)?))
    }

    /// The authority's own certificate, in PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server on loopback, on any port.
    pub(crate) fn server(&self) -> Result<Identity> {
        let names = ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc"].map(str::to_owned);
        let mut params = CertificateParams::new(names).map_err(Error::Certificate)?;
        params.distinguished_name = distinguished_name("localhost", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for a server that clients should reject, or that is as good as [`Authority::server`]'s.
    pub(crate) fn server_like(&self, certificate: Certificate) -> Result<Identity> {
        let name = if certificate == Certificate::OfAnotherHost { "elsewhere" } else { "127.0.0.1" };
        let mut params = CertificateParams::new([name.to_owned()]).map_err(Error::Certificate)?;
        params.distinguished_name = distinguished_name(name, None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        match certificate {
            Certificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Certificate::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
            Certificate::Good | Certificate::OfAnotherHost => {}
        }
        self.sign(params)
    }

    /// A certificate for a client. Kubernetes takes its common name for the user, and its organisation for a
    /// group.
    pub(crate) fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(Error::Certificate)?;
        let certificate = params.signed_by(&key, &self.0).map_err(Error::Certificate)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn distinguished_name(common_name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    name
}
