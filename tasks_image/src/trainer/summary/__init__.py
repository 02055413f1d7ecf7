"""What a run did and decided, as one record and as a text for a terminal."""
