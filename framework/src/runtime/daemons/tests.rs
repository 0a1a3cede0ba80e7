//! Sizes of what the operator itself holds for each daemon.

use super::object::{size, size_of_object};
use crate::runtime::memory::Memory;
use korf_core::Uid;

/// What docs/concepts.md states. The span comes to that, and what the allocator and tokio add.
const LIMIT: usize = 1_600;

#[test]
fn the_operator_s_own_share_of_a_daemon_is_small() {
    let (daemon, object, memory) = (size(), size_of_object(), size_of::<(Uid, Memory)>());
    assert!(daemon + object + memory <= LIMIT, "{daemon} + {object} + {memory} bytes");
}
