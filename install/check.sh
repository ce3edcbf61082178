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

# The tests of the bench: real soaks and measurements, which mostly wait for time to pass, so that they run beside the
# others. They cover voicebridge-bench, and coverage is counted of voicebridge.
readonly BENCH_TESTS=(tests/bench tests/soak)

# shellcheck disable=SC2317 # reached through check
# The suite with coverage; what it prints is kept, so that its last line can close the summary.
suite() {
  local colour=auto
  [[ -t 1 ]] && colour=yes
  env --default-signal=HUP,INT,QUIT python -m pytest --color="$colour" "${BENCH_TESTS[@]/#/--ignore=}" --durations=25 \
    --cov --cov-report=term:skip-covered --cov-fail-under="$COVERAGE_FLOOR" |
    tee build/pytest.log
}

# shellcheck disable=SC2317 # reached through check
# Waits for the tests of the bench, which were begun before the others, and shows what they said.
suite_of_bench() {
  local status=0
  wait "$bench_tests" || status=$?
  cat build/pytest-bench.log
  return "$status"
}

# closing_line LOG: the last line that counts tests, without rules and colours.
closing_line() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E ' in [0-9.]+s' | tail -n 1 | sed -E 's/^=+ | =+$//g'
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
# In the background a shell has Ctrl-C ignored, as nohup has SIGHUP, and so would everything that the tests start. Both
# runs would write one cache at their ends.
env --default-signal=HUP,INT,QUIT python -m pytest -p no:cacheprovider --durations=25 "${BENCH_TESTS[@]}" \
  </dev/null >build/pytest-bench.log 2>&1 &
bench_tests=$!
trap 'kill "$bench_tests" 2>/dev/null || true' EXIT
check "pytest" suite
check "pytest, bench" suite_of_bench
printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
for log in build/pytest-bench.log build/pytest.log; do
  closing_line "$log" || echo "0 passed, 1 failed: pytest did not come to its end"
done
exit "$failed"
