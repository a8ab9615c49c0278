//! What a ciphertext is bound to, as bytes: each part behind its length, so that no two lists of parts give the same bytes.

/// Associated data under construction.
pub(crate) struct Aad(Vec<u8>);

impl Aad {
    /// Begins with the purpose: a ciphertext made for one purpose never opens for another.
    pub(crate) fn of(purpose: &str) -> Self {
        Self(Vec::with_capacity(256)).text(purpose)
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(self, number: u32) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        // No part comes near 4 GiB: ids, names and headers are what is bound.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend(len.to_be_bytes());
        self.0.extend(bytes);
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_part_ends_and_the_next_begins_matters() {
        assert_ne!(Aad::of("p").text("ab").text("c").as_bytes(), Aad::of("p").text("a").text("bc").as_bytes());
        assert_ne!(Aad::of("p").text("").as_bytes(), Aad::of("p").as_bytes());
    }

    #[test]
    fn the_bytes_are_what_the_format_says() {
        assert_eq!(Aad::of("p").number(258).as_bytes(), [0, 0, 0, 1, b'p', 0, 0, 0, 4, 0, 0, 1, 2]);
    }
}
