"""Deployment to a router on this machine, which `trainer serve` runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from trainer import errors
from trainer.deployment.request_rows import as_request
from trainer.deployment.target import Asked, Served
from trainer.errors import ConfigurationError, ModelRefusedError, OutageError, TrainerError
from trainer.serving.observed import Observations
from trainer.serving.state import ADDRESS_FILE, RouterAddress, read
from trainer.serving.traffic import Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    import requests

SECONDS_TO_ANSWER = 60
SECONDS_TO_START = 360
"""A version is fetched and loaded meanwhile."""
CONFLICT, BAD_REQUEST, OK = 409, 400, 200


class LocalTarget:
    """The router of one model; a folder below the environment's says where it is."""

    def __init__(self, folder: str, model: str) -> None:
        """Name the folder of all routers; nothing is asked yet."""
        self.folder, self.model = Path(folder) / model, model
        self.address = f"a router on this machine ({self.folder})"

    def state(self) -> Served:
        """Return what is served."""
        found = self._json("GET", "")
        shares, experiment = tuple(map(Share.model_validate, found["split"]["shares"])), found["experiment"] or {}
        return Served(found["revision"], shares, found["running"], experiment.get("name", ""))

    def start(self, version: str, digest: str) -> None:
        """Let the router fetch a version and start its process."""
        self._json("PUT", f"/versions/{quote(version)}", {"digest": digest}, SECONDS_TO_START)

    def ask(self, version: str, rows: pl.DataFrame) -> Asked:
        """Ask one version through the router. Raises ModelRefusedError if it does not answer each row."""
        began = time.perf_counter()
        found = self._json("POST", f"/versions/{quote(version)}/invocations", as_request(rows))
        milliseconds = (time.perf_counter() - began) * 1000
        return Asked(
            answers_in(f"{self.model} version {version}", found["status"], found["body"], rows.height), milliseconds
        )

    def divide(self, shares: Sequence[Share], revision: int) -> None:
        """Divide the traffic from the next request on."""
        self._json("PUT", "/split", {"shares": [share.model_dump() for share in shares], "revision": revision})

    def observations(self, version: str) -> Observations:
        """Return what the router has seen of a version."""
        return Observations.model_validate(self._json("GET", f"/versions/{quote(version)}/observations"))

    def remove(self, version: str) -> None:
        """End a version's process once it has answered what it was asked."""
        self._json("DELETE", f"/versions/{quote(version)}")

    def begin_experiment(self, name: str, shares: tuple[Share, Share], salt: str, revision: int) -> None:
        """Divide the traffic between A and B of an experiment; one that runs already stays."""
        asked = {"shares": [share.model_dump() for share in shares], "salt": salt, "revision": revision}
        self._json("PUT", f"/experiments/{quote(name)}", asked)

    def end_experiment(self, name: str) -> None:
        """Give all traffic to version A, and wait until all units are in the database."""
        self._json("DELETE", f"/experiments/{quote(name)}")

    def _json(self, method: str, path: str, content: Any = None, seconds: float = SECONDS_TO_ANSWER) -> Any:
        import requests

        router = self._router()
        try:
            response = requests.request(
                method,
                f"{router.url}/deployment{path}",
                json=content,
                headers={"authorization": f"Bearer {router.token}"},
                timeout=seconds,
                proxies={"http": "", "https": ""},
            )
        except requests.RequestException as error:
            raise OutageError(
                f"{self.model}: its router at {router.url} does not answer ({type(error).__name__}); if it has ended, "
                "start it again with `make serve`: it goes on with what it served"
            ) from None
        if response.status_code != OK:
            raise self._error(response)
        return response.json()

    def _router(self) -> RouterAddress:
        found = read(self.folder, ADDRESS_FILE, RouterAddress)
        if found is None:
            raise ConfigurationError(
                f"no router of {self.model} runs ({self.folder / ADDRESS_FILE} does not exist), so there is nothing to "
                "deploy to; start it with `make serve PIPELINE=…` and let it run"
            )
        return found

    def _error(self, response: requests.Response) -> TrainerError:
        """Return the error that the router has met, of the same kind."""
        try:
            detail = response.json()
            message, name = str(detail["message"]), str(detail.get("error", ""))
        except (ValueError, KeyError, TypeError):
            message, name = f"status {response.status_code}: {response.text[:500]}", ""
        kind = getattr(errors, name, TrainerError)
        return kind(message) if isinstance(kind, type) and issubclass(kind, TrainerError) else TrainerError(message)


def answers_in(name: str, status: int, body: str, rows: int) -> list[dict[str, Any]]:
    """Return the answers in a response of MLflow's protocol. Raises ModelRefusedError unless each row has one."""
    import json

    if status != OK:
        raise ModelRefusedError(f"{name} answers real rows with status {status}: {body[:1000]}")
    try:
        found = json.loads(body)["predictions"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelRefusedError(f"{name} answers with something else than predictions: {body[:300]}") from error
    if not isinstance(found, list) or len(found) != rows or not all(isinstance(one, dict) for one in found):
        raise ModelRefusedError(f"{name} was asked for {rows} rows and answers otherwise: {body[:300]}")
    return found
