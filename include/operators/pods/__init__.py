"""A step as a pod: where it is placed, what it looks like, how it is waited for, and what its end means."""
