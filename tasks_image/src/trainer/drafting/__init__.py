"""A first YAML for a file: what its columns are, and what predicts its target."""
