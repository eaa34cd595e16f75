//! Builds everything from the configuration and shuts it down in order.
