//! `completions` and `man`: what a package puts beside the program.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{arguments::Arguments, fault::Fault, text::to_stdout};

pub(super) fn completions(shell: Shell) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "postern", &mut script);
    Ok(to_stdout(&String::from_utf8_lossy(&script))?)
}

/// The page of the program itself, or one of each command into a folder.
pub(super) fn pages(folder: Option<&Path>) -> Result<(), Fault> {
    match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Arguments::command(), folder)?;
            Ok(to_stdout(&format!("{}\n", folder.display()))?)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
            Ok(to_stdout(&String::from_utf8_lossy(&page))?)
        }
    }
}
