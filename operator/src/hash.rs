//! Hash of 64 bits that is the same in every version of the operator.

/// FNV-1a. <http://www.isthe.com/chongo/tech/comp/fnv/>
pub fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(super::fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }
}
