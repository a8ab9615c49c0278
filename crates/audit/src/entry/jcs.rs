//! Writing canonical JSON (RFC 8785). Only strings, integers, arrays and objects occur; names must be given in their order.

/// A JSON text in the making.
pub(super) struct Writer(String);

/// The fields of an object in the making.
pub(super) struct Fields<'a> {
    json: &'a mut Writer,
    first: bool,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub(super) fn object(&mut self, write: impl FnOnce(&mut Fields<'_>)) {
        self.0.push('{');
        write(&mut Fields { json: self, first: true });
        self.0.push('}');
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// RFC 8785 §3.2.2.2: short escapes where JSON has them, `\u00xx` in lower case for other control characters, everything else as it is.
    fn string(&mut self, text: &str) {
        self.0.push('"');
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            self.0.push_str(&rest[..at]);
            self.escape(rest.as_bytes()[at]);
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        self.0.push('"');
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            0x08 => self.0.push_str("\\b"),
            b'\t' => self.0.push_str("\\t"),
            b'\n' => self.0.push_str("\\n"),
            0x0c => self.0.push_str("\\f"),
            b'\r' => self.0.push_str("\\r"),
            b'"' => self.0.push_str("\\\""),
            b'\\' => self.0.push_str("\\\\"),
            control => self.0.push_str(&format!("\\u{control:04x}")),
        }
    }
}

impl Fields<'_> {
    fn name(&mut self, name: &str) {
        if !self.first {
            self.json.0.push(',');
        }
        self.first = false;
        self.json.string(name);
        self.json.0.push(':');
    }

    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        self.json.string(value);
    }

    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(name, value);
        }
    }

    pub(super) fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        self.json.0.push_str(&value.to_string());
    }

    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Fields<'_>)) {
        self.name(name);
        self.json.object(write);
    }

    pub(super) fn array<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut Fields<'_>)) {
        self.name(name);
        self.json.0.push('[');
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.json.0.push(',');
            }
            self.json.object(|fields| write(item, fields));
        }
        self.json.0.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_in_the_sample_of_rfc_8785_section_3_2_2() {
        let mut json = Writer::with_capacity(0);
        json.string("\u{20ac}$\u{f}\nA'\u{42}\"\\\\\"/");
        assert_eq!(json.0, "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
    }

    #[test]
    fn control_characters_have_their_short_escape_where_there_is_one() {
        let mut json = Writer::with_capacity(0);
        json.string("\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}");
        assert_eq!(json.0, "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\"");
    }
}
