//! Output for people: tables without lines, sheets of names and values. What came from outside cannot steer the terminal.

use comfy_table::{Table, presets::NOTHING};

/// A table: heads in capitals, columns two spaces apart. Never wrapped, so that `grep` and `cut` can work on it.
pub fn grid(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.iter().map(|head| head.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| clean_line(if cell.is_empty() { "-" } else { cell })));
    }
    aligned(table)
}

/// One thing: a line for each field that has a value.
pub fn sheet(fields: Vec<(&'static str, Option<String>)>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.add_row([name.to_owned(), clean_line(&value)]);
        }
    }
    aligned(table)
}

/// A table with a head of its own, below a sheet.
pub fn section(title: &str, header: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { format!("\n{title}\n{}", grid(header, rows)) }
}

fn aligned(mut table: Table) -> String {
    if table.row_count() == 0 && table.header().is_none() {
        return String::new();
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    format!("{}\n", table.trim_fmt())
}

/// Text without what could steer a terminal; lines stay lines.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) && c != '\n' { '?' } else { c }).collect()
}

/// The same on one line.
pub fn clean_line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

/// Control characters, and those that turn the direction of writing (Unicode UAX #9, section 2).
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A time as people read it: to the minute, in UTC. What is no time stays as it is.
pub fn time(text: &str) -> String {
    text.parse::<jiff::Timestamp>().map_or_else(|_| text.to_owned(), |at| at.strftime("%Y-%m-%d %H:%MZ").to_string())
}

/// Yes or no.
pub fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_spaces() {
        let rows = vec![vec!["orders".into(), "ACTIVE".into(), String::new()], vec!["x".into(), "PENDING_DELETION".into(), "2026".into()]];
        let expected = "NAME    STATE             EXPIRES\norders  ACTIVE            -\nx       PENDING_DELETION  2026\n";
        assert_eq!(grid(&["name", "state", "expires"], rows), expected);
        assert_eq!(grid(&["name", "state"], Vec::new()), "NAME  STATE\n");
    }

    #[test]
    fn a_sheet_leaves_out_what_has_no_value() {
        assert_eq!(
            sheet(vec![("name", Some("orders".into())), ("alias", None), ("description", Some(String::new())), ("id", Some("key_1".into()))]),
            "name  orders\nid    key_1\n"
        );
        assert_eq!(sheet(Vec::new()), "");
    }

    #[test]
    fn times_are_shown_to_the_minute_in_utc() {
        assert_eq!(time("2026-11-21T23:44:55.123Z"), "2026-11-21 23:44Z");
        assert_eq!(time("2026-11-22T01:44:55+02:00"), "2026-11-21 23:44Z");
        assert_eq!(time("never"), "never");
    }

    proptest! {
        #[test]
        fn no_cell_breaks_its_line_or_steers_the_terminal(cell in any::<String>()) {
            let text = grid(&["a", "b"], vec![vec![cell.clone(), cell]]);
            prop_assert_eq!(text.lines().count(), 2);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)));
        }
    }
}
