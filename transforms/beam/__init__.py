"""The DoFns: thin wrappers over the functions of transforms."""
