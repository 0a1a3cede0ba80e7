//! Cases of the election.
