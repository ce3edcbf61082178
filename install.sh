#!/usr/bin/env bash
# The way in: sets up what Voicebridge needs, asks nothing where nothing changed, and runs it.
set -euo pipefail

# The repository, also when this file is called through a symlink from another directory.
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
lock=$root/requirements/test.lock
venv=$root/.venv
log=$root/build/install.log
readonly root lock venv log
# shellcheck source=install/messages.sh
. "$root/install/messages.sh"
# shellcheck source=install/packages.sh
. "$root/install/packages.sh"
# shellcheck source=install/environment.sh
. "$root/install/environment.sh"
# shellcheck source=install/setup.sh
. "$root/install/setup.sh"

usage() {
  cat <<'END'
Usage: ./install.sh MODE [ARGUMENTS]

Modes:
  try [--seconds N] ...   Set up, then hear, live in this terminal: the microphone when there is one, otherwise
                          demonstration speech. Arguments go to `voicebridge-bench try`. Ctrl-C ends it.
  test [PYTEST ARGUMENT]  Set up with test needs, then run every check and the whole suite. With arguments, only
                          pytest runs, with them; paths are relative to the repository.

Installing on a device as a service: not in this version yet.

What it needs: Debian, Ubuntu or Raspberry Pi OS with Python 3.11 or later. Missing system packages are installed with
apt as root or with passwordless sudo; otherwise the command to install them is printed and the exit status is 69.
Python packages go to .venv in the repository, with the versions in requirements/test.lock; pip's settings (pip.conf,
PIP_*) are respected.

Environment:
  PYTHON                  The Python to use; by default the first of python3.13, 3.12, 3.11 and python3 that serves.

Exit status: 0 all is well; 1 a check failed; 2 wrong usage; 69 something that is needed cannot be had; 130 Ctrl-C;
in mode try otherwise what Voicebridge says (docs/operations.md).
END
}

main() {
  local mode=${1-}
  (($#)) && shift
  # A Python that is told to look elsewhere would find other libraries than those in .venv.
  unset PYTHONHOME PYTHONPATH
  case $mode in
    try)
      set_up try
      exec "$venv/bin/voicebridge-bench" try "$@"
      ;;
    test)
      set_up test
      exec "$root/install/check.sh" "$@"
      ;;
    "" | -h | --help | help) usage ;;
    *)
      say "There is no mode '$mode'."
      usage >&2
      exit "$EXIT_USAGE"
      ;;
  esac
}

main "$@"
