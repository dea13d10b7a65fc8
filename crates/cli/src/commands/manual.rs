//! `completions` and `man`: what a package puts beside the program.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{arguments::Arguments, fault::Fault, text::to_stdout};

pub(super) fn completions(shell: Shell) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "postern", &mut script);
    Ok(to_stdout(&String::from_utf8_lossy(&script))?)
}

/// The page of the program itself, or one of each command into a folder.
pub(super) fn pages(folder: Option<&Path>) -> Result<(), Fault> {
    let mut command = Arguments::command();
    if folder.is_some() {
        command = command.disable_help_subcommand(true);
    }
    command.build();
    match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            each(&command, folder)?;
            Ok(to_stdout(&format!("{}\n", folder.display()))?)
        }
        None => Ok(to_stdout(&String::from_utf8_lossy(&page(&command)?))?),
    }
}

fn each(command: &Command, folder: &Path) -> std::io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        each(below, folder)?;
    }
    let name = Man::new(command.clone()).get_filename();
    std::fs::write(folder.join(name), page(command)?)
}

/// What stands after the options in the help becomes sections of their own, as man-pages(7) has them.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("Postern");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    if let Some(after) = after {
        page.extend_from_slice(sections(&after.to_string()).as_bytes());
    }
    Ok(page)
}

/// Blocks of `Heading:` and indented lines, each of a term and, two spaces or more behind it or indented further on the lines that
/// follow, what it means.
fn sections(text: &str) -> String {
    let mut page = String::new();
    for line in text.lines() {
        let plain = line.trim_start();
        match line.len() - plain.len() {
            _ if plain.is_empty() => {}
            0 => {
                let heading = match plain.trim_end_matches(':') {
                    "Example" | "Examples" => "EXAMPLES".to_owned(),
                    "Exit codes" => "EXIT STATUS".to_owned(),
                    other => other.split(" (").next().unwrap_or_default().to_uppercase(),
                };
                page.push_str(&format!(".SH {heading}\n"));
            }
            1..=4 => {
                let (term, about) = plain.split_once("  ").unwrap_or((plain, ""));
                page.push_str(&format!(".TP\n\\fB{}\\fR\n", roff(term)));
                if !about.is_empty() {
                    page.push_str(&format!("{}\n", roff(about.trim_start())));
                }
            }
            _ => page.push_str(&format!("{}\n", roff(plain))),
        }
    }
    page
}

/// Text that no macro of the page reads as its own.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        let mut command = Arguments::command();
        command.build();
        let command = if name.is_empty() { &command } else { command.find_subcommand(name).unwrap() };
        String::from_utf8(page(command).unwrap()).unwrap()
    }

    #[test]
    fn the_page_has_the_sections_of_a_manual() {
        let page = of("");
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let wanted = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "SUBCOMMANDS",
            "EXAMPLES",
            "EXIT STATUS",
            "ENVIRONMENT",
        ];
        assert_eq!(headings[..8], wanted);
        assert_eq!(headings[8..], ["WITHOUT A DESKTOP"]);
        assert!(page.contains(".TP\n\\fB7\\fR\nthe door may be open\n"), "{page}");
        assert!(
            page.contains(
                "\\fBpostern share B3 \\-\\-name Ben \\-\\-until 2h\\fR\na link that lets Ben open it\n"
            ),
            "{page}"
        );
        assert!(page.contains("postern list\\(aq\\fR\na keyring for as long"), "{page}");
    }

    #[test]
    fn examples_of_a_command_are_on_its_page() {
        let page = of("revoke");
        assert!(page.contains(".SH EXAMPLES\n.TP\n\\fBpostern revoke B3 Ben\\fR\n"), "{page}");
        assert!(!page.contains("EXTRA"));
    }

    #[test]
    fn what_looks_like_a_macro_is_text() {
        assert_eq!(roff(".[].title 'a' \\ --x"), "\\&.[].title \\(aqa\\(aq \\e \\-\\-x");
    }
}
