#!/usr/bin/env bash
# The way in: sets up what Voicebridge needs, asks nothing where nothing changed, and runs it.
set -euo pipefail

# The repository, also when this file is called through a symlink from another directory.
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
lock=$root/requirements/test.lock
venv=$root/.venv
log=$root/build/install.log
readonly venv
# shellcheck source=install/messages.sh
. "$root/install/messages.sh"
# shellcheck source=install/packages.sh
. "$root/install/packages.sh"
# shellcheck source=install/environment.sh
. "$root/install/environment.sh"
# shellcheck source=install/setup.sh
. "$root/install/setup.sh"
# shellcheck source=install/places.sh
. "$root/install/places.sh"
# shellcheck source=install/options.sh
. "$root/install/options.sh"
# shellcheck source=install/device.sh
. "$root/install/device.sh"
# shellcheck source=install/files.sh
. "$root/install/files.sh"
# shellcheck source=install/sound.sh
. "$root/install/sound.sh"
# shellcheck source=install/release.sh
. "$root/install/release.sh"
# shellcheck source=install/models.sh
. "$root/install/models.sh"
# shellcheck source=install/switch.sh
. "$root/install/switch.sh"
# shellcheck source=install/bundle.sh
. "$root/install/bundle.sh"
# shellcheck source=install/uninstall.sh
. "$root/install/uninstall.sh"
# shellcheck source=install/box.sh
. "$root/install/box.sh"

usage() {
  cat <<'END'
Usage: ./install.sh [MODE] [ARGUMENTS]

On a device, as root:
  install [OPTIONS]       Install, or upgrade, Voicebridge as a service: system packages, a user of its own, a release in
                          /opt/voicebridge, /etc/voicebridge/voicebridge.toml (never overwritten), state in
                          /var/lib/voicebridge, model, units; then wait until it is ready. An upgrade that does not get
                          ready within 60 s is taken back. Also what root gets without a mode.
    --check               Change nothing; tell what would be done.
    --sound alsa|pulse[:SOCKET]
                          Where the sound comes from; by default as it was, or as the device looks.
    --model NAME|FOLDER|none
                          A speech model to pull, or a folder to copy it from; by default base.en.
    --offline BUNDLE      Install from a bundle (its file, or the directory it was unpacked to), without a network.
  uninstall [--purge]     Take it off again; with --purge its settings and everything it has heard, too.
  bundle [--output FILE] [--model NAME|FOLDER|none]
                          Make a bundle for devices with the same Python and processor, on a machine with a network.

In this directory:
  try [--seconds N] ...   Set up, then hear, live in this terminal: the microphone when there is one, otherwise
                          demonstration speech. Arguments go to `voicebridge-bench try`. Ctrl-C ends it.
  test [PYTEST ARGUMENT]  Set up with test needs, then run every check and the whole suite. With arguments, only
                          pytest runs, with them; paths are relative to the repository.
  box-test [--full] ...   As root: run the system suite against the installed service, in a Debian container.

What it needs: Debian, Ubuntu or Raspberry Pi OS with Python 3.11 or later. Missing system packages are installed with
apt as root or with passwordless sudo; otherwise the command to install them is printed and the exit status is 69.
Python packages go to .venv in the repository, or to the release of a device, with the versions in
requirements/test.lock; pip's settings (pip.conf, PIP_*) are respected.

Environment:
  PYTHON                  The Python to use; by default the first of python3.13, 3.12, 3.11 and python3 that serves.

Exit status: 0 all is well; 1 a check failed, or an upgrade was taken back; 2 wrong usage; 69 something that is needed
cannot be had; 130 Ctrl-C; in mode try otherwise what Voicebridge says (docs/operations.md).
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
    install) install_on_device "$@" ;;
    uninstall) uninstall_from_device "$@" ;;
    bundle) make_bundle "$@" ;;
    box-test) box_test "$@" ;;
    -h | --help | help) usage ;;
    --*) install_on_device "$mode" "$@" ;;
    "") if [[ $(id -u) -eq 0 ]]; then install_on_device; else usage; fi ;;
    *)
      say "There is no mode '$mode'."
      usage >&2
      exit "$EXIT_USAGE"
      ;;
  esac
}

main "$@"
