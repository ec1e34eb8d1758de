"""A small study under a seeded schedule of faults, and what has to hold whatever is injected: python -m faults."""
