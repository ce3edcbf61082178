# shellcheck shell=bash
# The system suite: the service in a Debian that boots in a container. Sourced by install.sh.

# To make and boot the container, to reach into it, and for a disk that can be told to fail.
readonly BOX_PACKAGES=(systemd-container debootstrap fuse3 util-linux)

# box_test ARGUMENT...: never skipped in silence; a machine that cannot boot a container has not run the suite.
box_test() {
  [[ -x $root/tests/box/run ]] || fail "There is no tests/box/run in this copy: the suite needs the whole repository."
  if [[ $(id -u) -ne 0 ]]; then
    sudo -n true 2>/dev/null || {
      say "install.sh: the system suite boots containers, which needs root, so it was NOT run."
      say "  sudo ./install.sh box-test"
      exit "$EXIT_FAILURE"
    }
    exec sudo -n env ${PYTHON:+"PYTHON=$PYTHON"} "$root/install.sh" box-test "$@"
  fi
  set_up test
  require_packages "${BOX_PACKAGES[@]}"
  exec "$root/tests/box/run" "$@"
}
