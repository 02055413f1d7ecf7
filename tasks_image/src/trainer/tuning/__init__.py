"""The search for hyperparameters: Optuna's studies, and cross-validation."""
