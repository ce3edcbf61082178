# shellcheck shell=bash
# Taking it off a device again. Sourced by install.sh.

uninstall_from_device() {
  read_options "--purge" "$@"
  require_root "Uninstalling" "uninstall ${*:-}"
  take_device_lock
  systemctl stop voicebridge-revive.service voicebridge-backup.timer "$SERVICE" 2>/dev/null || true
  systemctl disable --quiet "$SERVICE" voicebridge-backup.timer 2>/dev/null || true
  remove_units
  systemctl reset-failed "$SERVICE" voicebridge-revive.service 2>/dev/null || true
  rm -rf -- "$OPT"
  if [[ $option_purge == yes ]]; then purge; else tell_what_stays; fi
}

tell_what_stays() {
  say "Voicebridge is uninstalled. What is yours stays, for the next installation or for ./install.sh uninstall --purge:"
  local place
  for place in "$STATE" "${CONFIG%/*}" "$OWN_UNITS/$SERVICE.d"; do
    if [[ -e $place ]]; then say "  $place"; fi
  done
  say "  the user and group $SERVICE_USER"
}

purge() {
  rm -rf -- "$STATE" "${CONFIG%/*}" "$OWN_UNITS/$SERVICE.d" "${OWN_UNITS:?}/voicebridge-backup.timer.d"
  rm -f -- "$PREFIX/var/lib/systemd/timers/stamp-voicebridge-backup.timer"
  systemctl daemon-reload
  if getent passwd "$SERVICE_USER" >/dev/null; then userdel "$SERVICE_USER"; fi
  if getent group "$SERVICE_USER" >/dev/null; then groupdel "$SERVICE_USER" 2>/dev/null || true; fi
  rm -f -- "$DEVICE_LOG" "$DEVICE_LOCK"
  say "Voicebridge is gone, with its settings and with everything it had heard."
}
