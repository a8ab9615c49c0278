//! `keystead completions` and `keystead man`: both come from the one definition of what can be typed.

use clap::CommandFactory as _;

use crate::{
    args::{
        Cli,
        local::{Completions, Man},
    },
    error::CliError,
    output::print,
};

/// Prints the completions of a shell.
///
/// # Errors
/// [`CliError::Output`].
pub fn completions(args: &Completions) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keystead", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes a page for every command.
///
/// # Errors
/// [`CliError::File`].
pub fn man(args: &Man) -> Result<(), CliError> {
    let written = std::fs::create_dir_all(&args.out).and_then(|()| clap_mangen::generate_to(Cli::command(), &args.out));
    written.map_err(|reason| CliError::writing(&args.out, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_man_page_for_every_command() {
        let dir = tempfile::tempdir().expect("a directory");
        man(&Man { out: dir.path().join("man1") }).expect("is written");
        for page in ["keystead.1", "keystead-key-renew.1", "keystead-key-export-prepare.1", "keystead-sandbox-faults-add.1"] {
            assert!(dir.path().join("man1").join(page).is_file(), "{page}");
        }
        let page = std::fs::read_to_string(dir.path().join("man1/keystead.1")).expect("is there");
        assert!(page.contains("Exit codes"), "{page}");
    }

    #[test]
    fn every_shell_completes_the_verbs() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "keystead", &mut script);
            assert!(String::from_utf8_lossy(&script).contains("schedule-deletion"), "{shell}");
        }
    }
}
