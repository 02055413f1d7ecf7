"""What goes with a model from a clone: what was imported from there, and nothing else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from trainer.own_code.bundle import NOTHING, bundle
from trainer.registry.savers import requirements_of


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python imports from; what was imported from it is forgotten afterwards."""
    lib = tmp_path / "code" / "lib"
    lib.mkdir(parents=True)
    monkeypatch.setenv("TRAINER_CODE", str(tmp_path / "code"))
    monkeypatch.syspath_prepend(lib)
    before = {*sys.modules}
    yield lib
    for name in {*sys.modules} - before:
        if name.startswith("cloned_"):
            del sys.modules[name]


def write(lib: Path, **files: str) -> None:
    for name, text in files.items():
        file = lib / (name.replace("__", "/", 1) + ".py" if "__" in name else f"{name}.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def test_without_a_clone_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINER_CODE", raising=False)
    assert bundle() == NOTHING


def test_packages_go_whole_and_modules_alone(clone: Path) -> None:
    (clone / "cloned_package").mkdir()
    (clone / "cloned_package" / "__init__.py").write_text("import cloned_helper, polars\nfrom . import inner\n")
    (clone / "cloned_package" / "inner.py").write_text("def f():\n    from joblib import Memory\n    import os.path\n")
    (clone / "cloned_package" / "unused.py").write_text("import pytest\n")
    write(clone, cloned_helper="x = 1\n", cloned_other="y = 2\n")
    importlib.import_module("cloned_package")
    found = bundle()
    assert found.names == {"cloned_package", "cloned_helper"}
    assert {*found.paths} == {clone / "cloned_package", clone / "cloned_helper.py"}
    assert found.imports == {"polars", "joblib", "os"}


def test_a_package_without_an_init_goes_as_a_folder(clone: Path) -> None:
    write(clone, cloned_space__inner="")
    importlib.import_module("cloned_space.inner")
    assert bundle().paths == (clone / "cloned_space",)


def test_a_link_keeps_the_name_that_it_is_imported_by(clone: Path) -> None:
    (clone / "impl").mkdir()
    (clone / "impl" / "__init__.py").write_text("")
    (clone / "cloned_link").symlink_to("impl")
    importlib.import_module("cloned_link")
    assert bundle().paths == (clone / "cloned_link",)


def test_the_packages_that_a_bundled_module_imports_are_required(clone: Path) -> None:
    write(clone, cloned_models="import os, joblib, trainer\n\n\nclass Churner:\n    pass\n")
    estimator = importlib.import_module("cloned_models").Churner()
    lines = requirements_of(estimator, bundle())
    assert f"joblib=={version('joblib')}" in lines
    assert not any(line.startswith(("trainer", "cloned")) for line in lines)
