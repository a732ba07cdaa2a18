"""What happens to data: pure functions; no engine, no storage, no command line."""
