//! What arguments have in common that hold a shared value.

/// The argument derefs to its value, and a test of a handler makes it of a plain one.
macro_rules! shared {
    ($argument:ident $(<$T:ident>)?: $value:ty) => {
        impl $(<$T>)? std::ops::Deref for $argument $(<$T>)? {
            type Target = $value;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl $(<$T>)? From<$value> for $argument $(<$T>)? {
            fn from(value: $value) -> Self {
                Self(std::sync::Arc::new(value))
            }
        }
    };
}

pub(super) use shared;
