"""OCR engines, one file each, imported lazily."""
