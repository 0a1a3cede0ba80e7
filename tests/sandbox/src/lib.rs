//! A real control plane and PostgreSQL on loopback.
