//! YAML 1.2, with lines. Anchors and aliases are refused: what stands in one place says what it means, and no file unfolds into a thousand times its size.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;

use super::node::{Kind, Node, Unreadable};

/// How deep values may lie in each other.
const DEPTH_MAX: usize = 16;

/// Reads a file of one document.
///
/// # Errors
/// Line, reason and mend.
pub(super) fn parse(text: &str) -> Result<Node, Unreadable> {
    let mut events =
        Events(Parser::new_from_str(text).filter(|event| !matches!(event, Ok((Event::Nothing | Event::StreamStart | Event::DocumentStart(_), _)))).peekable());
    let node = match events.next()? {
        (Event::StreamEnd, _) => Node { line: 1, kind: Kind::Map(Vec::new()) },
        (event, line) => events.node(event, line, 0)?,
    };
    match events.next()? {
        (Event::StreamEnd, _) => Ok(node),
        (Event::DocumentEnd, _) => match events.next()? {
            (Event::StreamEnd, _) => Ok(node),
            (_, line) => Err((line, "has a second document".to_owned(), "Write it into a file of its own.".to_owned())),
        },
        (_, line) => Err((line, "has something behind its end".to_owned(), "Mend the YAML there.".to_owned())),
    }
}

/// What the parser sees, one after the other.
struct Events<I: Iterator>(std::iter::Peekable<I>);

impl<'text, I: Iterator<Item = Result<(Event<'text>, Span), ScanError>>> Events<I> {
    fn next(&mut self) -> Result<(Event<'text>, usize), Unreadable> {
        match self.0.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line().max(1))),
            Some(Err(error)) => Err((error.marker().line().max(1), error.info().trim_end_matches('.').to_owned(), "Mend the YAML there.".to_owned())),
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn node(&mut self, event: Event<'text>, line: usize, depth: usize) -> Result<Node, Unreadable> {
        let refuse = |reason: &str, mend: &str| Err((line, reason.to_owned(), mend.to_owned()));
        let anchored = matches!(event, Event::Scalar(_, _, 1.., _) | Event::SequenceStart(1.., _) | Event::MappingStart(1.., _));
        if anchored || matches!(event, Event::Alias(_)) {
            return refuse("has an anchor or an alias", "Write the value out where it is meant.");
        }
        if depth > DEPTH_MAX {
            return refuse("is nested too deep", "See the manual for the form of an estate.");
        }
        let kind = match event {
            Event::Scalar(text, style, _, _) => Kind::Scalar(scalar(&text, style)),
            Event::SequenceStart(..) => Kind::List(self.list(depth)?),
            Event::MappingStart(..) => Kind::Map(self.map(depth)?),
            _ => return refuse("is no value", "Mend the YAML there."),
        };
        Ok(Node { line, kind })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Unreadable> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(nodes),
                (event, line) => nodes.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(String, usize, Node)>, Unreadable> {
        let mut pairs = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(pairs),
                (Event::Scalar(text, ..), line) => (text.into_owned(), line),
                (_, line) => return Err((line, "has a name that is no text".to_owned(), "Write a word and a colon.".to_owned())),
            };
            let (event, at) = self.next()?;
            pairs.push((key, line, self.node(event, at, depth + 1)?));
        }
    }
}

/// What a scalar means by the core schema of YAML 1.2; quoted, it is a text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => text.parse::<i64>().map_or_else(|_| text.into(), Into::into),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quoted_number_is_a_text_and_a_plain_one_is_none() {
        let Kind::Map(pairs) = parse("a: \"1\"\nb: 1\nc: true\nd:\ne: 90d\n").expect("YAML").kind else { panic!("a map") };
        let values: Vec<_> = pairs.into_iter().map(|(_, line, node)| (line, node.kind)).collect();
        let scalar = |value: Value| Kind::Scalar(value);
        assert_eq!(values, [(1, scalar("1".into())), (2, scalar(1.into())), (3, scalar(true.into())), (4, scalar(Value::Null)), (5, scalar("90d".into()))]);
    }

    #[test]
    fn a_second_document_and_a_deep_nest_are_refused() {
        assert!(parse("a: 1\n---\nb: 2\n").expect_err("two").1.contains("second document"));
        assert!(parse(&"[".repeat(40)).is_err() && parse(&"- ".repeat(40)).is_err());
        assert_eq!(parse("").expect("nothing").kind, Kind::Map(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", near in "[ \\n:a-c\\-\\[\\]{}&*\"'|>#]{0,60}") {
            for text in [text, near] {
                let _ = parse(&text);
                let _ = super::super::toml::parse(&text);
            }
        }
    }
}
