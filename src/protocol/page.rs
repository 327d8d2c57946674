//! Lists are keyset-paged: `limit` and `cursor` in, `items` and `next` out.

use serde::{Deserialize, Serialize};

/// Items on a page unless the request says otherwise.
pub const DEFAULT_PAGE: u32 = 50;
/// The most items a page can have.
pub const MAX_PAGE: u32 = 200;

/// How many items are wanted, or why so many cannot be had.
pub fn page_limit(asked: Option<u32>) -> Result<u32, String> {
    let limit = asked.unwrap_or(DEFAULT_PAGE);
    let is_fine = (1..=MAX_PAGE).contains(&limit);
    is_fine.then_some(limit).ok_or_else(|| format!("limit must be between 1 and {MAX_PAGE}"))
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
