"""The graph's steps, one module a stage, in the order in which data takes its way."""
