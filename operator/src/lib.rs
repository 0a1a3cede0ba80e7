//! One PostgreSQL table for every `DatabaseTable` object.
