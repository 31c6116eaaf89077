//! The embedded optimizer: finds the best feasible settings in few noisy trials, without a server.

pub mod search;
