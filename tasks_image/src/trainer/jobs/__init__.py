"""The training job and what it is made of."""
