//! Somebody in front of a terminal is asked, and says yes.

use std::io;

use super::Context;
use crate::error::CliError;

/// Asks, and answers whether yes was typed.
///
/// # Errors
/// [`CliError`] when nothing can be read.
pub fn says_yes(context: &Context, question: &str) -> Result<bool, CliError> {
    context.output.note(&format!("{question} Type yes to begin:"));
    let mut typed = String::new();
    io::stdin().read_line(&mut typed).map_err(|reason| CliError::reading("standard input", reason))?;
    Ok(typed.trim() == "yes")
}
