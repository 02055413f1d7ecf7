"""Where rows come from: the built-in sample, public data sets and what is measured on them."""
