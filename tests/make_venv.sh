#!/bin/sh
# Makes a virtual environment with the first Python of at least 3.11; PYTHON names another one.
set -eu
for python in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -m venv "$1"
    fi
done
echo "EBS needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2
exit 1
