"""The tools, as the MCP server and the prompt offer them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from include.agents.cost import calculate_training_cost
from include.agents.decision import get_decision
from include.agents.errors import ToolError
from include.agents.experiments import get_experiment_metrics, list_mlflow_experiments
from include.agents.pipelines import list_pipelines
from include.agents.promotion_requests import request_promotion, request_rollback
from include.agents.status import get_training_status
from include.agents.trigger import trigger_training_job
from include.agents.versions import list_versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.agents.answers import Answer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tool:
    """A function with what a client has to know before it calls it."""

    function: Callable[..., Answer]
    reads_only: bool = True
    is_destructive: bool = False
    """True for a request that, once a person has approved it, replaces production."""

    @property
    def name(self) -> str:
        """Return the name of its function."""
        return self.function.__name__


TOOLS = (
    Tool(list_mlflow_experiments),
    Tool(get_experiment_metrics),
    Tool(trigger_training_job, reads_only=False),
    Tool(get_training_status),
    Tool(calculate_training_cost),
    Tool(list_pipelines),
    Tool(get_decision),
    Tool(list_versions),
    Tool(request_promotion, reads_only=False, is_destructive=True),
    Tool(request_rollback, reads_only=False, is_destructive=True),
)


def guarded(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return the function with each unexpected failure as a ToolError, such as an answer of another form."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Answer:
        try:
            return function(*args, **kwargs)
        except ToolError:
            raise
        except Exception as error:  # a server's answer can have any form
            logger.debug("%s failed", function.__name__, exc_info=True)
            raise ToolError(
                f"{function.__name__}: Airflow or MLflow has answered in a form that is not understood "
                f"({type(error).__name__}); are AGENTS_AIRFLOW_URL and AGENTS_MLFLOW_URL their addresses?"
            ) from None

    return call
