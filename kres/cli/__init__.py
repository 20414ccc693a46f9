"""The `kres` command: one file a subcommand, and the only place where training and export meet."""
