"""From rows to a fitted and saved model: training jobs, estimators, and how they are fitted."""
