"""Checks of the data: Great Expectations, the inputs and the target."""
