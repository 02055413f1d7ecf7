"""Faults of the data."""

from __future__ import annotations

from tests.faults.harness import World, assert_refused, nothing_moves


def test_a_missing_file(world: World) -> None:
    world.data.unlink()
    with nothing_moves(world):
        assert_refused(world, world.run(), "start", "DataValidationError", 3, r"customers.csv: there is no such file")


def test_a_header_only(world: World) -> None:
    world.data.write_text(world.data.read_text().splitlines()[0] + "\n")
    with nothing_moves(world):
        assert_refused(world, world.run(), "ingest", "DataValidationError", 3, "a header and no rows")


def test_out_of_range(world: World) -> None:
    text = world.data.read_text()
    lines = text.splitlines()
    tenure = lines[0].split(",").index("tenure")
    row = lines[1].split(",")
    row[tenure] = "999"
    world.data.write_text("\n".join([lines[0], ",".join(row), *lines[2:]]) + "\n")
    with nothing_moves(world):
        assert_refused(world, world.run(), "validate", "DataValidationError", 3, r"\(tenure\): 1 value .*such as 999")
