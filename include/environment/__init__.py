"""The environment: its settings, those of its cluster, and its connections."""
