"""Pixels: frames, triage, OCR, decisions, masks."""
