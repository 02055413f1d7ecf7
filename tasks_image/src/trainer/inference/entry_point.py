"""What MLflow runs to load the model; it becomes part of the model itself ("models from code")."""

from mlflow.models import set_model

from trainer.inference.pyfunc import InferencePipeline

set_model(InferencePipeline())
