# shellcheck shell=bash
# Setting up, from nothing or from wherever the last set-up ended. Sourced by install.sh.

readonly LOCK_WAIT_SECONDS=1800

# set_up LEVEL (try or test): returns when everything that the level needs is there.
set_up() {
  local level=$1
  trap 'say "Stopped. Run it again to go on."; exit "$EXIT_INTERRUPTED"' INT TERM
  check_asked_python
  take_lock
  set_up_system "$level"
  set_up_python "$level"
  exec 9>&-
  trap - INT TERM
}

# Two set-ups at once would spoil each other's environment. The lock goes with descriptor 9, however this ends.
take_lock() {
  if ! mkdir -p -- "${log%/*}" || [[ ! -w ${log%/*} || ! -w $root ]]; then
    fail "$root cannot be written." "Run this as the owner of the directory, or clone the repository to one of your own."
  fi
  exec 9>"${log%/*}/install.lock"
  if ! flock --nonblock 9; then
    say "Another set-up is at work here: waiting for it."
    flock --wait "$LOCK_WAIT_SECONDS" 9 || fail "Another set-up has been at work for $((LOCK_WAIT_SECONDS / 60)) minutes."
  fi
  : >"$log"
}

set_up_system() {
  local packages=("${TRY_PACKAGES[@]}")
  [[ $1 == try ]] || packages+=("${TEST_PACKAGES[@]}")
  environment_is_sound || find_python >/dev/null || packages+=("$PYTHON_PACKAGE")
  require_packages "${packages[@]}"
}

set_up_python() {
  local level=$1 python
  if ! environment_is_sound; then
    python=$(find_python) || fail "There is no Python 3.11 or later that can make a virtual environment." \
      "Install one (Debian 12 and 13 have it: apt-get install python3-venv), or name one: PYTHON=/path/to/python $0 $level"
    make_environment "$python"
  fi
  # What the tests need includes what a trial needs.
  if is_installed test || is_installed "$level"; then return; fi
  case $level in
    try) install_python_packages try "" ;;
    test)
      want_build_packages
      install_python_packages test test
      ;;
  esac
}

# The tests are worth a compiler where one can be had for nothing; a first trial is not made to wait for it.
want_build_packages() {
  if ! can_build_systemd_binding "$venv/bin/python" && command -v dpkg-query >/dev/null && root_prefix >/dev/null; then
    install_packages "${BUILD_PACKAGES[@]}" || say "  They could not be had: going on without."
  fi
}
