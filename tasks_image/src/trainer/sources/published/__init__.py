"""Published data sets, fetched by `make data`."""
