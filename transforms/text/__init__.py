"""Identifying text: known identifiers, patterns, safe vocabulary."""
