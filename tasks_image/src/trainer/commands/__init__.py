"""The commands, one per file: `add_to` declares one, and what it declares runs it."""
