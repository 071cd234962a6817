//! Pages: `MaxItems`, `Marker`, `IsTruncated`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::IamError;
use super::params::Params;
use super::reply::Reply;

/// How full pages are; IAM promises only that `IsTruncated` ends a listing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PageShape {
    /// As many items as asked for.
    #[default]
    Full,
    /// Half as many, although there are more.
    Short,
    /// Half as many, and every other page empty.
    Empty,
}

/// One page to cut out of a listing.
pub(super) struct Page {
    listing: String,
    after: Option<String>,
    items_max: usize,
    shape: PageShape,
    was_empty: bool,
}

impl Page {
    /// Reads the page's parameters. `listing` is the operation with all that filters it: a marker of one
    /// listing is refused by another.
    pub(super) fn new(params: &Params, listing: &str, shape: PageShape) -> Result<Self, IamError> {
        // A hash: the filter of a listing may be longer than IAM's markers.
        let listing = format!(
            "{:016x}",
            listing.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        );
        let items_max = params.max_items()?;
        let (mut after, mut was_empty) = (None, false);
        if let Some(marker) = params.get("Marker") {
            let bad = || IamError::validation("Invalid Marker");
            let text = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(bad)?;
            let mut parts = text.splitn(3, '\n');
            let (Some(of), Some(empty), Some(last)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(bad());
            };
            if of != listing {
                return Err(IamError::validation("Marker and Filter do not match"));
            }
            was_empty = empty == "e";
            after = Some(last.to_owned());
        }
        Ok(Self { listing, after, items_max, shape, was_empty })
    }

    /// Cuts the page out of the items, which come in order of their keys; returns its items and its tail.
    pub(super) fn cut<T>(&self, items: impl Iterator<Item = (String, T)>) -> (Vec<T>, Tail) {
        let mut rest =
            items.filter(|(key, _)| self.after.as_ref().is_none_or(|after| key > after)).peekable();
        let empty = self.shape == PageShape::Empty && !self.was_empty && rest.peek().is_some();
        let items_max = match self.shape {
            _ if empty => 0,
            PageShape::Full => self.items_max,
            PageShape::Short | PageShape::Empty => self.items_max.div_ceil(2),
        };
        let mut last = self.after.clone().unwrap_or_default();
        let mut taken = Vec::new();
        for (key, item) in rest.by_ref().take(items_max) {
            last = key;
            taken.push(item);
        }
        let marker = rest.peek().is_some().then(|| {
            let flag = if empty { "e" } else { "" };
            URL_SAFE_NO_PAD.encode(format!("{}\n{flag}\n{last}", self.listing))
        });
        (taken, Tail { marker })
    }
}

/// What follows the items of a page.
pub(super) struct Tail {
    marker: Option<String>,
}

impl Tail {
    /// Writes `IsTruncated` and, exactly when that is true, `Marker`.
    #[must_use]
    pub(super) fn add_to(self, reply: Reply) -> Reply {
        reply.text("IsTruncated", self.marker.is_some()).maybe("Marker", self.marker)
    }
}
