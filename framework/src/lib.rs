//! korf
