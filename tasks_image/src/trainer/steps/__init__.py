"""The steps, one per file, each `run(pipeline, run) -> Result`, where `run` is the step's own folder."""
