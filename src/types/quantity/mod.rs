//! Quantities of resources as Kubernetes writes them: cores of a CPU and bytes of memory.

mod byte_size;
mod core;

pub use byte_size::ByteSize;
pub use core::Core;

/// Why a text or a number is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number of cores.
    #[error("could not parse '{0}' as a number of cores: write 250m, 0.5 or 2")]
    Core(String),
    /// Not a number with a unit.
    #[error("could not parse value and unit from byte string '{0}': write 512Mi, 1.5Gi or a whole number of bytes")]
    ByteSize(String),
    /// A unit that does not exist.
    #[error("could not interpret byte unit '{unit}' of '{text}': use Ki, Mi, Gi, Ti, Pi, Ei or K, M, G, T, P, E")]
    ByteUnit { unit: String, text: String },
    /// More bytes than 64 bits count.
    #[error("'{0}' is out of range: at most 9223372036854775807 bytes")]
    TooLarge(String),
}
