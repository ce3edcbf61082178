# shellcheck shell=bash
# What the scripts say, and running long commands with signs of life. Sourced by install.sh.

# As in voicebridge/domain/errors.py.
readonly EXIT_FAILURE=1 EXIT_USAGE=2 EXIT_UNAVAILABLE=69 EXIT_INTERRUPTED=130
# Without a terminal, seconds between two lines that say what a long command is doing.
readonly HEARTBEAT_SECONDS=20
readonly LOG_LINES_SHOWN=15

# To standard error: standard output belongs to what is started afterwards.
say() { printf '%s\n' "$*" >&2; }

# fail MESSAGE [ADVICE...]: says what happened and what to do about it, and leaves.
fail() {
  say "install.sh: $1"
  shift
  local advice
  for advice in "$@"; do say "  $advice"; done
  exit "$EXIT_UNAVAILABLE"
}

# run_logged TITLE COMMAND...: runs it with its output in $log, which the caller names; returns its exit status.
run_logged() {
  local title=$1 started=$SECONDS status=0
  shift
  say "$title ..."
  printf '\n== %s\n' "$*" >>"$log"
  # Closed: a service that a package starts must not inherit the lock of the set-up (descriptor 9).
  "$@" </dev/null 2>&1 9>&- | show_progress || status=$?
  ((status)) || say "  done in $((SECONDS - started)) s"
  return "$status"
}

# Copies a command's output to $log; shows the newest line on a terminal, or now and then a line where there is none.
show_progress() {
  local line shown_at=$SECONDS
  while IFS= read -r line || [[ $line ]]; do
    printf '%s\n' "$line" >>"$log"
    line=${line//[[:cntrl:]]/}
    if [[ -t 2 ]]; then
      printf '\r\033[K  %.100s' "$line" >&2
    elif ((SECONDS - shown_at >= HEARTBEAT_SECONDS)); then
      say "  ${line:0:100}"
      shown_at=$SECONDS
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

show_log_end() {
  say "The last lines of $log:"
  tail -n "$LOG_LINES_SHOWN" -- "$log" | sed 's/^/  | /' >&2
}
