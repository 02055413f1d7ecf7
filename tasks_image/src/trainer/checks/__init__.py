"""What rows must keep to: Great Expectations, and checks of inputs and of the target."""
