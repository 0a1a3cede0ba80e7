//! What a program says, line by line.

use super::eventually::LIMIT;
use std::io::{BufRead, BufReader, Read};
use tokio::sync::watch;

/// The lines of a program so far, the standard error stream's and the standard output's.
pub struct Log {
    said: watch::Sender<Said>,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    pub fn new() -> Self {
        Self { said: watch::Sender::default() }
    }

    pub fn lines(&self) -> Vec<String> {
        self.said.borrow().lines.clone()
    }

    /// Waits until so many lines have `text` in them, and returns them.
    pub async fn wait_for(&self, text: &str, count: usize) -> Vec<String> {
        let matching = |said: &Said| -> Vec<String> {
            said.lines.iter().filter(|line| line.contains(text)).cloned().collect()
        };
        let mut said = self.said.subscribe();
        let enough = said.wait_for(|said| said.ended || matching(said).len() >= count);
        let found = match tokio::time::timeout(LIMIT, enough).await {
            Ok(said) => matching(&said.unwrap()),
            Err(_) => matching(&self.said.borrow()),
        };
        assert!(found.len() >= count, "the operator never said {count} time(s): {text}; see its log");
        found
    }

    /// Takes in a stream until its end.
    pub fn follow(&self, stream: impl Read) {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            self.said.send_modify(|said| said.lines.push(line));
        }
    }

    /// There will be no more.
    pub fn end(&self) {
        self.said.send_modify(|said| said.ended = true);
    }
}
