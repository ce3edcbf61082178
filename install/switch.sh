# shellcheck shell=bash
# From one release to the next, and back when the next does not get ready. Sourced by install.sh.

readonly READY_SECONDS=60
# A service that is ready and dies at once is not ready. (The tests of these scripts have nothing to wait for.)
readonly STEADY_SECONDS=$((${#PREFIX} ? 0 : 3))

# switch_to RELEASE: returns when it is ready; otherwise puts back what was and leaves with status 1.
switch_to() {
  local next=$1 before sound_before=$sound_choice since kept='' was_up=no
  before=$(current_release)
  if systemctl is-active --quiet "$SERVICE"; then was_up=yes; fi
  [[ ! -f $SOUND ]] || sound_before=$(installed_sound)
  since=$(date '+%F %T')
  trap 'say "Stopped while switching."; switch_back "$next" "$before" "$sound_before" "$kept" "$since"' INT TERM
  # Its clock runs for minutes after a failed try.
  systemctl stop voicebridge-revive.service 2>/dev/null || true
  if [[ $before ]] && will_migrate "$next"; then
    say "This release changes the tables of the database: keeping a copy of it for the way back."
    systemctl stop "$SERVICE"
    kept=$(keep_database "$next") || {
      systemctl start --no-block "$SERVICE"
      fail "The database could not be copied." "Is the disk full? Nothing was changed."
    }
  fi
  point_at "$next"
  put_units "$next" "$sound_choice"
  systemctl enable --quiet "$SERVICE" voicebridge-backup.timer 2>>"$log"
  systemctl start voicebridge-backup.timer
  systemctl reset-failed "$SERVICE" 2>/dev/null || true
  say "Starting release $next ..."
  systemctl restart --no-block "$SERVICE"
  wait_until_ready || switch_back "$next" "$before" "$sound_before" "$kept" "$since"
  # It holds what was heard, where `voicebridge forget` would not find it.
  if [[ $kept ]]; then as_service rm -rf -- "$kept"; fi
  [[ $was_up == no ]] || tell_downtime
}

# The link is replaced in one step: there is a release in use at every moment.
point_at() {
  ln -sfn -- "releases/$1" "$CURRENT.next"
  mv --no-target-directory -- "$CURRENT.next" "$CURRENT"
}

property() { systemctl show --property="$1" --value "$SERVICE"; }

# Waits until the service is active, and still the same process a little later.
wait_until_ready() {
  local deadline=$((SECONDS + READY_SECONDS)) pid='' seen='' since=0
  while ((SECONDS < deadline)); do
    case $(property ActiveState) in
      failed) return 1 ;;
      active)
        pid=$(property MainPID)
        [[ $pid == "$seen" ]] || since=$SECONDS
        seen=$pid
        ((SECONDS - since < STEADY_SECONDS)) || return 0
        ;;
      *) seen='' ;;
    esac
    sleep 0.2
  done
  return 1
}

# From the moment the old one left to the moment the new one was ready, by systemd's own clock.
tell_downtime() {
  local left entered
  left=$(property ActiveExitTimestampMonotonic)
  entered=$(property ActiveEnterTimestampMonotonic)
  if ((left > 0 && entered > left)); then
    local tenths=$(((entered - left + 50000) / 100000))
    say "  the service was down for $((tenths / 10)).$((tenths % 10)) s"
  fi
}

# will_migrate RELEASE: whether its first start would change the tables of the database; leaves when it could not use it.
will_migrate() {
  local answer
  [[ -e $DATABASE ]] || return 1
  answer=$(as_service "$RELEASES/$1/bin/python" "$(share "$1")/install/database.py" "$DATABASE" 2>>"$log") || answer=unknown
  case $answer in
    current) return 1 ;;
    newer) fail "The database in $STATE was made by a newer version than $(source_version)." \
      "Install that version or a later one. Nothing was changed." ;;
    *) return 0 ;;
  esac
}

# keep_database RELEASE: copies the files of the stopped database and prints where to. All of it as the service's user:
# root follows no link in a directory that belongs to somebody else.
keep_database() {
  local place=$STATE/before-$1
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_service sh -c 'rm -rf -- "$1" && mkdir -m 0700 -- "$1" && cp --preserve --reflink=auto -- "$2" "$1/" &&
    { [ ! -e "$2-wal" ] || cp --preserve --reflink=auto -- "$2-wal" "$1/"; } && sync --file-system -- "$1"' \
    sh "$place" "$DATABASE" || return 1
  printf '%s\n' "$place"
}

# switch_back FAILED BEFORE SOUND KEPT SINCE: as it was before; leaves.
switch_back() {
  local failed=$1 before=$2 sound=$3 kept=$4 since=$5
  trap '' INT TERM
  say "install.sh: release $failed did not get ready (it had $READY_SECONDS s). The last it said:"
  journalctl --unit="$SERVICE" --since="$since" --output=cat --no-pager 2>/dev/null | tail -n "$LOG_LINES_SHOWN" |
    sed 's/^/  | /' >&2 || true
  systemctl stop voicebridge-revive.service "$SERVICE" 2>/dev/null || true
  if [[ ! $before ]]; then
    take_back_first "$failed"
  fi
  if [[ $kept ]]; then restore_database "$kept" "$failed"; fi
  point_at "$before"
  put_units "$before" "$sound"
  systemctl reset-failed "$SERVICE" voicebridge-revive.service 2>/dev/null || true
  systemctl restart --no-block "$SERVICE"
  rm -rf -- "${RELEASES:?}/$failed"
  if wait_until_ready; then
    say "Release $before runs again; nothing that was heard before is lost."
  else
    say "Release $before was put back, but is not ready either: journalctl -u voicebridge -n 50"
  fi
  exit "$EXIT_FAILURE"
}

take_back_first() {
  systemctl disable --quiet "$SERVICE" voicebridge-backup.timer 2>/dev/null || true
  systemctl stop voicebridge-backup.timer 2>/dev/null || true
  remove_units
  systemctl reset-failed "$SERVICE" 2>/dev/null || true
  rm -rf -- "$CURRENT" "${RELEASES:?}/$1"
  say "It was taken out again; $CONFIG and $STATE stay. ./install.sh try shows whether this device can hear at all."
  exit "$EXIT_FAILURE"
}

# restore_database COPY RELEASE: puts the copy back; what the failed release made of it stays beside it.
restore_database() {
  local aside=$STATE/database-of-$2
  # shellcheck disable=SC2016 # expanded by the inner shell
  as_service sh -c 'rm -rf -- "$2" && mkdir -m 0700 -- "$2" &&
    for file in "$3" "$3-wal" "$3-shm"; do [ ! -e "$file" ] || mv -- "$file" "$2/" || exit 1; done &&
    mv -- "$1"/* "${3%/*}/" && rmdir -- "$1"' sh "$1" "$aside" "$DATABASE" || {
    say "The database could not be put back from $1. Do that by hand before you start the service."
    exit "$EXIT_FAILURE"
  }
  say "The database is as it was before; what release $2 made of it is in $aside."
}
