//! Identity of a column type.

use postgres_types::Type;

/// The identity of a column type: two types are the same if and only if both numbers are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PgTypeId {
    /// The type's row in `pg_type`.
    pub oid: u32,
    /// Length, precision and the like; -1 without them.
    pub typmod: i32,
}

impl PgTypeId {
    /// Whether columns of both store the same: times without a precision store microseconds, six digits.
    pub fn stores_as(self, other: Self) -> bool {
        self.without_full_precision() == other.without_full_precision()
    }

    /// Whether it is a time, an interval, or an array of these, whose modifier says six digits, which is the most.
    pub fn has_full_precision(self) -> bool {
        match Type::from_oid(self.oid) {
            Some(
                Type::TIME
                | Type::TIMETZ
                | Type::TIMESTAMP
                | Type::TIMESTAMPTZ
                | Type::TIME_ARRAY
                | Type::TIMETZ_ARRAY
                | Type::TIMESTAMP_ARRAY
                | Type::TIMESTAMPTZ_ARRAY,
            ) => self.typmod == 6,
            Some(Type::INTERVAL | Type::INTERVAL_ARRAY) => self.typmod & INTERVAL_DIGITS == 6,
            _ => false,
        }
    }

    fn without_full_precision(self) -> Self {
        match (self.has_full_precision(), self.typmod | INTERVAL_DIGITS) {
            (false, _) => self,
            (true, fields) if self.typmod != 6 && fields != INTERVAL_OF_ALL_FIELDS => {
                Self { typmod: fields, ..self }
            }
            (true, _) => Self { typmod: -1, ..self },
        }
    }
}

/// The part of an interval's modifier that is its digits; the rest is its fields.
const INTERVAL_DIGITS: i32 = 0xffff;
const INTERVAL_OF_ALL_FIELDS: i32 = 0x7fff_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    /// A modifier of an interval: fields and digits.
    const fn interval(fields: i32, digits: i32) -> i32 {
        fields << 16 | digits
    }

    #[test]
    fn six_digits_are_as_many_as_without_a_precision() {
        const ALL: i32 = 0x7fff;
        // DAY TO SECOND and SECOND, as the server numbers fields.
        const DAY_TO_SECOND: i32 = 0x1c08;
        const SECOND: i32 = 0x1000;
        for (type_, one, other, same) in [
            (Type::TIMESTAMP, 6, -1, true),
            (Type::TIMESTAMPTZ, 6, -1, true),
            (Type::TIME, 6, -1, true),
            (Type::TIMETZ, 6, -1, true),
            (Type::TIMESTAMP_ARRAY, 6, -1, true),
            (Type::TIMETZ_ARRAY, -1, 6, true),
            (Type::TIMESTAMP, 5, -1, false),
            (Type::INTERVAL, interval(ALL, 6), -1, true),
            (Type::INTERVAL_ARRAY, interval(ALL, 6), -1, true),
            (Type::INTERVAL, interval(ALL, 3), -1, false),
            (Type::INTERVAL, interval(DAY_TO_SECOND, 6), interval(DAY_TO_SECOND, 0xffff), true),
            (Type::INTERVAL, interval(DAY_TO_SECOND, 6), -1, false),
            (Type::INTERVAL, interval(DAY_TO_SECOND, 6), interval(SECOND, 6), false),
            (Type::NUMERIC, 6, -1, false),
            (Type::BPCHAR, 6, -1, false),
        ] {
            let id = |typmod| PgTypeId { oid: type_.oid(), typmod };
            assert_eq!(id(one).stores_as(id(other)), same, "{type_} {one:x} {other:x}");
        }
    }
}
