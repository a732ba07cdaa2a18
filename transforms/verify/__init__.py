"""Verification of what is about to be written."""
