"""The images of this project, built and brought to the cluster's node."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from include.cluster.programs import NAME
from include.stack.docker import StackError

if TYPE_CHECKING:
    import subprocess

    from include.cluster.programs import Programs

IMAGES = {"tabular": "trainer-tabular", "mlflow": "mlflow-server"}
"""By target of tasks_image/images.sh, the name of the image."""
LOCAL_REGISTRY = "docker.io/library"
"""The registry of an image that names none; podman adds it only if it is asked to."""


def build(programs: Programs) -> list[str]:
    """Build the images; returns their names. Raises StackError."""
    is_podman = programs.engine == "podman"
    registry = [f"REGISTRY={LOCAL_REGISTRY}"] if is_podman else []
    command = ["env", f"IMAGES={' '.join(IMAGES)}", f"ENGINE={programs.engine}", *registry]
    if programs.stream(*command, "tasks_image/images.sh", "build").returncode:
        raise StackError("the images could not be built; the lines above say why")
    prefix = f"{LOCAL_REGISTRY}/" if is_podman else ""
    return [f"{prefix}{name}:{_version(programs)}" for name in IMAGES.values()]


def load(programs: Programs, images: list[str]) -> None:
    """Bring the images to the node. Raises StackError."""
    if programs.engine == "docker":
        done = programs.kind("load", "docker-image", "--name", NAME, *images, shown=True)
    else:
        done = _load_archive(programs, images)
    if done.returncode:
        raise StackError("kind could not load the images; its lines above say why (a full disk is a common reason)")


def _load_archive(programs: Programs, images: list[str]) -> subprocess.CompletedProcess[str]:
    archive = programs.state / "images.tar"
    archive.unlink(missing_ok=True)
    try:
        saved = programs.run_engine("save", "--multi-image-archive", "--output", str(archive), *images)
        return (
            saved
            if saved.returncode
            else programs.kind("load", "image-archive", "--name", NAME, str(archive), shown=True)
        )
    finally:
        archive.unlink(missing_ok=True)


def _version(programs: Programs) -> str:
    found = tomllib.loads((programs.project / "tasks_image" / "pyproject.toml").read_text(encoding="utf-8"))
    return str(found["project"]["version"])
