"""Where rows come from, and the types that they get."""
