"""Serve one MLflow model on a socket. Run as a script in a process of its own; it must import nothing of `trainer`.

The process is confined before anything of the model is loaded. It may open no socket: it accepts requests on one that
its parent has opened, and answers as `mlflow models serve` does, which is the same application.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

CANNOT_LOAD = 11
CANNOT_CONFINE = 13


def main(request_file: str) -> int:
    """Serve as a request file says: `model` and `scratch` (folders), `socket` (a descriptor), and `confinement`.

    Standard input is held open by the parent; its end, by whatever cause, ends this process.
    """
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sandbox = runpy.run_path(str(Path(__file__).parents[1] / "isolated" / "sandbox.py"))
        sandbox["confine"](sandbox["Confinement"](*request["confinement"]), [request["model"]], request["scratch"])
    except OSError as error:
        return _tell(CANNOT_CONFINE, error)
    try:
        application = _application(request["model"])
    except Exception as error:  # noqa: BLE001  (whatever the model raises, it does not serve)
        return _tell(CANNOT_LOAD, error)
    _serve(application, socket.socket(fileno=request["socket"]))
    return 0


def _application(folder: str) -> Any:
    import mlflow
    from mlflow.pyfunc import scoring_server

    return scoring_server.init(mlflow.pyfunc.load_model(folder))


def _serve(application: Any, listening: socket.socket) -> None:
    import uvicorn

    configuration = uvicorn.Config(application, loop="asyncio", lifespan="off", access_log=False, log_level="warning")
    uvicorn.Server(configuration).run(sockets=[listening])


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _tell(code: int, error: BaseException) -> int:
    sys.stderr.write(f"\n{type(error).__name__}: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
