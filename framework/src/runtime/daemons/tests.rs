//! Sizes of what the operator itself holds for each daemon.
