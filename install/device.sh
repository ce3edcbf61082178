# shellcheck shell=bash
# Installing on a device: look, say what would be done, do it. Sourced by install.sh.

# PortAudio for the microphone. (A Python that can make a virtual environment is asked for separately.)
readonly DEVICE_PACKAGES=(libportaudio2)
# ALSA's plugin through which PortAudio reaches a PulseAudio or PipeWire server.
readonly PULSE_PACKAGES=(libasound2-plugins)

# What `look` finds out and the steps act upon.
wanted_packages=() python='' release='' model_name=''
# One sentence for each thing that is not yet as it should be.
plan=()

install_on_device() {
  read_options "--sound --model --offline --check" "$@"
  if [[ $option_offline ]]; then enter_bundle; fi
  require_source
  require_systemd
  umask 022
  if [[ $option_check == yes ]]; then
    look
    tell_plan
    return
  fi
  require_root "Installing on a device" "${*:-}"
  take_device_lock
  look
  if ((${#plan[@]} == 0)); then
    say "Nothing new: release $release runs, with $sound_choice."
    show_status
    return
  fi
  put_in_place
}

# What a release keeps of this installer serves to uninstall only.
require_source() {
  [[ -f $root/voicebridge/__init__.py ]] || fail "There is nothing to install in $root." \
    "Run the install.sh of a checkout or of a bundle."
}

require_systemd() {
  [[ -d $PREFIX/run/systemd/system ]] || fail "systemd does not run here, so there is nothing to install a service into." \
    "To hear in this terminal: ./install.sh try"
}

# The lock goes with descriptor 9, however this ends.
take_device_lock() {
  log=$DEVICE_LOG
  mkdir -p -- "${log%/*}" "${DEVICE_LOCK%/*}"
  exec 9>"$DEVICE_LOCK"
  flock --nonblock 9 || fail "Another installation is at work here." "Wait for it, then run this again."
  : >"$log"
}

# Compares what is with what should be, and fills `plan`. Changes nothing.
look() {
  choose_sound
  look_at_packages
  python=$(device_python) || python=''
  if [[ ! $python ]]; then
    # Not here yet: its package comes first, and the release is named after it.
    [[ " ${wanted_packages[*]} " == *" $PYTHON_PACKAGE "* ]] || fail_without_python
    plan+=("build a release of version $(source_version) under $RELEASES")
  else
    look_at_release
  fi
  look_at_user
  look_at_config
  look_at_model
  look_at_units
  look_at_service
}

look_at_packages() {
  local packages=("${DEVICE_PACKAGES[@]}")
  [[ $sound_choice == alsa ]] || packages+=("${PULSE_PACKAGES[@]}")
  device_python >/dev/null || packages+=("$PYTHON_PACKAGE")
  command -v dpkg-query >/dev/null && mapfile -t wanted_packages < <(missing_packages "${packages[@]}")
  ((${#wanted_packages[@]} == 0)) || plan+=("install system packages: ${wanted_packages[*]}")
}

fail_without_python() {
  fail "There is no Python 3.11 or later under /usr that can make a virtual environment." \
    "Debian 12 and 13 have it: apt-get install python3-venv"
}

look_at_service() {
  ((${#plan[@]} == 0)) || {
    plan+=("start $SERVICE anew and wait until it is ready")
    return
  }
  systemctl is-active --quiet "$SERVICE" || plan+=("start $SERVICE and wait until it is ready")
}

tell_plan() {
  if ((${#plan[@]} == 0)); then
    say "Nothing would be done: release $release runs, with $sound_choice."
    return
  fi
  say "This would be done, in this order:"
  local step
  for step in "${plan[@]}"; do say "  - $step"; done
}

# Everything that can fail for want of something comes before the running service is touched.
put_in_place() {
  local started=$SECONDS
  trap 'say "Stopped; the service that ran before runs on. Run it again to go on."; exit "$EXIT_INTERRUPTED"' INT TERM
  if ((${#wanted_packages[@]})); then install_device_packages; fi
  [[ $python ]] || python=$(device_python) || fail_without_python
  release=$(release_name "$python")
  make_user
  build_release
  check_release
  check_model_name
  put_config
  put_model
  switch_to "$release"
  trap - INT TERM
  prune_releases
  say "Voicebridge $(source_version) is installed and ready ($((SECONDS - started)) s in all)."
  show_status
}

install_device_packages() {
  if [[ $option_offline ]] && install_bundled_packages; then return; fi
  install_packages "${wanted_packages[@]}" || {
    show_log_end
    fail "apt could not install: ${wanted_packages[*]}" "Nothing else was changed. See the lines above, then run this again."
  }
}

show_status() {
  local text='' tries
  # The first status comes a moment after READY.
  for tries in 1 2 3 4 5; do
    text=$(as_service "$CURRENT/bin/voicebridge" status 2>&1) || true
    [[ $text == *starting* || $text == *"not running"* ]] || break
    sleep "$((tries < 3 ? 1 : 2))"
  done
  printf '%s\n' "$text"
}
