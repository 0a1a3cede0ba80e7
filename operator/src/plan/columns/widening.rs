//! Types that become wider: all values stay as they are. Most are stored as before, so that the server changes the catalog and no row.
//!
//! <https://www.postgresql.org/docs/current/sql-altertable.html>, Notes: no rewrite where the old type is binary coercible to the
//! new one, or a length, a precision grows. Integers aren't among them: all rows are written again.

use crate::catalog::PgTypeId;
use postgres_types::Type;

/// What PostgreSQL adds to a length or a precision in a modifier.
const OFFSET: i32 = 4;

/// Whether a column of the one type can become one of the other without a row being written.
pub fn widens(from: PgTypeId, to: PgTypeId) -> bool {
    let (old, new) = (from.typmod, to.typmod);
    // -1 stands for no limit.
    let grows = new < 0 || (old >= 0 && new >= old);
    match (Type::from_oid(from.oid), Type::from_oid(to.oid)) {
        (Some(Type::VARCHAR), Some(Type::VARCHAR)) | (Some(Type::VARBIT), Some(Type::VARBIT)) => grows,
        (Some(Type::VARCHAR), Some(Type::TEXT)) => true,
        (Some(Type::TEXT), Some(Type::VARCHAR)) => new < 0,
        (Some(Type::NUMERIC), Some(Type::NUMERIC)) => {
            new < 0 || (old >= 0 && scale(old) == scale(new) && precision(new) >= precision(old))
        }
        (Some(one), Some(other)) if one == other => {
            let is_time = [Type::TIME, Type::TIMETZ, Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(&one);
            is_time && grows
        }
        _ => false,
    }
}

/// Whether the one type is an integer, and the other one a longer one.
pub fn lengthens(from: PgTypeId, to: PgTypeId) -> bool {
    let bytes = |id: PgTypeId| match Type::from_oid(id.oid) {
        Some(Type::INT2) => Some(2),
        Some(Type::INT4) => Some(4),
        Some(Type::INT8) => Some(8),
        _ => None,
    };
    bytes(from).zip(bytes(to)).is_some_and(|(from, to)| from < to)
}

/// The digits of a numeric.
const fn precision(typmod: i32) -> i32 {
    ((typmod - OFFSET) >> 16) & 0xffff
}

/// The digits behind the point, which may be negative; here as they are stored.
const fn scale(typmod: i32) -> i32 {
    (typmod - OFFSET) & 0x7ff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_longer_than_those_of_fewer_bytes() {
        let id = |type_: &Type| PgTypeId { oid: type_.oid(), typmod: -1 };
        let integers = [Type::INT2, Type::INT4, Type::INT8];
        for (from, one) in integers.iter().enumerate() {
            for (to, other) in integers.iter().enumerate() {
                assert_eq!(lengthens(id(one), id(other)), from < to, "{one} {other}");
            }
            for other in [Type::NUMERIC, Type::FLOAT8, Type::OID, Type::TEXT, Type::INT8_ARRAY] {
                assert!(!lengthens(id(one), id(&other)) && !lengthens(id(&other), id(one)), "{one} {other}");
            }
        }
    }

    #[test]
    fn only_what_keeps_all_values_as_they_are_stored_is_wider() {
        const fn numeric(precision: i32, scale: i32) -> i32 {
            ((precision << 16) | (scale & 0x7ff)) + OFFSET
        }
        for (from, old, to, new, wider) in [
            (Type::VARCHAR, 54, Type::VARCHAR, 64, true),
            (Type::VARCHAR, 54, Type::VARCHAR, -1, true),
            (Type::VARCHAR, 54, Type::VARCHAR, 44, false),
            (Type::VARCHAR, -1, Type::VARCHAR, 54, false),
            (Type::VARCHAR, 54, Type::TEXT, -1, true),
            (Type::TEXT, -1, Type::VARCHAR, -1, true),
            (Type::TEXT, -1, Type::VARCHAR, 54, false),
            (Type::BPCHAR, 54, Type::BPCHAR, 64, false),
            (Type::BPCHAR, 54, Type::TEXT, -1, false),
            (Type::NUMERIC, numeric(10, 2), Type::NUMERIC, numeric(12, 2), true),
            (Type::NUMERIC, numeric(10, 2), Type::NUMERIC, -1, true),
            (Type::NUMERIC, numeric(10, 2), Type::NUMERIC, numeric(12, 3), false),
            (Type::NUMERIC, numeric(10, 2), Type::NUMERIC, numeric(8, 2), false),
            (Type::NUMERIC, numeric(10, -2), Type::NUMERIC, numeric(12, -2), true),
            (Type::NUMERIC, -1, Type::NUMERIC, numeric(10, 2), false),
            (Type::TIMESTAMP, 3, Type::TIMESTAMP, -1, true),
            (Type::TIMESTAMPTZ, 3, Type::TIMESTAMPTZ, 4, true),
            (Type::TIME, -1, Type::TIME, 3, false),
            (Type::TIMESTAMP, -1, Type::TIMESTAMPTZ, -1, false),
            (Type::VARBIT, 5, Type::VARBIT, 9, true),
            (Type::BIT, 5, Type::BIT, 9, false),
            (Type::INT4, -1, Type::INT8, -1, false),
            (Type::INT2, -1, Type::INT4, -1, false),
            (Type::VARCHAR_ARRAY, 54, Type::VARCHAR_ARRAY, 64, false),
            (Type::INTERVAL, 3, Type::INTERVAL, -1, false),
            (Type::JSON, -1, Type::JSONB, -1, false),
        ] {
            let id = |type_: &Type, typmod| PgTypeId { oid: type_.oid(), typmod };
            assert_eq!(widens(id(&from, old), id(&to, new)), wider, "{from} {old} {to} {new}");
        }
    }
}
