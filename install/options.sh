# shellcheck shell=bash
# The options of the modes for devices. Sourced by install.sh.

option_sound='' option_model='' option_offline='' option_output=''
option_check=no option_purge=no

# read_options "ALLOWED..." ARGUMENT...: sets option_*; leaves with wrong usage at what is not allowed.
read_options() {
  local allowed=" $1 " name value
  shift
  while (($#)); do
    name=${1%%=*}
    [[ $allowed == *" $name "* ]] || wrong_usage "There is no option '$name' here."
    case $name in
      --check | --purge)
        [[ $1 == "$name" ]] || wrong_usage "$name takes no value."
        printf -v "option_${name#--}" yes
        shift
        continue
        ;;
    esac
    if [[ $1 == *=* ]]; then
      value=${1#*=}
      shift
    else
      (($# > 1)) || wrong_usage "$name needs a value."
      value=$2
      shift 2
    fi
    [[ $value ]] || wrong_usage "$name needs a value."
    printf -v "option_${name#--}" '%s' "$value"
  done
}

wrong_usage() {
  say "install.sh: $1"
  say "  ./install.sh --help shows every mode and option."
  exit "$EXIT_USAGE"
}

require_root() {
  [[ $(id -u) -eq 0 ]] || fail "$1 needs root." "sudo ./install.sh $2"
}
