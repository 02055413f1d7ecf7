"""Commands around docker-compose.yaml, and what its containers mount; the standard library only."""
