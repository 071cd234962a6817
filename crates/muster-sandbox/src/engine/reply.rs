//! The content of an answer, before it is written as XML.

/// A value in an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// A scalar, already as text.
    Text(String),
    /// A structure.
    Struct(Reply),
    /// A list, written with `<member>` around each.
    List(Vec<Field>),
    /// A map, written as `<entry><key/><value/></entry>`.
    Map(Vec<(String, String)>),
}

/// The members of a result, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply(pub Vec<(&'static str, Field)>);

impl Reply {
    /// An answer without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over numbers and texts alike")]
    pub fn text(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name, Field::Text(value.to_string())));
        self
    }

    /// Adds bytes, which travel as base64.
    #[must_use]
    pub fn blob(self, name: &'static str, bytes: &[u8]) -> Self {
        use base64::Engine as _;
        self.text(name, base64::engine::general_purpose::STANDARD.encode(bytes))
    }

    /// Adds a text if there is one.
    #[must_use]
    pub fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a structure.
    #[must_use]
    pub fn nested(mut self, name: &'static str, value: Reply) -> Self {
        self.0.push((name, Field::Struct(value)));
        self
    }

    /// Adds a list of structures.
    #[must_use]
    pub fn structs(mut self, name: &'static str, items: impl IntoIterator<Item = Reply>) -> Self {
        self.0.push((name, Field::List(items.into_iter().map(Field::Struct).collect())));
        self
    }

    /// Adds a list of texts.
    #[must_use]
    pub fn texts(mut self, name: &'static str, items: impl IntoIterator<Item = String>) -> Self {
        self.0.push((name, Field::List(items.into_iter().map(Field::Text).collect())));
        self
    }

    /// Adds a map.
    #[must_use]
    pub fn map(mut self, name: &'static str, entries: Vec<(String, String)>) -> Self {
        self.0.push((name, Field::Map(entries)));
        self
    }
}
