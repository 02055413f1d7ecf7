"""A pipeline's own code: cloned at one commit, checked by each step, bundled with the models that need it."""
