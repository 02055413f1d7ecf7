"""Refuses requests to other host names than those of PIPELINES_ALLOWED_HOSTS, where that is set.

`make ui` sets it: there who can open Airflow is its admin, and a page of the internet could open it by a name of its
own that it lets point to loopback (DNS rebinding).
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from include.environment.settings import allowed_hosts


def _middlewares() -> list[dict[str, Any]]:
    if not (allowed := allowed_hosts()):
        return []
    from fastapi.middleware.trustedhost import TrustedHostMiddleware

    options = {"allowed_hosts": allowed, "www_redirect": False}
    return [{"name": "allowed hosts", "middleware": TrustedHostMiddleware, "args": [], "kwargs": options}]


class AllowedHostsPlugin(AirflowPlugin):
    """Adds the check to Airflow's API server."""

    name = "allowed_hosts"
    fastapi_root_middlewares = _middlewares()
