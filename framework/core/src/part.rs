//! Parts of an object that the API server takes in requests of their own.

/// The target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The object, with its status if there is no subresource for that.
    Object,
    /// The status subresource.
    Status,
}
