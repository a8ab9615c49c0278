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

    /// The same for a statement that has the number in its text: rounded up, so that the texts are few. PostgreSQL keeps a plan for a LIMIT that it can read; for one
    /// that comes as a value it expects a tenth of the table, and in a large one plans anew at every page.
    pub(crate) fn fetch_in_text(&self) -> u32 {
        [10, 20, 50, 100, 200, 500].into_iter().find(|round| *round >= self.limit).unwrap_or(LIMIT_MAX.max(self.limit)) + 1
    }

    /// Cuts the extra rows off and answers the cursor of the next page.
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

    #[test]
    fn the_rows_that_a_text_names_are_enough_and_the_texts_are_few() {
        let fetched = |limit: u32| Page { after: None, limit }.fetch_in_text();
        assert!((1..=LIMIT_MAX).all(|limit| fetched(limit) > limit));
        assert_eq!((1..=LIMIT_MAX).map(fetched).collect::<std::collections::BTreeSet<_>>(), [11, 21, 51, 101, 201, 501, 1001].into());
        assert_eq!(fetched(5_000), 5_001);
        let rows = |count: u32| Page { after: None, limit: 3 }.cut((1..=count).collect(), u32::to_string);
        assert_eq!((rows(11).rows, rows(11).next), (vec![1, 2, 3], Some("3".to_owned())), "what was fetched beyond the page is cut off");
        assert_eq!((rows(3).rows, rows(3).next), (vec![1, 2, 3], None));
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
