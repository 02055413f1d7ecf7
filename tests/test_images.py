"""`make images` and `make images-check`: what they ask an engine for, and what they say where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SCRIPT = PROJECT / "tasks_image/images.sh"
DOCKERFILES = [PROJECT / "Dockerfile", PROJECT / "tasks_image/Dockerfile"]
ENGINE = """#!/bin/bash
if [ "$1" = info ]; then exit ${INFO:-0}; fi
if [ "$1" = image ]; then echo 1970123456; exit; fi
printf '%s\\n' "$*" >> "$CALLS"
"""
LABELS = r"--build-arg VERSION=\S+ --build-arg REVISION=\w+"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with what the script needs, and no engine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "cat", "dirname", "git", "sed"):
        [found] = [Path(place) / name for place in ("/usr/bin", "/bin") if (Path(place) / name).exists()][:1]
        (folder / name).symlink_to(found)
    return folder


def engine(tools: Path, name: str) -> None:
    (tools / name).write_text(ENGINE)
    (tools / name).chmod(0o755)


def images(tools: Path, *arguments: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script in a bare environment, and the calls that an engine got."""
    calls = tools.parent / "calls"
    environment = {"PATH": str(tools), "CALLS": str(calls), **variables}
    done = subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_without_an_engine_it_says_what_to_install(tools: Path) -> None:
    done, _ = images(tools, "build")
    assert done.returncode == 2
    assert "Neither docker nor podman answers here. Install one (Debian: apt-get install podman)" in done.stderr


def test_a_docker_without_its_daemon_is_passed_over(tools: Path) -> None:
    engine(tools, "podman")
    (tools / "docker").symlink_to("/bin/false")
    done, calls = images(tools, "build", IMAGES="mlflow")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"build {LABELS} --target mlflow --tag mlflow-server:0.1.0 tasks_image", calls[0])


def test_all_that_can_be_chosen(tools: Path) -> None:
    engine(tools, "docker")
    done, calls = images(
        tools, "build", IMAGES="vision airflow", REGISTRY="registry.example.com/ml/", TAG="7", BUILD_FLAGS="--pull=never -q",
        BASE_IMAGE="base:1", CUDA_IMAGE="cuda:1", AIRFLOW_BASE="airflow:1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        rf"build --pull=never -q {LABELS} --target vision --build-arg BASE_IMAGE=base:1 --build-arg CUDA_IMAGE=cuda:1 "
        "--tag registry.example.com/ml/trainer-vision:7 tasks_image",
        calls[0],
    )
    assert re.fullmatch(
        rf"build --pull=never -q {LABELS} --build-arg AIRFLOW_BASE=airflow:1 "
        r"--tag registry.example.com/ml/training-airflow:7 \.",
        calls[1],
    )
    sizes = done.stdout.splitlines()[-2:]
    assert sizes[0].split() == ["registry.example.com/ml/trainer-vision:7", "1970", "MB"]


def test_the_check_runs_without_rights(tools: Path) -> None:
    engine(tools, "docker")
    done, calls = images(tools, "check", RUN_FLAGS="--ulimit nofile=1024:1024", ENGINE=str(tools / "docker"))
    assert done.returncode == 0, done.stderr
    runs = [call for call in calls if call.startswith("run ")]
    assert len(runs) == 3
    for flag in ("--read-only", "--network none", "--cap-drop all", "no-new-privileges", "--ulimit nofile=1024:1024"):
        assert all(flag in run for run in runs)
    assert "trainer describe --bytecode --extra tabular --extra cluster" in runs[0]
    assert any("trainer step ingest" in call for call in calls)


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["build"], {"IMAGES": "tabuler"}, "no image 'tabuler'; there are tabular, vision, language, mlflow, airflow"),
        (["biuld"], {}, "usage: "),
        ([], {}, "usage: "),
    ],
    ids=["image", "word", "nothing"],
)
def test_a_wrong_word(tools: Path, arguments: list[str], variables: dict[str, str], said: str) -> None:
    engine(tools, "docker")
    done, calls = images(tools, *arguments, **variables)
    assert (done.returncode, calls) == (2, [])
    assert said in done.stderr


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_bases_are_pinned(file: Path) -> None:
    text = file.read_text()
    for base in re.findall(r"^ARG (?:\w+_)?(?:IMAGE|BASE)=(\S+)", text, re.MULTILINE):
        assert re.search(r":[\w.-]*\d", base), base
        assert "latest" not in base
    stages = {name.lower() for name in re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE)}
    for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert base.startswith("${") or base in stages


def test_every_target_runs_as_a_number_and_checks_itself() -> None:
    text = (PROJECT / "tasks_image/Dockerfile").read_text()
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.MULTILINE | re.DOTALL))
    for target in ("tabular", "vision", "language", "mlflow"):
        assert "\nUSER 10001:10001\n" in stages[target]
        checks = stages[target].split("USER 10001:10001", 1)[1]
        assert re.search(r"^RUN (trainer describe --bytecode --extra|mlflow --version)", checks, re.MULTILINE)


@pytest.mark.parametrize("folder", [PROJECT, PROJECT / "tasks_image"], ids=["root", "tasks_image"])
def test_a_build_takes_only_what_is_named(folder: Path) -> None:
    lines = [line for line in (folder / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (folder / "Dockerfile").read_text(), re.MULTILINE)
    allowed = [line[1:] for line in lines if line.startswith("!")]
    for source in copied:
        assert any(Path(one).is_relative_to(source) or Path(source).match(one) for one in allowed), source
    named = [place for place in allowed if "*" not in place]
    assert [place for place in named if not (folder / place).exists()] == []
    assert os.access(SCRIPT, os.X_OK)


def test_the_standard_librarys_bytecode_lies_beside_it(tmp_path: Path) -> None:
    """The script that the Dockerfile calls, with a Python whose library is a copy."""
    library = tmp_path / "lib"
    for name in ("json/decoder.py", "test/bad.py", "site-packages/other.py"):
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text("answer = 42" if "bad" not in name else "def (")
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo {library}; else exec {sys.executable} "$@"; fi\n')
    python.chmod(0o755)
    subprocess.run([PROJECT / "tasks_image/compile-standard-library.sh", python], check=True)
    compiled = [file.relative_to(library).as_posix() for file in library.rglob("*.pyc")]
    assert compiled == [f"json/__pycache__/decoder.{sys.implementation.cache_tag}.pyc"]
