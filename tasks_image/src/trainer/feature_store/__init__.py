"""Features by id in Redis, for services."""
