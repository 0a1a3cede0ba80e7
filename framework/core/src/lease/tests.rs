//! Tests of the election: replicas on a model of the API server, with clocks of their own.

mod cases;
mod laws;
mod model;
