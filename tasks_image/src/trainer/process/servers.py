"""The two fork servers of a run on one machine: one for steps, one for models that are scored in isolation."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from typing import TYPE_CHECKING

from trainer.environment import python_environment
from trainer.process.forked import ForkServer
from trainer.process.preload import SCORING, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

ISOLATED = (sys.executable, "-S", "-P")
"""Python without site-packages, and so without an editable install of this package: PYTHONPATH brings the libraries."""


def launch_step_server(addresses: Mapping[str, str]) -> ForkServer:
    """Start a fork server for steps; `addresses` are those variables of a step's environment that hold no secret."""
    return ForkServer.launch(STEPS, {**python_environment(), **addresses})


def launch_scoring_server() -> ForkServer:
    """Start a fork server for models: without this package on its path, and without credentials."""
    return ForkServer.launch(SCORING, isolated_environment(tempfile.gettempdir()), ISOLATED)


def isolated_environment(scratch: str) -> dict[str, str]:
    """Return the environment of an isolated process: the libraries, and a folder for temporary files."""
    libraries = dict.fromkeys(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib"))
    own = {"PYTHONPATH": os.pathsep.join(libraries)}
    own |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR"), scratch)
    return {**python_environment(), **own}
