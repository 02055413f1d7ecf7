"""`make up`: check, start the containers, wait until all are healthy, and print the addresses."""

from __future__ import annotations

import errno
import socket
import stat
import sys
import time
from typing import TYPE_CHECKING

from include.stack.causes import cause_of
from include.stack.docker import StackError
from include.stack.env_file import mistakes_of, read_env

if TYPE_CHECKING:
    from pathlib import Path

    from include.stack.docker import Container, Docker

LOOPBACK = "127.0.0.1"
PORTS = {
    "airflow-api-server": "AIRFLOW_PORT",
    "mlflow": "MLFLOW_PORT",
    "grafana": "GRAFANA_PORT",
    "s3": "S3_PORT",
    "mail": "MAIL_PORT",
}
"""The services that publish a port, with its key in .env."""
MOUNTED = ("dags", "plugins", "include", ".data")
"""The folders that docker-compose.yaml mounts."""
SECONDS_TO_START = 900
BETWEEN_LOOKS = 2.0


def up(docker: Docker, seconds: float = SECONDS_TO_START) -> None:
    """Start the stack. Raises StackError, with one line per reason."""
    if mistakes := mistakes_of(docker.project / ".env"):
        raise StackError("\n".join(mistakes))
    if closed := closed_files(docker.project):
        raise StackError(closed)
    docker.check()
    values = read_env(docker.project / ".env")
    running = {one.service for one in docker.containers() if one.state == "running"}
    if taken := taken_ports({PORTS[name]: int(values[PORTS[name]]) for name in PORTS if name not in running}):
        raise StackError("\n".join(taken))
    started = docker.stream("up", "--detach", "--build", "--remove-orphans") == 0
    _wait(docker, seconds if started else 0)
    if not started:
        raise StackError("docker compose up failed; its lines above say why")
    sys.stdout.write(greeting(values))


def closed_files(project: Path) -> str | None:
    """Return one line if containers, which run as other users, could not read something that is mounted into them."""
    found = [
        path
        for name in MOUNTED
        for path in (project / name, *(project / name).rglob("*"))
        if path.parent.name != "__pycache__"
    ]
    closed = [path for path in found if not path.is_symlink() and path.exists() and not _is_open(path)]
    if not closed:
        return None
    return (
        f"{len(closed)} files and folders that containers mount are closed to other users (first: "
        f"{closed[0].relative_to(project)}); run chmod -R go+rX {' '.join(MOUNTED)}"
    )


def _is_open(path: Path) -> bool:
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return path.stat().st_mode & needed == needed


def taken_ports(ports: dict[str, int]) -> list[str]:
    """Return one line for each port, by its key in .env, that something else listens on."""
    return [
        f"{key}: port {number} of {LOOPBACK} is taken ({reason}); end what listens there, or set another number in .env"
        for key, number in ports.items()
        if (reason := _refusal(number))
    ]


def _refusal(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:  # below 1024 only Docker's daemon may listen, and it does
            return None if error.errno == errno.EACCES else error.strerror
    return None


def _wait(docker: Docker, seconds: float) -> None:
    """Wait until every container is ready. Raises StackError for those that fail, or are not ready in time."""
    deadline = time.monotonic() + seconds
    while late := [one for one in docker.containers() if not one.is_ready]:
        if failed := [one for one in late if one.has_failed]:
            raise StackError(_causes(docker, failed))
        if time.monotonic() > deadline:
            waiting = [one for one in late if one.state != "created"]  # the others wait for these
            if waiting:
                raise StackError(_causes(docker, waiting))
            return
        time.sleep(BETWEEN_LOOKS)


def _causes(docker: Docker, containers: list[Container]) -> str:
    return "\n".join(cause_of(one, docker.log(one.service)) for one in containers)


def greeting(values: dict[str, str]) -> str:
    """Return the addresses, and where the first password is."""
    return (
        f"Airflow  http://localhost:{values['AIRFLOW_PORT']}  (user admin, password: AIRFLOW_ADMIN_PASSWORD in .env)\n"
        f"MLflow   http://localhost:{values['MLFLOW_PORT']}  (no login: it is on loopback only)\n"
        f"Grafana  http://localhost:{values['GRAFANA_PORT']}  (user admin, password: GRAFANA_ADMIN_PASSWORD in .env)\n"
        f"Mails    http://localhost:{values['MAIL_PORT']}  (no login)\n"
        f"S3       http://localhost:{values['S3_PORT']}  (bucket training, with the keys in .env)\n"
        "make logs follows the containers, make down ends them and keeps their data.\n"
    )
