# shellcheck shell=bash
# The speech model of a device: pulled from a hub, copied from a folder, or left out. Sourced by install.sh.

# Prints the name of the model that is asked for; nothing where none is.
wanted_model() {
  case ${option_model:-} in
    none) ;;
    '') if [[ $option_offline ]]; then bundled_model; else configured_model; fi ;;
    */*) basename -- "$(readlink -f -- "$option_model")" ;;
    *) printf '%s\n' "$option_model" ;;
  esac
}

# The name in the configuration, which may name a folder somewhere else: that is then its owner's affair.
configured_model() {
  local named
  named=$(sed -n 's/^model *= *"\([^"]*\)".*/\1/p' -- "$CONFIG" 2>/dev/null | head -n 1)
  named=${named:-$DEFAULT_MODEL}
  [[ $named == */* ]] || printf '%s\n' "$named"
}

has_model() { [[ -f $STATE/models/$1/model.bin ]]; }

look_at_model() {
  model_name=$(wanted_model)
  [[ $option_model != */* || -d $option_model ]] || fail "There is no folder $option_model with a model."
  [[ $model_name ]] || return 0
  [[ $model_name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || wrong_usage "'$model_name' cannot be the name of a model."
  if [[ $(id -u) -ne 0 && -d $STATE && ! -x $STATE ]]; then
    say "Only root can see whether the model $model_name is there."
    return
  fi
  if has_model "$model_name" || was_unreachable; then return; fi
  if [[ $option_model == */* || $option_offline ]]; then
    plan+=("copy the model $model_name to $STATE/models")
  else
    plan+=("pull the model $model_name (the hub may not be reachable; that is no error)")
  fi
}

# A hub that could not be reached the last time is not asked again by a run that has nothing else to do.
was_unreachable() { [[ ! $option_model && -e $OPT/model-not-reached && -e $CURRENT ]]; }

# A name that no hub will ever know is a mistake, and not a hub that cannot be reached.
check_model_name() {
  [[ $option_model && $option_model != none && $option_model != */* ]] || return 0
  "$RELEASES/$release/bin/python" -c 'import sys; from voicebridge.speech.models import REPOSITORIES as known
sys.exit(sys.argv[1] not in known and "These can be pulled: " + ", ".join(known))' "$option_model" >>"$log" ||
    fail "There is no model $option_model." "The service was not touched."
}

put_model() {
  [[ $model_name ]] && ! has_model "$model_name" || return 0
  local source=''
  if [[ $option_model == */* ]]; then
    source=$option_model
  elif [[ $option_offline ]]; then
    source=$bundle/models/$model_name
  fi
  if [[ $source ]]; then copy_model "$source"; else pull_model; fi
}

# Root reads the folder (a stick, a home) and the service's user writes its copy: neither may do the other's part.
copy_model() {
  local passage=$STATE/.model-passage
  # shellcheck disable=SC2016 # expanded by the inner shell
  if ! tar --create --dereference --directory="$1" . | as_service sh -c 'rm -rf -- "$1" && mkdir -p -- "$1/$2" &&
    tar --extract --no-same-owner --directory="$1/$2"' sh "$passage" "$model_name" 2>>"$log" ||
    ! run_logged "Copying the model $model_name" models_command add "$passage/$model_name"; then
    as_service rm -rf -- "$passage"
    show_log_end
    fail "The model in $1 could not be installed." "See the lines above. The service was not touched."
  fi
  as_service rm -rf -- "$passage"
  rm -f -- "$OPT/model-not-reached"
}

pull_model() {
  if run_logged "Pulling the model $model_name" models_command pull "$model_name"; then
    rm -f -- "$OPT/model-not-reached"
    return
  fi
  touch -- "$OPT/model-not-reached"
  tail -n 2 -- "$log" | sed 's/^/  | /' >&2
  say "The model $model_name could not be pulled. That is no error: PocketSphinx decodes until there is one. To go on:"
  say "  with a network:       sudo ./install.sh --model $model_name"
  say "  from another machine: sudo ./install.sh --model /media/STICK/$model_name   (a folder with model.bin)"
}

models_command() { as_service "$RELEASES/$release/bin/voicebridge" models "$@"; }

# A configuration that is there is its owner's, and may name another model than the one that was asked for now.
tell_model_for_config() {
  [[ $option_model && $model_name && $(configured_model) != "$model_name" ]] || return 0
  say "To use the model $model_name, put this under [whisper] in $CONFIG: model = \"$model_name\""
}

name_model_in_config() {
  [[ $model_name && $model_name != "$DEFAULT_MODEL" ]] || return 0
  sed -i "s|^#model = \"$DEFAULT_MODEL\"\$|model = \"$model_name\"|" -- "$CONFIG"
}
