//! Credentials: a kubeconfig's, or those of a pod's service account.

use super::proxy;
use crate::{error::with_causes, runtime::login_error, settings::Settings};
use http::Uri;
use kube::{
    Client, Config,
    config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use std::{
    env,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
};
use tokio::task;

/// What is needed to log in, as it was read at one time.
pub struct Credentials {
    config: Config,
    /// Tells them from others, as far as the kubeconfig has them; files that it names, and plugins, have more.
    fingerprint: u64,
    /// The login handler that has given them.
    handler: Option<String>,
}

impl Credentials {
    /// Reads them: a kubeconfig, or else the files that a pod has.
    ///
    /// # Errors
    /// There are none, or they can't be used. The text has no secret in it.
    pub async fn find(settings: &Settings) -> Result<Self, String> {
        let absent = match Kubeconfig::read() {
            Ok(kubeconfig) if kubeconfig.contexts.is_empty() && kubeconfig.clusters.is_empty() => {
                explain(&KubeconfigError::CurrentContextNotSet)
            }
            Ok(kubeconfig) => return Self::of(kubeconfig, settings).await,
            Err(error) if is_absent(&error) => explain(&error),
            // A pod's own would be those of another user.
            Err(error) => return Err(explain(&error)),
        };
        // That this is no pod either goes without saying.
        let config = Config::incluster().map_err(|_| absent)?;
        Self::with(config, None, 0, settings)
    }

    /// Those that the login handler of this id has given. How they get through a proxy is its own business.
    pub fn given(config: Config, handler: &str, settings: &Settings) -> Self {
        Self::adjusted(config, 0, Some(handler.to_owned()), settings)
    }

    async fn of(kubeconfig: Kubeconfig, settings: &Settings) -> Result<Self, String> {
        let fingerprint = fingerprint(&kubeconfig);
        let cluster = current_cluster(&kubeconfig).cloned().unwrap_or_default();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|error| explain(&error))?;
        // A file that is given is read again from time to time.
        config.root_cert_file = cluster
            .certificate_authority
            .filter(|_| cluster.certificate_authority_data.is_none())
            .map(Into::into);
        Self::with(config, cluster.proxy_url.as_deref(), fingerprint, settings)
    }

    fn with(
        mut config: Config,
        proxy_url: Option<&str>,
        fingerprint: u64,
        settings: &Settings,
    ) -> Result<Self, String> {
        config.proxy_url = proxy::choose(&config.cluster_url, proxy_url, |name| env::var(name).ok())?;
        config.apply_debug_overrides();
        Ok(Self::adjusted(config, fingerprint, None, settings))
    }

    fn adjusted(mut config: Config, fingerprint: u64, handler: Option<String>, settings: &Settings) -> Self {
        config.read_timeout.get_or_insert(settings.watching.silence);
        // Up to fifteen times, for minutes: the operator decides itself what it sends again, and when.
        config.default_retry = false;
        Self { config, fingerprint, handler }
    }

    /// The address of the API server.
    pub fn server(&self) -> &Uri {
        &self.config.cluster_url
    }

    /// Tells them from others, as far as the kubeconfig has them.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The id of the login handler that has given them, if one has.
    pub fn handler(&self) -> Option<&str> {
        self.handler.as_deref()
    }

    /// The namespace of requests that name none.
    pub fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// A client. A plugin that the kubeconfig names is run for it, which may take its time.
    ///
    /// # Errors
    /// A file can't be read, or the plugin fails.
    pub async fn client(&self) -> Result<Client, String> {
        let config = self.config.clone();
        let made = task::spawn_blocking(move || Client::try_from(config)).await;
        // kube panics where a token has a line break in it.
        let made = made.map_err(|_| "the credentials can't be used: can the token be part of a header?")?;
        made.map_err(|error| match login_error::find(&error) {
            Some(error) => login_error::explain(error, self.plugin().as_deref()),
            None => with_causes(&error),
        })
    }

    /// The name of the program that the kubeconfig has run for a token: without its path and what doesn't belong there.
    pub fn plugin(&self) -> Option<String> {
        let AuthInfo { exec, auth_provider, .. } = &self.config.auth_info;
        let by_provider = || auth_provider.as_ref()?.config.get("cmd-path");
        let command = exec.as_ref().and_then(|exec| exec.command.as_ref()).or_else(by_provider)?;
        let name = Path::new(command).file_name()?.to_str()?;
        Some(name.to_owned()).filter(|_| !command.contains(char::is_whitespace))
    }
}

/// Whether there is simply no kubeconfig.
fn is_absent(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(error, _) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

fn current_cluster(kubeconfig: &Kubeconfig) -> Option<&Cluster> {
    let name = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == *name)?.context.as_ref()?;
    kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?.cluster.as_ref()
}

fn fingerprint(kubeconfig: &Kubeconfig) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(kubeconfig).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

fn explain(error: &KubeconfigError) -> String {
    match error {
        // Its own words show the lines around the mistake, and there may be a token in them.
        KubeconfigError::Parse(mistake) => {
            let place = mistake.location().map(|at| format!(", line {}, column {}", at.line(), at.column()));
            format!("the kubeconfig is not a valid one{}", place.unwrap_or_default())
        }
        KubeconfigError::ParseNoProxy(error) => {
            format!(
                "NO_PROXY can't be read: {error}. It is a list of hosts, domains and networks with commas between them"
            )
        }
        _ => with_causes(error),
    }
}
