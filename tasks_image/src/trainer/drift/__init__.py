"""How far data has moved: effect sizes, and what chance alone explains."""
