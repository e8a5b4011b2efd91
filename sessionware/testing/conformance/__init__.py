"""The contract of a store, as a suite of tests that a store of any package can pass."""
