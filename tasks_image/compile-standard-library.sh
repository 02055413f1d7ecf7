#!/bin/sh
# compile-standard-library PYTHON: bytecode for the modules that Python brings; called by the Dockerfile.
# Python's images leave it out, and a read-only root never gets it: each start would compile 200 modules anew.
set -eu
library=$("$1" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
"$1" -m compileall -q -j 0 -x '/(test|tests|idlelib|lib2to3|turtledemo|site-packages|dist-packages)/' "$library"
