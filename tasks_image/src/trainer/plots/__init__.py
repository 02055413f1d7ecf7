"""Pictures of a model; each is drawn once, and kept as PNG and as SVG."""
