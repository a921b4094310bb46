"""Adversarial training: log entry 13."""
