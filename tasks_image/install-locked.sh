#!/bin/sh
# install-locked LOCK-FILE PYTHON: an environment of what the file locks, in $VIRTUAL_ENV; called by the Dockerfile.
set -eu
uv venv --quiet --python "$2" "$VIRTUAL_ENV"
uv pip install --quiet --no-deps --requirement "$1"   # a lock is whole: what it leaves out on purpose stays out
# A tenth of it would be tests of the largest libraries; nothing imports those.
cd "$VIRTUAL_ENV"/lib/python3.*/site-packages
for library in matplotlib numba numpy pandas pyarrow scipy sklearn statsmodels; do
  if [ -d "$library" ]; then find "$library" -name tests -type d -prune -exec rm -rf {} +; fi
done
