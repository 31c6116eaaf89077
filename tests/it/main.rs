//! Every integration test, in one binary for the sake of link time.
