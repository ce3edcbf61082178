# shellcheck shell=bash
# The system suite: the service in a Debian that boots in a container. Sourced by install.sh.

# To make and boot the container, and to reach into it.
readonly BOX_PACKAGES=(systemd-container debootstrap fuse3 libfuse3-3 util-linux)

box_test() {
  require_box
  set_up test
  require_packages "${BOX_PACKAGES[@]}"
  exec "$root/tests/box/run" "$@"
}

# Never skipped in silence: a machine that cannot boot a container has not run the suite.
require_box() {
  [[ $(id -u) -eq 0 ]] || fail "The system suite boots containers, which needs root." "sudo ./install.sh box-test"
  [[ -x $root/tests/box/run ]] || fail "There is no tests/box/run in this copy: the suite needs the whole repository."
}
