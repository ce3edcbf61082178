#!/usr/bin/env bash
# Every check and the whole suite, in one command; `./install.sh test` sets up and then runs this.
# With arguments only pytest runs, with them. The last line is pytest's own count.
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
cd -- "$root"
export PATH="$root/.venv/bin:$PATH"

# Percent of voicebridge/ that the suite must cover, branches counted.
readonly COVERAGE_FLOOR=90
summary=()
failed=0

# check NAME COMMAND...: runs a step under a heading and notes how it ended.
check() {
  local name=$1 started=${EPOCHREALTIME/[.,]/} verdict=ok
  shift
  printf '\n== %s\n' "$name"
  "$@" || {
    verdict=FAILED
    failed=1
  }
  local tenths=$(((${EPOCHREALTIME/[.,]/} - started) / 100000))
  summary+=("$(printf '%-16s %-6s %6d.%d s' "$name" "$verdict" $((tenths / 10)) $((tenths % 10)))")
}

# shellcheck disable=SC2317 # reached through check
# The suite with coverage; what it prints is kept, so that its last line can close the summary.
suite() {
  local colour=auto
  [[ -t 1 ]] && colour=yes
  python -m pytest --color="$colour" --cov --cov-report=term:skip-covered --cov-fail-under="$COVERAGE_FLOOR" |
    tee build/pytest.log
}

# The last line that counts tests, without rules and colours.
closing_line() {
  sed 's/\x1b\[[0-9;]*m//g' build/pytest.log | grep -E ' in [0-9.]+s' | tail -n 1 | sed -E 's/^=+ | =+$//g'
}

if (($#)); then
  exec python -m pytest "$@"
fi
mkdir -p build
check "ruff check" python -m ruff check .
check "ruff format" python -m ruff format --check .
check "mypy" python -m mypy
check "import-linter" lint-imports --no-logo
check "shellcheck" shellcheck --external-sources --check-sourced install.sh install/check.sh requirements/renew .ci/run
check "pytest" suite
printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
closing_line || echo "0 passed, 1 failed: pytest did not come to its end"
exit "$failed"
