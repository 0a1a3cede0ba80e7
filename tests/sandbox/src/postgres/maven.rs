//! PostgreSQL's server programs from Maven Central, where the zonky project publishes them: any major version, on a machine
//! that has none.
//!
//! What is downloaded has to have the checksum that is pinned here, and is unpacked into the cache folder, once.

use std::env::consts::{ARCH, OS};
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use liblzma::read::XzDecoder;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::guard::Guard;
use crate::terminal::Progress;
use crate::{Error, Result, account, cache};

/// The version where none is asked for.
pub(crate) const NEWEST: u32 = 18;

const REPOSITORY: &str = "https://repo1.maven.org/maven2/io/zonky/test/postgres";

/// The platform, the major version, the version, and the SHA-256 of its jar.
const RELEASES: [(&str, u32, &str, &str); 20] = [
    ("linux-amd64", 14, "14.24.0", "2722d05eb22c671104c9918d59d8ba9f5656898f5452a0207bb4cce21eef5dc4"),
    ("linux-amd64", 15, "15.19.0", "95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f"),
    ("linux-amd64", 16, "16.15.0", "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2"),
    ("linux-amd64", 17, "17.11.0", "0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d"),
    ("linux-amd64", 18, "18.6.0", "008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1"),
    ("linux-arm64v8", 14, "14.23.0", "a55b93f67051a602be033b298461709f88789dccee925236f2fb5a4eaf9dd526"),
    ("linux-arm64v8", 15, "15.19.0", "95baf4bd4af31b91b3050118df59388ed0064756b556b850669e0300aa7b9911"),
    ("linux-arm64v8", 16, "16.15.0", "f846a9989d686b7977d6eca9bc9d8b2b69e3f70c7eb60e032197d9c574a6136c"),
    ("linux-arm64v8", 17, "17.11.0", "8b042e0ea418b1927d95399207950da0734d27fe01e29503ade3bdc464ad4c2b"),
    ("linux-arm64v8", 18, "18.6.0", "5f54e016723afa6213925a8acb939bac52944b1d348f65c7a20f0cd2928c31be"),
    ("darwin-amd64", 14, "14.22.0", "846e5bb797f372c8e370df51e4151f4e4237058e8c27cfcaf62aa93203a4c5b0"),
    ("darwin-amd64", 15, "15.19.0", "11d0a55e26f4c74c6ea6c72c5e4e6ac959b29a06cc6da5e5ac8162f9fd9f8055"),
    ("darwin-amd64", 16, "16.15.0", "1229188b99515d2160d5cb6222bc96d9c5f3a248268df3bc2dfe0047e6c233d8"),
    ("darwin-amd64", 17, "17.11.0", "d464ff178e9860ba204662ac23fa547504b7fd392392ff2fb92e3fd73b5bdb64"),
    ("darwin-amd64", 18, "18.6.0", "690941008aac9ee360820fde9bb7870a4f3dcac5e9e2f9e45e42333a436ad0f9"),
    ("darwin-arm64v8", 14, "14.23.0", "b3afa06270a5db96748ded366b9af590b29035ce16677e88c8ab65d0c455f613"),
    ("darwin-arm64v8", 15, "15.19.0", "9bfc44d3f50298bb14fa125da4b67a36f382f8134ab2fc95349b72bcd5ec4e87"),
    ("darwin-arm64v8", 16, "16.15.0", "65b953905f0a4d46030767a6b44a52360170d69a7985f1b02aa435f2f6256a83"),
    ("darwin-arm64v8", 17, "17.11.0", "a1c2786acb0c398f9b2d76806fc52f5dc8b222cbc8e9383a9b9702084daaf3a5"),
    ("darwin-arm64v8", 18, "18.6.0", "8f6ed6f38195b50a40712ada8b2a12060b6193c1a6977a6eb5cff053bb5a1b89"),
];

/// The longest times for a connection, and for all of it.
const CONNECT: Duration = Duration::from_secs(30);
const ALL: Duration = Duration::from_secs(600);

/// No jar is larger.
const MOST: u64 = 256 << 20;

/// The folder with the server programs of a major version.
pub(crate) async fn programs(major: u32) -> Result<PathBuf> {
    let platform = platform();
    // Those for Linux are linked with glibc.
    let mut releases = RELEASES.iter().filter(|_| !cfg!(target_env = "musl"));
    let release = releases.find(|(known, version, ..)| *known == platform && *version == major);
    let Some((_, _, version, checksum)) = release else {
        return Err(Error::NoRelease { version: major.to_string(), platform });
    };
    let cached = folder_for_all()?;
    let folder = cached.join(format!("{version}-{platform}"));
    let programs = folder.join("bin");
    if programs.is_dir() {
        return Ok(programs);
    }
    let what = format!("PostgreSQL {version}");
    let waiting = format!("waiting for another process to download {what}");
    let _lock = cache::lock(&cached.join(format!("{version}-{platform}.lock")), &waiting).await?;
    if !programs.is_dir() {
        let url = format!(
            "{REPOSITORY}/embedded-postgres-binaries-{platform}/{version}/embedded-postgres-binaries-{platform}-{version}.jar"
        );
        let mut progress = Progress::start();
        let work = download(url, checksum, &folder);
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(cache::POLL) => progress.show(&format!("downloading {what} (once)")),
            }
        };
        progress.finish(&if done.is_ok() {
            format!("downloaded {what}")
        } else {
            format!("can't download {what}")
        });
        done?;
    }
    Ok(programs)
}

/// Downloads and unpacks next to the folder, and moves the result there in one step, so that the folder is always complete.
///
/// A guard owns what is unpacked so far, so that it goes when we do.
async fn download(url: String, checksum: &'static str, folder: &Path) -> Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let unpacking = folder.with_file_name(format!("{name}.unpacking-{}", std::process::id()));
    let _ = fs::remove_dir_all(&unpacking);
    let guard = Guard::start_in(unpacking, None)?;
    let gone = Arc::new(Mutex::new(false));
    let _caller = Caller(Arc::clone(&gone)); // dropped before the guard
    let (unpacked, target) = (guard.folder().join("programs"), folder.to_owned());
    let (sender, done) = oneshot::channel();
    let what = url.clone();
    // Not one of tokio's threads: the runtime would wait for the download, even after Ctrl-C.
    std::thread::spawn(move || {
        let done = fetch(&url, checksum).and_then(|jar| place(&jar, &gone, &unpacked, &target));
        sender.send(done)
    });
    done.await.unwrap_or_else(|_| Err(Error::Download { what, why: "its thread has panicked".to_owned() }))
}

/// The one that waits for a download. When it is gone, nothing may be written any more.
struct Caller(Arc<Mutex<bool>>);

impl Drop for Caller {
    fn drop(&mut self) {
        // Waits for an unpacking that has begun, which takes a second or two.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// The cache folder; where we are root, one that the server's account can get to.
fn folder_for_all() -> Result<PathBuf> {
    let cached = cache::folder("postgres")?;
    if account::unprivileged()?.is_none() || account::lets_all(&cached, 0o005) {
        return Ok(cached);
    }
    let path = PathBuf::from("/var/cache/korf/postgres");
    let made = fs::create_dir_all(&path)
        .and_then(|()| let_all_in(&path))
        .and_then(|()| path.parent().map_or(Ok(()), let_all_in));
    made.map_err(|source| Error::File { path: path.clone(), source })?;
    Ok(path)
}

/// Whatever the umask is.
fn let_all_in(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// The platform, as Maven Central has it.
fn platform() -> String {
    let os = if OS == "macos" { "darwin" } else { OS };
    let arch = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64v8",
        other => other,
    };
    format!("{os}-{arch}")
}

/// Downloads a file with this checksum.
fn fetch(url: &str, checksum: &str) -> Result<Vec<u8>> {
    let failed = |why: String| Error::Download { what: url.to_owned(), why };
    let trust = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config =
        Agent::config_builder().tls_config(trust).timeout_connect(Some(CONNECT)).timeout_global(Some(ALL));
    let answer = Agent::from(config.build()).get(url).call().map_err(|error| failed(error.to_string()))?;
    let jar = answer.into_body().with_config().limit(MOST).read_to_vec();
    let jar = jar.map_err(|error| failed(error.to_string()))?;
    let found = hex(&Sha256::digest(&jar));
    if found != checksum {
        return Err(failed(format!("its SHA-256 is {found}, and has to be {checksum}")));
    }
    Ok(jar)
}

/// Unpacks a jar, and moves the result to its place, unless the caller is gone.
fn place(jar: &[u8], gone: &Mutex<bool>, unpacked: &Path, folder: &Path) -> Result<()> {
    let gone = gone.lock().unwrap_or_else(PoisonError::into_inner);
    let done = if *gone {
        Err(io::ErrorKind::Interrupted.into())
    } else {
        unpack(jar, unpacked).and_then(|()| let_all_in(unpacked)).and_then(|()| fs::rename(unpacked, folder))
    };
    done.map_err(|source| Error::File { path: folder.to_owned(), source })
}

/// Unpacks the archive in a jar.
fn unpack(jar: &[u8], folder: &Path) -> io::Result<()> {
    let mut jar = zip::ZipArchive::new(Cursor::new(jar)).map_err(io::Error::other)?;
    let names = jar.file_names().flatten().map(|name| name.into_owned());
    let name = names.into_iter().find(|name| name.ends_with(".txz"));
    let name = name.ok_or_else(|| io::Error::other("it contains no archive"))?;
    let mut archive = Vec::new();
    jar.by_name(&name).map_err(io::Error::other)?.read_to_end(&mut archive)?;
    tar::Archive::new(XzDecoder::new(&*archive)).unpack(folder)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_each_version_with_a_checksum() {
        for platform in ["linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8"] {
            for major in 14..=NEWEST {
                let found =
                    RELEASES.iter().filter(|(known, version, ..)| (*known, *version) == (platform, major));
                let found: Vec<_> = found.collect();
                assert!(
                    matches!(found[..], [(_, _, version, sum)] if version.starts_with(&format!("{major}.")) && sum.len() == 64),
                    "{platform} {major}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_written_once_the_caller_is_gone() {
        let gone = Arc::new(Mutex::new(false));
        drop(Caller(Arc::clone(&gone)));
        let folder = std::env::temp_dir().join(format!("korf-sandbox-place-{}", std::process::id()));
        let error = place(b"not even a jar", &gone, &folder.join("unpacked"), &folder.join("programs"));
        assert!(
            matches!(error, Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::Interrupted)
        );
        assert!(!folder.exists());
    }

    #[test]
    fn bytes_are_printed_in_hexadecimal_with_two_digits_each() {
        assert_eq!(hex(&[0, 15, 255]), "000fff");
    }
}
