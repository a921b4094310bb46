"""From tables to pictures: one module a log entry, the same names as the experiments. Nothing here computes."""
