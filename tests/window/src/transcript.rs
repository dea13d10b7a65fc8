//! What happened, step by step: a picture of the window and a line in `transcript.md` for each.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::webdriver::Session;

/// A transcript that is being written.
#[derive(Debug)]
pub struct Transcript {
    folder: PathBuf,
    title: String,
    steps: Vec<Step>,
    began: Instant,
    /// Numbers that are worth a line of their own at the end.
    facts: Vec<(String, String)>,
}

#[derive(Debug)]
struct Step {
    name: String,
    seen: String,
    took: Duration,
    picture: Option<String>,
    held: bool,
}

impl Transcript {
    /// An empty one in `folder`, whose earlier pictures are removed.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn begin(folder: &Path, title: &str) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "png") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            title: title.to_owned(),
            steps: Vec::new(),
            began: Instant::now(),
            facts: Vec::new(),
        })
    }

    /// Takes one step: `act` does it and says what was seen. The picture is taken afterwards, whether it held or not.
    ///
    /// # Errors
    /// What `act` failed with; the transcript says so as well.
    pub fn step(&mut self, name: &str, window: &Session, act: impl FnOnce() -> Result<String>) -> Result<()> {
        let began = Instant::now();
        let outcome = act();
        let took = began.elapsed();
        let number = self.steps.len() + 1;
        let file = format!("{number:02}-{}.png", file_name(name));
        // A page that does not come to rest is pictured as it is.
        let _ = window.still();
        let picture =
            window.screenshot().and_then(|picture| Ok(fs::write(self.folder.join(&file), picture)?));
        let held = outcome.is_ok();
        let seen = match &outcome {
            Ok(seen) => one_line(seen),
            Err(error) => one_line(&format!("{error:#}")),
        };
        println!(
            "{} {number:2}. {name} ({} ms): {seen}",
            if held { "ok  " } else { "FAIL" },
            took.as_millis()
        );
        self.steps.push(Step {
            name: name.to_owned(),
            seen,
            took,
            picture: picture.is_ok().then_some(file),
            held,
        });
        self.write()?;
        outcome.map(drop)?;
        picture.context("no picture of the window")
    }

    /// A number to remember.
    ///
    /// # Errors
    /// The disk's.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) -> Result<()> {
        self.facts.push((name.to_owned(), value.into()));
        self.write()
    }

    fn write(&self) -> Result<()> {
        let mut text =
            format!("# {}\n\n| | step | seen | took | picture |\n|---|---|---|---|---|\n", self.title);
        for (number, step) in (1..).zip(&self.steps) {
            let mark = if step.held { "✓" } else { "✗" };
            let picture = step.picture.as_ref().map_or_else(String::new, |file| format!("[{file}]({file})"));
            let seen = step.seen.replace('|', "\\|");
            writeln!(
                text,
                "| {mark} {number} | {} | {seen} | {} ms | {picture} |",
                step.name,
                step.took.as_millis()
            )?;
        }
        if !self.facts.is_empty() {
            text.push('\n');
            for (name, value) in &self.facts {
                writeln!(text, "- {name}: {value}")?;
            }
        }
        writeln!(text, "\n{} steps in {:.1} s.", self.steps.len(), self.began.elapsed().as_secs_f32())?;
        Ok(fs::write(self.folder.join("transcript.md"), text)?)
    }
}

/// As one would say it: without line ends and direction marks, and not all of a long text.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let plain: String = text.chars().filter(|c| !matches!(c, '\u{2066}'..='\u{2069}')).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn file_name(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}
