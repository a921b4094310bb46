"""From stored results to measured quantities: one module a log entry, tables out."""
