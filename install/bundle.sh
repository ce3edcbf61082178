# shellcheck shell=bash
# A bundle: all that a device without a network needs, in one file. Made here, opened there. Sourced by install.sh.

# What the bundle holds of the checkout: enough to install from.
readonly BUNDLED=(install.sh install systemd config docs requirements voicebridge bench pyproject.toml README.md LICENSE
  CHANGELOG.md)
# Under the root of an opened bundle.
bundle=''

make_bundle() {
  read_options "--output --model" "$@"
  umask 022
  trap 'say "Stopped; no bundle was made."; exit "$EXIT_INTERRUPTED"' INT TERM
  take_lock
  local python name output scratch
  python=$(find_python) || fail "There is no Python 3.11 or later that can make a virtual environment."
  name=voicebridge-$(source_version)-$(about_python "$python")-$(uname --machine)
  output=$(readlink -m -- "${option_output:-$PWD/$name.tar}")
  [[ -d ${output%/*} && -w ${output%/*} ]] || fail "${output%/*} is no directory that can be written."
  scratch=$(mktemp --directory --tmpdir="$root/build" bundle.XXXXXX)
  # shellcheck disable=SC2064 # now: scratch is local
  trap "rm -rf -- '$scratch'" EXIT
  fill_bundle "$scratch/$name" "$python" "$scratch/venv"
  tar --create --file="$output.partial" --owner=0 --group=0 --numeric-owner --sort=name --directory="$scratch" "$name" ||
    fail "The bundle could not be written to $output." "Is the disk full?"
  mv -- "$output.partial" "$output"
  bundle=$scratch/$name/bundle model_name=$(bundled_model)
  say "The bundle is $output ($(du --si "$output" | cut -f 1)), for $(about_python "$python") on $(uname --machine), with" \
    "${model_name:-no} model."
  say "On the device: tar -xf ${output##*/} && cd $name && sudo ./install.sh --offline ."
}

about_python() { "$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])'; }

# fill_bundle DIRECTORY PYTHON VENV
fill_bundle() {
  local directory=$1 python=$2 scratch_venv=$3 name
  mkdir -p -- "$directory/bundle/wheels" "$directory/bundle/models" "$directory/bundle/debs"
  for name in "${BUNDLED[@]}"; do
    tar --create --exclude=__pycache__ --directory="$root" "$name" | tar --extract --directory="$directory"
  done
  "$python" -m venv "$scratch_venv" || fail "$python could not make a virtual environment."
  collect_wheels "$scratch_venv/bin/python" "$directory/bundle/wheels"
  # From nothing but the bundle, as the device will do it; the model is then handled by what was installed.
  run_logged "Installing from the wheels, for a proof" "$scratch_venv/bin/python" -m pip install --no-input --no-index \
    --find-links "$directory/bundle/wheels" "voicebridge==$(source_version)" ||
    { show_log_end && fail "What was collected cannot be installed."; }
  collect_model "$scratch_venv/bin/voicebridge" "$directory/bundle/models"
  collect_debs "$directory/bundle/debs"
  printf '%s %s %s\n' "$(source_version)" "$(about_python "$python")" "$(uname --machine)" >"$directory/bundle/about"
  (cd -- "$directory" && find . -type f -not -path ./bundle/SHA256SUMS -print0 | LC_ALL=C sort --zero-terminated |
    xargs --null sha256sum >bundle/SHA256SUMS)
}

collect_wheels() {
  local wheel=("$1" -m pip wheel --no-input --wheel-dir "$2")
  run_logged "Collecting wheels (some 100 MB to download)" "${wheel[@]}" --constraint "$lock" "$root" ||
    run_logged "Collecting wheels in other versions" "${wheel[@]}" "$root" ||
    { show_log_end && fail "pip could not collect the wheels." "The network, a mirror (pip.conf, PIP_*), a full disk?"; }
}

# collect_model COMMAND DIRECTORY
collect_model() {
  local model=${option_model:-$DEFAULT_MODEL} command=("$1" --set "whisper.models_dir=$2" --state-dir "$2/../state" models)
  case $model in
    none) ;;
    */*) run_logged "Copying the model $model" "${command[@]}" add "$model" ||
      { show_log_end && fail "There is no whole model in $model."; } ;;
    *) run_logged "Pulling the model $model" "${command[@]}" pull "$model" || {
      tail -n 2 -- "$log" | sed 's/^/  | /' >&2
      say "The bundle will have no model: PocketSphinx decodes until there is one. With one: --model FOLDER"
    } ;;
  esac
  rm -rf -- "$2/../state" "$2"/*.partial
}

# The system packages with all they depend on, for a device of the same Debian that lacks them. Not having them is no
# error: most devices have what is needed, or a medium to install it from.
collect_debs() {
  command -v apt-get >/dev/null || return 0
  local status=$1/status archives=$1/archives
  : >"$status"
  mkdir -p -- "$archives/partial"
  run_logged "Collecting system packages" apt-get -o Dir::State::status="$status" -o Dir::Cache::archives="$archives" \
    -o Debug::NoLocking=1 -o APT::Sandbox::User=root --yes --no-install-recommends --download-only install \
    "${DEVICE_PACKAGES[@]}" "${PULSE_PACKAGES[@]}" "$PYTHON_PACKAGE" || say "  They could not be had: going on without."
  find "$archives" -maxdepth 1 -name '*.deb' -exec mv -t "$1" -- {} +
  rm -rf -- "$archives" "$status"
}

# Prints the name of the model in an opened bundle; nothing where it has none.
bundled_model() {
  local folder
  for folder in "$bundle"/models/*/; do
    if [[ -d $folder ]]; then basename -- "$folder"; fi
  done | head -n 1
}

# Makes the opened bundle the root of everything; a file is opened first. Leaves where it is damaged or for others.
enter_bundle() {
  local given
  [[ -e $option_offline ]] || fail "There is no $option_offline."
  given=$(readlink -f -- "$option_offline")
  if [[ -f $given ]]; then
    require_root "Opening a bundle" "--offline $option_offline"
    given=$(open_bundle "$given") || exit "$?"
    # shellcheck disable=SC2064 # now: given is local
    trap "rm -rf -- '${given%/*}'" EXIT
  fi
  bundle=$given/bundle
  [[ -f $bundle/SHA256SUMS && -f $bundle/about ]] || fail "$option_offline is no bundle of Voicebridge." \
    "./install.sh bundle makes one, on a machine with a network."
  verify_bundle "$given"
  root=$given lock=$given/requirements/test.lock
}

open_bundle() {
  local place
  place=$(mktemp --directory --tmpdir=/var/tmp voicebridge-bundle.XXXXXX)
  chmod 0755 -- "$place"
  if ! tar --extract --no-same-owner --file="$1" --directory="$place" 2>/dev/null || [[ ! -d $(echo "$place"/*/) ]]; then
    rm -rf -- "$place"
    fail "$1 cannot be opened: it is no bundle, or damaged, or the disk is full."
  fi
  echo "$place"/*/ | sed 's|/$||'
}

verify_bundle() {
  local about
  if ! (cd -- "$1" && sha256sum --check --strict --quiet bundle/SHA256SUMS >&2) ||
    [[ $(cd -- "$1" && find . -type f -not -path ./bundle/SHA256SUMS -not -path '*/__pycache__/*' -not -path './build/*' | wc -l) \
      -ne $(wc -l <"$1/bundle/SHA256SUMS") ]]; then
    fail "The bundle is damaged, or something was added to it: its checksums do not match." \
      "Nothing was changed. Copy it again, or make it anew."
  fi
  read -ra about <"$bundle/about"
  [[ ${about[2]} == "$(uname --machine)" ]] || fail "The bundle is for ${about[2]}, and this is $(uname --machine)."
  PYTHON_CHOICES=("${about[1]}")
  [[ ! $(command -v python3) || $(command -v "${about[1]}") ]] ||
    fail "The bundle is for ${about[1]}, and this device has $(about_python python3)." \
      "Make it on a machine with the same release of Debian."
}

# Installs from the bundle what is missing here; where that asks for newer versions of what is here, those too.
install_bundled_packages() {
  local missing=() newer=() deb name version present scratch_lists
  scratch_lists=$(mktemp --directory)
  for deb in "$bundle"/debs/*.deb; do
    [[ -f $deb ]] || return 1
    # shellcheck disable=SC2016 # expanded by dpkg
    read -r name version < <(dpkg-deb --show --showformat='${Package} ${Version}\n' "$deb")
    # shellcheck disable=SC2016 # expanded by dpkg
    present=$(dpkg-query --show --showformat='${db:Status-Status} ${Version}\n' "$name" 2>/dev/null || true)
    if [[ $present != "installed "* ]]; then
      missing+=("$deb")
    elif dpkg --compare-versions "${present#* }" lt "$version"; then
      newer+=("$deb")
    fi
  done
  bundled_apt "Installing system packages from the bundle" "${missing[@]}" ||
    bundled_apt "Installing them with newer versions of others" "${missing[@]}" "${newer[@]}" || {
    show_log_end
    fail "The system packages of the bundle do not fit this device: ${wanted_packages[*]}" \
      "Nothing else was changed. Install them from a medium of your own, then run this again."
  }
}

# apt sees nothing but what it is given, and removes nothing to make it fit.
bundled_apt() {
  run_logged "$1" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dir::Etc::sourcelist=/dev/null \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$scratch_lists" install --yes --no-install-recommends \
    --no-remove "${@:2}"
}
