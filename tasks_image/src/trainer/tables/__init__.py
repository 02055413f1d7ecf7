"""Tables in a run folder: Parquet files, row keys, and the part of each row."""
