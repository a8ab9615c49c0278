//! Pieces of HTML. Every text goes through [`escape`].

/// A text as it stands in HTML, in content and in double-quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `<name>inner</name>`, the inner being HTML already.
pub(super) fn element(name: &str, inner: &str) -> String {
    format!("<{name}>{inner}</{name}>")
}

/// A link whose words are text.
pub(super) fn link(to: &str, words: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(to), escape(words))
}

/// Text in code style; what stands between back-ticks.
pub(super) fn code(text: &str) -> String {
    element("code", &escape(text))
}

/// Prose of a doc comment: blank lines part paragraphs, back-ticks mark code.
pub(super) fn paragraphs(text: &str) -> String {
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.map(|block| format!("<p>{}</p>\n", prose(block))).collect()
}

/// One paragraph's words.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::new();
    for (at, piece) in text.split('`').enumerate() {
        out.push_str(&if at % 2 == 1 { code(piece) } else { escape(piece) });
    }
    out
}

/// A table with a caption for who does not see it.
pub(super) fn table(caption: &str, heads: &[&str], rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escape(head))).collect();
    format!("<table>\n<caption>{}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n", escape(caption))
}

/// A row of a table: the first cell heads it, and all cells are HTML already.
pub(super) fn row(head: &str, cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|cell| element("td", cell)).collect();
    format!("<tr><th scope=\"row\">{head}</th>{cells}</tr>\n")
}
