//! Pages: everything that is listed is listed by cursor.

use keystead_domain::Invalid;

/// How many rows a page has when nobody says.
pub const LIMIT_DEFAULT: u32 = 100;
/// How many rows a page has at most.
pub const LIMIT_MAX: u32 = 1000;

/// Which page: what lies behind the cursor, so many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The last id of the page before; `None` for the first page.
    pub after: Option<String>,
    /// How many rows.
    pub limit: u32,
}

impl Page {
    /// Checks cursor and limit as a caller gave them.
    ///
    /// # Errors
    /// [`Invalid`] naming `cursor` or `limit`.
    pub fn parse(after: Option<&str>, limit: Option<u32>) -> Result<Self, Invalid> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Invalid::new("limit", format!("is {limit}"), format!("Give 1 to {LIMIT_MAX}.")));
        }
        let readable = |text: &&str| !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match after {
            Some(text) if !readable(&text) => Err(Invalid::new("cursor", "is not a cursor", "Give the next_cursor of the page before, unchanged.")),
            _ => Ok(Self { after: after.map(str::to_owned), limit }),
        }
    }

    /// The first page, as long as pages get.
    pub const fn first() -> Self {
        Self { after: None, limit: LIMIT_MAX }
    }

    /// The cursor as a value that sorts before every id when there is none.
    pub(crate) fn after_or_start(&self) -> &str {
        self.after.as_deref().unwrap_or("")
    }

    /// One row more than the page holds: it tells whether there is another page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts the extra row off and answers the cursor of the next page.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, id: impl Fn(&T) -> String) -> Listed<T> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let next = if more { rows.last().map(id) } else { None };
        Listed { rows, next }
    }
}

/// A page of rows.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None` when this is the last.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limits_and_cursors_are_checked() {
        assert!(Page::parse(None, Some(0)).is_err());
        assert!(Page::parse(None, Some(1001)).is_err());
        assert!(Page::parse(Some("a' OR 1=1"), None).is_err());
        assert!(Page::parse(Some(""), None).is_err());
        assert_eq!(Page::parse(None, None), Ok(Page { after: None, limit: 100 }));
    }

    proptest! {
        #[test]
        fn no_cursor_makes_it_panic_and_what_is_taken_is_plain(text in "\\PC*", near in "[a-z0-9_']{0,70}", limit: u32) {
            for text in [text, near] {
                if let Ok(page) = Page::parse(Some(&text), Some(limit)) {
                    prop_assert!(page.limit <= LIMIT_MAX && page.after.is_some_and(|after| after.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
                }
            }
        }
    }
}
