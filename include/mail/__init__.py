"""The mail that a run sends at its end: what it says, how it looks, and how it is sent."""
