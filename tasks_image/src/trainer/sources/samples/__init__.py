"""Built-in samples: rows from seeded generators."""
