"""How it runs: command line, settings, storage, engines, audit."""
