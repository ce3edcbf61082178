# shellcheck shell=bash
# A release: a virtual environment with everything in it, built beside the running one. Sourced by install.sh.

readonly RELEASES_KEPT=2

source_version() { sed -n 's/^__version__ = "\(.*\)"$/\1/p' -- "$root/voicebridge/__init__.py"; }

# Prints a Python of the system: one under /home or /root is out of the service's sight.
device_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} "${PYTHON_CHOICES[@]}"; do
    candidate=$(PATH=$PREFIX/usr/bin:$PREFIX/usr/local/bin command -v -- "$candidate") || continue
    case $(readlink -f -- "$candidate") in
      /home/* | /root/*) continue ;;
    esac
    if python_serves "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# release_name PYTHON: version, and a hash of everything that decides what the release holds.
release_name() {
  local stamp
  stamp=$(
    cd -- "$root"
    {
      python_version "$1"
      uname --machine
      find voicebridge bench/voicebridge_bench systemd config docs install install.sh pyproject.toml README.md LICENSE \
        requirements/test.lock -type f -not -path '*/__pycache__/*' -print0 | LC_ALL=C sort --zero-terminated |
        xargs --null sha256sum
    } | sha256sum
  )
  printf '%s-%s\n' "$(source_version)" "${stamp:0:10}"
}

is_built() { [[ -e $(share "$1")/complete ]]; }

look_at_release() {
  release=$(release_name "$python")
  is_built "$release" || plan+=("build release $release under $RELEASES")
  [[ $(current_release) == "$release" ]] || plan+=("switch $(current_release | sed 's/^/from /;s/$/ /')to $release")
}

# Builds $release with $python, unless it is there. The one in use is not touched.
build_release() {
  local target=$RELEASES/$release
  ! is_built "$release" || return 0
  rm -rf -- "$target"
  run_logged "Making release $release with $("$python" --version)" "$python" -m venv "$target" ||
    give_up_release "$python could not make a virtual environment in $target."
  if [[ $option_offline ]]; then
    run_logged "Installing Python packages from the bundle" release_pip --no-index --find-links "$bundle/wheels" \
      "voicebridge==$(source_version)" || give_up_release "pip could not install the wheels of the bundle."
  else
    install_release_online || give_up_release "pip could not install the Python packages." \
      "See the lines above: the network, a mirror (pip.conf, PIP_*), a full disk? Then run this again."
  fi
  require_notification
  copy_share
  touch -- "$(share "$release")/complete"
}

# give_up_release MESSAGE [ADVICE...]
give_up_release() {
  show_log_end
  rm -rf -- "${RELEASES:?}/$release"
  fail "$@" "The service that ran before, if any, runs on as it was."
}

release_pip() {
  PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$RELEASES/$release/bin/python" -m pip install --no-input "$@"
}

install_release_online() {
  local log_start
  log_start=$(wc -l <"$log")
  run_logged "Installing Python packages (some 100 MB to download)" release_pip --constraint "$lock" "$root" || {
    tail -n "+$((log_start + 1))" -- "$log" | grep -q 'ResolutionImpossible' || return 1
    say "  A version in requirements/test.lock cannot be had here: taking what pyproject.toml allows instead."
    run_logged "Installing Python packages in other versions" release_pip "$root"
  }
}

# A release that cannot tell systemd that it is ready would be killed at every start.
require_notification() {
  can_notify || {
    rm -rf -- "${RELEASES:?}/$release"
    fail "Release $release cannot tell systemd that it is ready." "The service that ran before, if any, runs on as it was."
  }
}

can_notify() {
  "$RELEASES/$release/bin/python" - >>"$log" 2>&1 <<'END'
import os, socket, sys, tempfile
with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.bind(folder + "/notify")
    os.environ["NOTIFY_SOCKET"] = folder + "/notify"
    from voicebridge.daemon.systemd import notify
    sys.exit(not notify("STATUS=asked by the installer"))
END
}

# What is not Python: units, template, documents, and this installer, so that uninstalling needs no checkout.
copy_share() {
  local target name
  target=$(share "$release")
  mkdir -p -- "$target"
  for name in install.sh install systemd config docs README.md LICENSE; do
    cp -R --no-preserve=ownership -- "$root/$name" "$target/"
  done
  chmod -R u=rwX,go=rX -- "$RELEASES/$release"
}

# Before anything that runs is touched: the libraries load for the service's user, and the settings are right for it.
check_release() {
  local python=$RELEASES/$release/bin/python told
  run_logged "Checking that its libraries load" as_service "$python" -c \
    'import av, faster_whisper, onnxruntime, pocketsphinx, sounddevice, soxr, sqlite_utils' ||
    give_up_release "The libraries of release $release do not load on this device."
  [[ -e $CONFIG ]] || return 0
  told=$(as_service "$RELEASES/$release/bin/voicebridge" --config "$CONFIG" config check 2>&1) ||
    fail "The settings are not right for release $release, so nothing was changed:" "$told" \
      "Put them right in $CONFIG, then run this again."
}

# The newest stay: the one in use and the one before it.
prune_releases() {
  local name kept=0
  while IFS= read -r name; do
    if [[ $name == "$(current_release)" ]] || ((++kept < RELEASES_KEPT)); then continue; fi
    rm -rf -- "${RELEASES:?}/$name"
  done < <(ls --sort=time -- "$RELEASES")
}
