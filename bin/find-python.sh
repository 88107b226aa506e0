# Sourced by the scripts beside it: sets `python` to an interpreter that can run grader/bootstrap, or ends with 3.
python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    if command -v python3 >/dev/null 2>&1; then
        echo "the grader needs Python 3.11 or later; this is $(python3 --version 2>&1)" >&2
    else
        echo "the grader needs Python 3.11 or later; there is no python3 here" >&2
    fi
    if command -v apt-get >/dev/null 2>&1; then
        sudo=sudo
        [ "$(id -u)" = 0 ] && sudo=
        echo "hint: run \`${sudo:+sudo }apt-get update && ${sudo:+sudo }apt-get install -y python3 python3-venv\`, then the same command again" >&2
    else
        echo "hint: install Python 3.11 or later, then run the same command again" >&2
    fi
    exit 3
fi
