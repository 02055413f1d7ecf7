"""Checks every pipeline against every environment whose steps run in a cluster."""

from __future__ import annotations

import sys

from include.environment.settings import environments_folder, home, pipelines_folder, read_settings
from include.operators.pods.placement import check_placements
from trainer.errors import ConfigurationError
from trainer.pipeline import load_pipeline


def mistakes() -> list[str]:
    """What is wrong, one message per environment file or pair of pipeline and environment."""
    found = []
    pipelines = [(str(file), load_pipeline(file)) for file in sorted(pipelines_folder().glob("*.yaml"))]
    for file in sorted(environments_folder().glob("*.yaml")):
        try:
            settings = read_settings(file.stem, home(), environments_folder())
        except ConfigurationError as error:
            found.append(str(error))
            continue
        for name, pipeline in pipelines:
            try:
                check_placements(pipeline, settings, name)
            except ConfigurationError as error:
                found.append(str(error))
    return found


def main() -> int:
    """Print the mistakes; returns the exit code."""
    try:
        found = mistakes()
    except ConfigurationError as error:
        found = [str(error)]
    sys.stderr.writelines(f"{line}\n" for line in found)
    return ConfigurationError.exit_code if found else 0


if __name__ == "__main__":
    sys.exit(main())
