//! What differs between two JSON values.

/// The differences, in a fixed order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff(Vec<()>);
