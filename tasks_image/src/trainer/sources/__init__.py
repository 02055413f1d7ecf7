"""Reading rows: sources, their readers, and the types of columns."""
