"""The fuzzer: finds the sequence of calls that breaks a loss waterfall. See docs/fuzzing.md."""
