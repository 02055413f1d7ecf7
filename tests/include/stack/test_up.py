"""`make up` and its kin: each thing that is wrong is one clear line, and nothing is started before all is checked."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from include.stack import up as module
from include.stack.__main__ import main
from include.stack.docker import Docker, StackError
from tests.include.stack.conftest import FakeDocker, container, edit

UP = "compose up --detach --build --remove-orphans"
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BETWEEN_LOOKS", 0.01)


def refused(docker: Docker, capfd: Said, command: str = "up") -> list[str]:
    """The lines of a command that refuses."""
    assert main([command], docker) == 2
    return capfd.readouterr().err.splitlines()


def test_a_stack_that_gets_healthy(
    docker: Docker, fake: FakeDocker, capfd: Said, port_of: Callable[[str], int]
) -> None:
    fake.has(container("mlflow"), container("airflow-init", "exited", ""))
    assert main(["up"], docker) == 0
    said = capfd.readouterr().out
    for key in ("AIRFLOW_PORT", "MLFLOW_PORT", "GRAFANA_PORT", "S3_PORT", "MAIL_PORT"):
        assert f"http://localhost:{port_of(key)} " in said
    assert "user admin, password: AIRFLOW_ADMIN_PASSWORD in .env" in said
    assert UP in fake.calls


def test_the_shells_variables_do_not_win_over_the_file(docker: Docker, fake: FakeDocker) -> None:
    docker.stream("up", "--detach", "--build", "--remove-orphans")  # with AIRFLOW_PORT and COMPOSE_FILE set
    assert (fake.program.parent / "calls").read_text() == f"{UP} AIRFLOW_PORT= COMPOSE_FILE=\n"


def test_a_file_with_mistakes(docker: Docker, fake: FakeDocker, project: Path, capfd: Said) -> None:
    edit(project / ".env", "REDIS_PASSWORD", "redis")
    edit(project / ".env", "S3_SECRET_KEY", None)
    lines = refused(docker, capfd)
    assert [line.split(";")[0].split(":")[1] for line in lines] == [
        " REDIS_PASSWORD is weak",
        " S3_SECRET_KEY is missing",
    ]
    assert fake.calls == []


def test_without_a_file(docker: Docker, project: Path, capfd: Said) -> None:
    (project / ".env").unlink()
    assert refused(docker, capfd) == [".env is missing; run make env"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            {"info": "echo 'Server:' >&2; echo 'Cannot connect to the Docker daemon' >&2; exit 1"},
            r"Docker's daemon is not reachable \(Cannot connect to the Docker daemon\); start it \(sudo systemctl .*",
        ),
        ({"plugin": "exit 1"}, "docker has no plugin compose; install docker-compose-plugin"),
    ],
    ids=["daemon", "plugin"],
)
@pytest.mark.parametrize("command", ["up", "down", "logs", "seed"])
def test_an_engine_that_does_not_answer(
    docker: Docker, fake: FakeDocker, capfd: Said, command: str, answers: dict[str, str], said: str
) -> None:
    fake.answers(**answers)  # type: ignore[arg-type]
    [line] = refused(docker, capfd, command)
    assert re.fullmatch(said, line)


def test_without_docker(project: Path, capfd: Said) -> None:
    docker = Docker(project, str(project / "docker"))
    assert refused(docker, capfd) == ["docker is not installed; see https://docs.docker.com/engine/install"]
    assert refused(docker, capfd, "check") == [
        (
            "there is no container engine here, so nothing was started: docker is not installed; "
            "see https://docs.docker.com/engine/install"
        )
    ]


def test_an_occupied_port(
    docker: Docker, fake: FakeDocker, project: Path, capfd: Said, port_of: Callable[[str], int]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port_of("MLFLOW_PORT")))
        other.listen()
        [line] = refused(docker, capfd)
        assert line == (
            f"MLFLOW_PORT: port {port_of('MLFLOW_PORT')} of 127.0.0.1 is taken (Address already in use); end what "
            "listens there, or set another number in .env"
        )
        assert UP not in fake.calls
        fake.has(container("mlflow"), before=True)  # now it is the stack itself that listens
        fake.has(container("mlflow"))
        assert main(["up"], docker) == 0


def test_a_port_that_only_the_daemon_may_open_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "socket", Refused)
    assert module.taken_ports({"MLFLOW_PORT": 80}) == []


def test_files_that_containers_could_not_read(docker: Docker, fake: FakeDocker, project: Path, capfd: Said) -> None:
    (project / "include" / "stack").mkdir(parents=True)
    (project / "include" / "stack" / "redis.sh").touch(mode=0o600)
    (project / "dags").mkdir(mode=0o750)
    assert refused(docker, capfd) == [
        (
            "2 files and folders that containers mount are closed to other users (first: dags); "
            "run chmod -R go+rX dags plugins include .data"
        )
    ]
    assert fake.calls == []


@pytest.mark.parametrize(
    "printed", ["<html>", "[1]", '{"Name": "mail"}', '{"Service": "mail", "State": "up", "ExitCode": "x"}']
)
def test_an_answer_that_is_not_a_list_of_containers(
    docker: Docker, fake: FakeDocker, capfd: Said, printed: str
) -> None:
    (fake.program.parent / "containers").write_text(printed)
    [line] = refused(docker, capfd)
    assert line == f"docker compose ps printed no list of containers ({printed}); update Docker's plugin compose"


def test_no_containers_as_some_versions_print_it(docker: Docker, fake: FakeDocker) -> None:
    (fake.program.parent / "containers").write_text("null\n")
    assert docker.containers() == []


def test_a_log_of_bytes(docker: Docker, fake: FakeDocker) -> None:
    (fake.program.parent / "logs" / "mail").write_bytes(b"\xff\xfe end\n")
    assert docker.log("mail") == "\ufffd\ufffd end\n"


def test_a_program_that_cannot_be_run(docker: Docker, fake: FakeDocker, capfd: Said) -> None:
    fake.program.write_bytes(b"\x7fELF")
    assert refused(docker, capfd) == ["docker cannot be run (Exec format error); install it anew"]


@pytest.mark.parametrize(
    ("broken", "log", "said"),
    [
        (
            container("postgres", "restarting", "", 1),
            ("FATAL:  database files are incompatible with server\n"
            "DETAIL:  The data directory was initialized by PostgreSQL version 16, which is not compatible"),
            "postgres: exit code 1: the volume postgres-data is from another PostgreSQL version; dump it .*",
        ),
        (
            container("mlflow-migrate", "exited", "", 1),
            '(psycopg2.OperationalError) FATAL:  password authentication failed for user "mlflow"',
            "mlflow-migrate: exit code 1: a password in .env is not the one that the volumes were created with; .*",
        ),
        (
            container("mlflow", "running", "unhealthy"),
            "mlflow.exceptions.MlflowException: Detected out-of-date database schema (found version a, but expected b).",
            "mlflow: unhealthy: MLflow's database is older than its server; make up migrates it",
        ),
        (
            container("dashboards-views", "exited", "", 3),
            'psql:/stack/grants.sql:2: ERROR:  role "reporting" does not exist',
            "dashboards-views: exit code 3: the volume postgres-data was created without all of .*; docker compose exec .*",
        ),
        (
            container("dashboards-views-drop", "exited", "", 3),
            "psql:/stack/drop-views.sql:6: ERROR:  canceling statement due to lock timeout",
            "dashboards-views-drop: exit code 3: a session holds the views that dashboards read; end its transaction .*",
        ),
        (
            container("mlflow-migrate", "exited", "", 1),
            "alembic.util.exc.CommandError: Can't locate revision identified by 'dc11669786a5'",
            "mlflow-migrate: exit code 1: the database was migrated by a newer version of this server; use .*",
        ),
        (
            container("s3-bucket", "exited", "", 1),
            "bucket 'training' could not be created: An error occurred (403) when calling the ListBuckets operation",
            "s3-bucket: exit code 1: the S3 store refuses the bucket; make logs SERVICE=s3 .*",
        ),
        (
            container("airflow-scheduler", "exited", "", 137),
            "",
            "airflow-scheduler: killed .exit code 137., perhaps for its mem_limit in .*: its log is empty; make logs .*",
        ),
        (
            container("redis", "running", "unhealthy"),
            "first\nCan't open the append-only file: Permission denied\n",
            "redis: unhealthy: its log ends: Can't open the append-only file: Permission denied; make logs SERVICE=redis .*",
        ),
    ],
    ids=["version", "password", "schema", "role", "lock", "newer schema", "bucket", "memory", "unknown"],
)  # fmt: skip
def test_a_service_that_fails(
    docker: Docker, fake: FakeDocker, capfd: Said, broken: dict[str, object], log: str, said: str
) -> None:
    fake.answers(up=1)
    fake.logs(str(broken["Service"]), log)
    fake.has(container("mail"), broken, container("airflow-triggerer", "created", ""))
    [line] = refused(docker, capfd)
    assert re.fullmatch(said, line)


def test_a_service_that_never_gets_healthy(
    docker: Docker, fake: FakeDocker, capfd: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.has(container("mlflow", "running", "starting"), container("airflow-scheduler", "created", ""))
    fake.logs("mlflow", "waiting for the database\n")
    with pytest.raises(StackError, match=r"^mlflow: not healthy in time \(running\): its log ends: waiting for the"):
        module.up(docker, seconds=0.05)


def test_a_start_that_compose_refuses(docker: Docker, fake: FakeDocker, capfd: Said) -> None:
    fake.answers(up=1)
    assert refused(docker, capfd) == ["docker compose up failed; its lines above say why"]


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["down"], "compose --profile seed down --remove-orphans"),
        (["logs"], "compose logs --follow --tail 100"),
        (["logs", "mlflow"], "compose logs --follow --tail 100 mlflow"),
        (["seed"], "compose run --rm --build seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_other_commands_pass_the_exit_code_on(
    docker: Docker, fake: FakeDocker, arguments: list[str], call: str
) -> None:
    fake.answers(other=3)
    assert main(arguments, docker) == 3
    assert fake.calls[-1] == call


def test_older_versions_print_one_list(docker: Docker, fake: FakeDocker) -> None:
    (fake.program.parent / "containers").write_text('[{"Service": "mail", "State": "running", "ExitCode": 0}]')
    [found] = docker.containers()
    assert (found.service, found.is_ready, found.has_failed) == ("mail", True, False)
