"""Pages for people: one file each, to be opened without a network."""
