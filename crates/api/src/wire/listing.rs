//! Pages: everything that is listed is listed by cursor.

use keystead_store::page::Listed;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// What is on this page.
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; null when this is the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// Makes a page of a page of rows.
    pub fn of<R>(listed: Listed<R>, wire: impl FnMut(R) -> T) -> Self {
        Self { items: listed.rows.into_iter().map(wire).collect(), next_cursor: listed.next }
    }

    /// The same where a row may be unreadable.
    ///
    /// # Errors
    /// That of the first row that is.
    pub fn try_of<R, E>(listed: Listed<R>, wire: impl FnMut(R) -> Result<T, E>) -> Result<Self, E> {
        let items: Result<Vec<T>, E> = listed.rows.into_iter().map(wire).collect();
        Ok(Self { items: items?, next_cursor: listed.next })
    }
}
