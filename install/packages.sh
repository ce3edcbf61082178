# shellcheck shell=bash
# System packages: which are needed, which are missing, how they are installed. Sourced by install.sh.

# PortAudio for the microphone; a voice and human recordings for the demonstration.
readonly TRY_PACKAGES=(libportaudio2 espeak-ng pocketsphinx-testdata)
# A sound server to play into, a tracer of system calls, a checker of shell scripts, a browser for the dashboard.
readonly TEST_PACKAGES=(pulseaudio pulseaudio-utils libasound2-plugins sox strace shellcheck chromium chromium-driver)
# To build systemd-python, which has no wheels. Voicebridge also runs without it.
readonly BUILD_PACKAGES=(gcc libsystemd-dev pkg-config python3-dev)
# What can make a virtual environment, where no Python can yet.
readonly PYTHON_PACKAGE=python3-venv

# missing_packages NAME...: prints those that are not installed, one a line.
missing_packages() {
  local installed name
  installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    grep -qxF "installed $name" <<<"$installed" || printf '%s\n' "$name"
  done
}

# Prints what precedes a command that root must run; fails where a password would be asked for.
root_prefix() {
  if [[ $(id -u) -eq 0 ]]; then
    echo env
  elif sudo -n true 2>/dev/null; then
    echo "sudo -n env"
  else
    return 1
  fi
}

# require_packages NAME...: installs those that are missing, or says how to and leaves.
require_packages() {
  local missing
  if ! command -v dpkg-query >/dev/null; then
    say "This is no Debian system: going on in the hope that it has the like of these packages: $*"
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  root_prefix >/dev/null || fail_for_packages "${missing[@]}"
  install_packages "${missing[@]}" || {
    show_log_end
    fail "apt could not install: ${missing[*]}" "See the lines above, then run this again."
  }
}

fail_for_packages() {
  say "install.sh: system packages are missing, and installing them needs root:"
  local name
  for name in "$@"; do say "  - $name"; done
  say "Install them with this command, then run this again:"
  say "  sudo apt-get update && sudo apt-get install --no-install-recommends $*"
  exit "$EXIT_UNAVAILABLE"
}

lists_updated=no

# install_packages NAME...: returns apt's exit status.
install_packages() {
  local -a apt
  read -ra apt <<<"$(root_prefix)"
  # Another apt at work (unattended upgrades, say) is waited for.
  apt+=(DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  if [[ $lists_updated == no ]]; then
    # Lists that cannot all be had may still be good enough.
    run_logged "Updating the lists of system packages" "${apt[@]}" update || say "  not all of them could be had"
    lists_updated=yes
  fi
  run_logged "Installing system packages: $*" "${apt[@]}" install --yes --no-install-recommends "$@"
}
