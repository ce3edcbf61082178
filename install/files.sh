# shellcheck shell=bash
# The user, the configuration, the commands and the units on a device. Sourced by install.sh.

# The systemd that knows RestartMode=.
readonly RESTART_MODE_SINCE=254

look_at_user() {
  getent passwd "$SERVICE_USER" >/dev/null || plan+=("make the system user and group $SERVICE_USER")
}

make_user() {
  getent group "$SERVICE_USER" >/dev/null || groupadd --system "$SERVICE_USER"
  getent passwd "$SERVICE_USER" >/dev/null || useradd --system --gid "$SERVICE_USER" --home-dir "$STATE" --no-create-home \
    --shell /usr/sbin/nologin --comment "Voicebridge" "$SERVICE_USER"
  local group
  # pulse-access: who may use a PulseAudio server that runs for the whole system.
  for group in audio pulse-access; do
    if getent group "$group" >/dev/null; then usermod --append --groups "$group" "$SERVICE_USER"; fi
  done
  install -d -m 0755 -- "$OPT" "$RELEASES" "${CONFIG%/*}" "$COMMANDS" "$UNITS"
  install -d -m 0700 -o "$SERVICE_USER" -g "$SERVICE_USER" -- "$STATE"
}

look_at_config() {
  [[ -e $CONFIG ]] || plan+=("write $CONFIG, every setting at its default")
}

# A file that is there is its owner's: it is never written, and what is new is shown.
put_config() {
  local template=$root/config/voicebridge.toml old
  if [[ ! -e $CONFIG ]]; then
    install -m 0644 -- "$template" "$CONFIG"
    name_model_in_config
    return
  fi
  say "$CONFIG stays as it is."
  tell_model_for_config
  old=$(share "$(current_release)")/config/voicebridge.toml
  if [[ -f $old ]] && ! cmp --silent -- "$old" "$template"; then
    say "What has changed in the template since, for you to take over where you want it:"
    diff --unified=1 -- "$old" "$template" | tail -n +3 | head -n 80 | sed 's/^/  | /' >&2 || true
  fi
}

# Prints every file that a release puts among the units, as FILE-IN-RELEASE:PLACE.
unit_places() {
  local from=$1 name
  for name in "${UNIT_FILES[@]}"; do printf '%s:%s\n' "$from/$name" "$UNITS/$name"; done
  if (($(systemd_version) >= RESTART_MODE_SINCE)); then printf '%s:%s\n' "$from/restart-direct.conf" "$RESTART"; fi
  if [[ -f $from/voicebridge.catalog ]]; then printf '%s:%s\n' "$from/voicebridge.catalog" "$CATALOG"; fi
}

# Prints a number that only digits are in; 0 where it cannot be had.
systemd_version() {
  local told
  told=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  printf '%s\n' "${told:-0}"
}

look_at_units() {
  local pair name changed=()
  while IFS= read -r pair; do
    cmp --silent -- "${pair%%:*}" "${pair#*:}" || changed+=("${pair##*/}")
  done < <(unit_places "$root/systemd")
  [[ -f $SOUND && $(<"$SOUND") == "$(render_sound "$root/systemd" "$sound_choice")" ]] ||
    changed+=("the sound drop-in ($sound_choice)")
  for name in "${COMMAND_NAMES[@]}"; do
    [[ $(readlink -- "$COMMANDS/$name") == "/opt/voicebridge/current/bin/$name" ]] || changed+=("$COMMANDS/$name")
  done
  ((${#changed[@]} == 0)) || plan+=("put in place: ${changed[*]}")
  systemctl is-enabled --quiet "$SERVICE" 2>/dev/null || plan+=("enable $SERVICE and voicebridge-backup.timer")
}

# put_units RELEASE SOUND: its units, its sound drop-in, the commands. systemd reads them with the next daemon-reload.
put_units() {
  local from pair name
  from=$(share "$1")/systemd
  while IFS= read -r pair; do
    install -D -m 0644 -- "${pair%%:*}" "${pair#*:}"
  done < <(unit_places "$from")
  mkdir -p -- "${SOUND%/*}"
  render_sound "$from" "$2" >"$SOUND"
  for name in "${COMMAND_NAMES[@]}"; do ln -sfn -- "/opt/voicebridge/current/bin/$name" "$COMMANDS/$name"; done
  systemctl daemon-reload
  if [[ -f $CATALOG ]]; then journalctl --update-catalog >>"$log" 2>&1 || true; fi
}

remove_units() {
  local name
  for name in "${UNIT_FILES[@]}"; do rm -f -- "$UNITS/$name"; done
  rm -rf -- "${SOUND%/*}"
  for name in "${COMMAND_NAMES[@]}"; do
    if [[ $(readlink -- "$COMMANDS/$name") == "/opt/voicebridge/current/bin/$name" ]]; then rm -f -- "$COMMANDS/$name"; fi
  done
  if [[ -f $CATALOG ]]; then
    rm -f -- "$CATALOG"
    journalctl --update-catalog >/dev/null 2>&1 || true
  fi
  systemctl daemon-reload
}
