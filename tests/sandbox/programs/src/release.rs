//! Release of the control plane that the sandbox builds from source.

use std::env;

/// The Go module that pins the versions of everything that is built.
pub const GO_MOD: &str = include_str!("../../controlplane/go.mod");

/// The checksums of the modules.
pub const GO_SUM: &str = include_str!("../../controlplane/go.sum");

/// The commands to build. Go names the first one `server`, after its folder.
pub const PACKAGES: [&str; 3] =
    ["go.etcd.io/etcd/server/v3", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"];

/// Flags that stamp the version. Without them, kubectl and kube-apiserver take each other for v0.0.0.
pub fn linker_flags() -> String {
    let version = version("k8s.io/kubernetes");
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let stamp = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    let stamps = [stamp("gitVersion", version), stamp("gitMajor", major), stamp("gitMinor", minor)];
    format!("-s -w {}", stamps.join(" "))
}

/// The version of a module, such as `v1.2.3`, from [`GO_MOD`].
pub fn version(module: &str) -> &'static str {
    let mut requirements = GO_MOD.lines().filter_map(|line| line.trim().split_once(' '));
    let found = requirements.find(|(name, version)| *name == module && version.starts_with('v'));
    found.and_then(|(_, version)| version.split(' ').next()).unwrap_or("v0.0.0")
}

/// The name of the build in the cache folder: its versions, for people, and a digest of all its inputs.
pub fn cache_key() -> String {
    let digest = digest(&[GO_MOD, GO_SUM, &linker_flags(), &PACKAGES.join(" ")]);
    let [kubernetes, etcd] = ["k8s.io/kubernetes", "go.etcd.io/etcd/server/v3"].map(version);
    format!("kubernetes-{kubernetes}-etcd-{etcd}-{digest}")
}

/// A digest of all inputs of a build, and of the platform.
pub fn digest(inputs: &[&str]) -> String {
    let inputs = [inputs, &[env::consts::OS, env::consts::ARCH]].concat();
    // FNV-1a, because std's hashers may change with the compiler, which would cause a needless build.
    let digest = inputs.join("\0").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{digest:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_go_mod() {
        let staging = version("k8s.io/api").replacen("v0.", "v1.", 1);
        assert_eq!(version("k8s.io/kubernetes"), staging);
        assert!(version("go.etcd.io/etcd/server/v3").starts_with("v3."));
    }

    #[test]
    fn the_linker_flags_contain_the_version() {
        let version = version("k8s.io/kubernetes");
        assert!(linker_flags().contains(&format!("gitVersion={version} ")));
        assert!(linker_flags().contains("gitMajor=1 "));
    }
}
