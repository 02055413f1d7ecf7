"""All that travels inside a model: expressions, features, preprocessing, the fitted pipeline and its PyFunc."""
