# shellcheck shell=bash
# Where the sound of a device comes from: ALSA, or the socket of a PulseAudio or PipeWire server. Sourced by install.sh.

readonly SYSTEM_SOCKET=/run/pulse/native
sound_choice=''

# Sets sound_choice to `alsa` or `pulse:SOCKET`: as asked, else as it was, else as this device looks.
choose_sound() {
  local why
  if [[ $option_sound ]]; then
    sound_choice=$(asked_sound) || exit "$?"
    why="as asked"
  elif [[ -f $SOUND ]]; then
    sound_choice=$(installed_sound)
    why="as it was; --sound changes it"
  elif [[ -S $PREFIX$SYSTEM_SOCKET ]]; then
    sound_choice=pulse:$SYSTEM_SOCKET
    why="a PulseAudio server for the whole system runs here"
  else
    sound_choice=alsa
    why="no sound server for the whole system runs here"
  fi
  say "Sound: $sound_choice ($why)."
  [[ $sound_choice != alsa || $option_sound ]] || tell_about_users_servers
}

asked_sound() {
  case $option_sound in
    alsa) echo alsa ;;
    pulse) echo "pulse:$SYSTEM_SOCKET" ;;
    pulse:/run/user/*)
      say "install.sh: $option_sound is in a place that only its user may enter."
      tell_how_to_share "$(stat --format=%U -- "${option_sound#pulse:}" 2>/dev/null || echo USER)"
      exit "$EXIT_USAGE"
      ;;
    pulse:/*)
      # systemd and sed would read other characters in their own way.
      [[ ${option_sound#pulse:} =~ ^[A-Za-z0-9/._-]+$ ]] ||
        wrong_usage "The path of a socket may hold letters, digits and / . _ - only."
      echo "$option_sound"
      ;;
    *) wrong_usage "--sound takes alsa, pulse or pulse:/PATH/OF/SOCKET." ;;
  esac
}

installed_sound() {
  local noted
  noted=$(sed -n 's/^# sound: //p' -- "$SOUND" | head -n 1)
  printf '%s\n' "${noted:-alsa}"
}

# render_sound DIRECTORY CHOICE: prints the drop-in.
render_sound() {
  if [[ $2 == alsa ]]; then
    cat -- "$1/sound-alsa.conf"
  else
    sed "s|@SOCKET@|${2#pulse:}|g" -- "$1/sound-pulse.conf"
  fi
}

tell_about_users_servers() {
  local socket user
  for socket in "$PREFIX"/run/user/*/pulse/native; do
    [[ -S $socket ]] || continue
    user=$(stat --format=%U -- "$socket")
    say "  A sound server of the user $user runs, too. While it holds the microphone, ALSA cannot have it."
    tell_how_to_share "$user"
  done
}

# A socket that any member of a group can reach, made by the user's own server each time it starts.
tell_how_to_share() {
  say "  To hear through the server of $1, let it listen in a place that both can reach, also when nobody is logged in:"
  say "    sudo loginctl enable-linger $1"
  say "    echo 'd /run/voicebridge-sound 0750 $1 $SERVICE_USER' | sudo tee /etc/tmpfiles.d/voicebridge-sound.conf"
  say "    sudo systemd-tmpfiles --create /etc/tmpfiles.d/voicebridge-sound.conf"
  say "  With PulseAudio, in a new file /etc/pulse/default.pa.d/voicebridge.pa:"
  say "    load-module module-native-protocol-unix auth-group=$SERVICE_USER socket=/run/voicebridge-sound/native"
  say "  With PipeWire, in a new file /etc/pipewire/pipewire-pulse.conf.d/voicebridge.conf:"
  say '    pulse.properties = { server.address = [ "unix:native" "unix:/run/voicebridge-sound/native" ] }'
  say "  Then start that server anew, and: sudo ./install.sh --sound pulse:/run/voicebridge-sound/native"
}
