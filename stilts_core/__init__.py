"""Studies of intermediate-task transfer for multilingual encoders, from a YAML file to a report."""

__version__ = "0.1.0"
