//! Document: what was measured, between two lines of a Markdown file; or on the screen.

use super::{Error, contender::operator, plot::Plot};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const BEGIN: &str = "<!-- measured: written by cargo bench -p korf-bench -->";
const END: &str = "<!-- end of what is measured -->";

/// A document in the making.
#[derive(Debug)]
pub struct Document {
    path: Option<PathBuf>,
    text: String,
}

impl Document {
    /// One that goes to this file, or to the screen.
    pub fn new(path: Option<PathBuf>) -> Self {
        // Benchmarks run in the folder of their package, and paths are those of the workspace.
        let path = path.map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path));
        Self { path, text: String::new() }
    }

    /// Adds a section. All that was measured so far is written, so that nothing is lost if the rest fails.
    pub fn section(&mut self, title: &str, text: String) -> Result<(), Error> {
        self.text.push_str(&format!("### {title}\n\n{text}\n"));
        self.write()
    }

    /// Draws a plot; returns the Markdown that shows it.
    pub fn plot(&self, name: &str, plot: &Plot) -> Result<String, Error> {
        let Some(path) = &self.path else { return Ok(String::new()) };
        let folder = path.with_extension("");
        fs::create_dir_all(&folder)?;
        plot.draw(&folder.join(name).with_extension("svg"))?;
        let folder = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(format!("![{}]({folder}/{name}.svg)\n", plot.title))
    }

    pub fn finish(&self) -> Result<(), Error> {
        if self.path.is_none() {
            println!("{}", self.text);
        }
        Ok(())
    }

    fn write(&self) -> Result<(), Error> {
        let Some(path) = &self.path else { return Ok(()) };
        let before = fs::read_to_string(path).unwrap_or_default();
        let (head, rest) = before.split_once(BEGIN).unwrap_or((&before, ""));
        let tail = rest.split_once(END).map_or("", |(_, tail)| tail);
        fs::write(path, format!("{head}{BEGIN}\n\n{}\n{}{END}{tail}", machine()?, self.text))?;
        Ok(())
    }
}

/// The machine and the versions, in words.
fn machine() -> Result<String, Error> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, name)| name.trim());
    let count = std::thread::available_parallelism()?;
    let first_line = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok();
        output.and_then(|output| String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned))
    };
    let size = fs::metadata(operator()).map_or(0.0, |file| megabytes(file.len()));
    let facts = [
        format!(
            "{count} processors ({}), shared by the servers, the load and the operator",
            name.unwrap_or("unknown")
        ),
        format!("Kubernetes {}, etcd {}", version("k8s.io/kubernetes"), version("go.etcd.io/etcd/server/v3")),
        first_line("postgres", "--version").unwrap_or_default(),
        first_line("rustc", "--version").unwrap_or_default(),
        format!("release binary of the table operator: {size:.1} MiB"),
    ];
    Ok(facts.iter().filter(|fact| !fact.is_empty()).map(|fact| format!("- {fact}\n")).collect())
}

/// The version of a server of the sandbox.
fn version(module: &str) -> &'static str {
    let lines = include_str!("../../sandbox/controlplane/go.mod").lines();
    lines
        .filter_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' ')?.split_whitespace().next())
        .next()
        .unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
