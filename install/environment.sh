# shellcheck shell=bash
# The virtual environment: which Python, when it is made anew, what pip puts into it. Sourced by install.sh.

# Newest first; a bundle allows only its own.
PYTHON_CHOICES=(python3.13 python3.12 python3.11 python3)
# Stands while pip is at work; an environment in which it is found was left half-filled.
readonly unfinished=$venv/.set-up-unfinished

# A Python serves if it runs (shims of version managers may not), is new enough and can make a virtual environment
# (Debian's cannot without python3-venv).
python_serves() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# A Python that was asked for is not silently replaced by another.
check_asked_python() {
  [[ -z ${PYTHON-} ]] || python_serves "$PYTHON" ||
    fail "PYTHON=$PYTHON does not run, is older than 3.11 or cannot make a virtual environment." \
      "Name another one, or install its venv module."
}

# Prints the Python to use; fails where there is none.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} "${PYTHON_CHOICES[@]}"; do
    if python_serves "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

python_version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null; }

# Whether .venv is whole, at its place, of a Python that is new enough and, if one was asked for, of that one.
environment_is_sound() {
  local pip=$venv/bin/pip
  [[ ! -e $unfinished && -f $pip ]] || return 1
  # An environment that was moved still calls the Python of its old place.
  grep -qsF "$venv/bin/python" "$pip" || return 1
  "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || return 1
  [[ -z ${PYTHON-} || $(python_version "$PYTHON") == "$(python_version "$venv/bin/python")" ]]
}

# make_environment PYTHON: makes .venv, or makes it anew.
make_environment() {
  if [[ -e $venv ]]; then
    say "The environment in .venv is unfinished, broken, moved or of another Python: making it anew."
    rm -rf -- "$venv"
  fi
  run_logged "Making a virtual environment with $("$1" --version)" "$1" -m venv "$venv" || {
    show_log_end
    rm -rf -- "$venv"
    fail "$1 could not make a virtual environment in $venv." "See the lines above."
  }
}

# Prints what an installation at a level (try or test) depends on, as one word.
wanted_stamp() {
  { printf '%s\n' "$1" "$root" "$(python_version "$venv/bin/python")" && cat -- "$root/pyproject.toml" "$lock"; } |
    sha256sum | cut -d ' ' -f 1
}

# is_installed LEVEL: whether nothing that matters has changed since the last installation at that level.
is_installed() {
  local stamp=$venv/.installed-$1
  [[ -x $venv/bin/voicebridge-bench && -f $stamp && $(<"$stamp") == "$(wanted_stamp "$1")" ]]
}

pip_install() {
  # PIP_USER: a pip.conf that asks for --user would fail in a virtual environment.
  PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --no-input "$@"
}

# install_python_packages LEVEL EXTRAS: puts the package and its needs into .venv.
install_python_packages() {
  local level=$1 extras=$2 log_start
  touch -- "$unfinished"
  log_start=$(wc -l <"$log")
  run_logged "Installing Python packages (some 100 MB to download)" \
    pip_install --constraint "$lock" --editable "$root${extras:+[$extras]}" ||
    install_without_lock "$log_start" "$extras" ||
    {
      # pip leaves the environment as it was when it fails by itself.
      rm -f -- "$unfinished"
      show_log_end
      fail "pip could not install the Python packages." "See the lines above: the network, a mirror (pip.conf, PIP_*)," \
        "a full disk? Then run this again."
    }
  install_systemd_binding
  wanted_stamp "$level" >"$venv/.installed-$level"
  rm -f -- "$unfinished"
}

# A mirror may not have a version yet, or no longer; then any that pyproject.toml allows is better than none. pip calls
# that a conflict between what was asked for and a constraint.
install_without_lock() {
  tail -n "+$(($1 + 1))" -- "$log" | grep -q 'ResolutionImpossible' || return 1
  say "  A version in requirements/test.lock cannot be had here: taking what pyproject.toml allows instead."
  run_logged "Installing Python packages in other versions" pip_install --editable "$root${2:+[$2]}"
}

# What building systemd-python needs: a compiler and the headers of libsystemd and of this Python.
can_build_systemd_binding() {
  command -v gcc >/dev/null && pkg-config --exists libsystemd 2>/dev/null &&
    [[ -f $("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)/Python.h ]]
}

install_systemd_binding() {
  if ! can_build_systemd_binding "$venv/bin/python"; then
    say "Going on without systemd-python, which needs a compiler and libsystemd-dev; only a service has a use for it."
  elif ! run_logged "Building systemd-python" pip_install --constraint "$lock" systemd-python; then
    say "  It could not be built: going on without it. Only a service has a use for it."
  fi
}
