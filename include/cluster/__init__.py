"""`make cluster-up` and `make cluster-down`: the overlay `development` on kind, for the environment `trial`."""
