"""How good a model is: figures, comparison, segments, behaviour, importance and acceptance."""
