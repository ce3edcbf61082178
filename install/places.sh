# shellcheck shell=bash
# Where everything is on a device, and what it is called there. Sourced by install.sh.

# The tests of these scripts put a directory of their own before every place.
readonly PREFIX=${VOICEBRIDGE_PREFIX-}
readonly OPT=$PREFIX/opt/voicebridge
readonly RELEASES=$OPT/releases CURRENT=$OPT/current
readonly CONFIG=$PREFIX/etc/voicebridge/voicebridge.toml
readonly STATE=$PREFIX/var/lib/voicebridge
readonly DATABASE=$STATE/voicebridge.db
readonly COMMANDS=$PREFIX/usr/local/bin
# Not /etc/systemd/system: `systemctl mask` and `edit --full` want that place for the owner of the device.
readonly UNITS=$PREFIX/usr/local/lib/systemd/system
readonly CATALOG=$PREFIX/usr/local/lib/systemd/catalog/voicebridge.catalog
readonly OWN_UNITS=$PREFIX/etc/systemd/system
readonly SOUND=$UNITS/voicebridge.service.d/sound.conf RESTART=$UNITS/voicebridge.service.d/restart.conf
readonly DEVICE_LOG=$PREFIX/var/log/voicebridge-install.log
readonly DEVICE_LOCK=$PREFIX/run/lock/voicebridge-install.lock

readonly SERVICE=voicebridge.service
readonly UNIT_FILES=(voicebridge.service voicebridge-revive.service voicebridge-backup.service voicebridge-backup.timer)
readonly COMMAND_NAMES=(voicebridge voicebridge-bench)
readonly SERVICE_USER=voicebridge
readonly DEFAULT_MODEL=base.en

# share RELEASE: where a release keeps what is not Python.
share() { printf '%s\n' "$RELEASES/$1/share/voicebridge"; }

# Prints the name of the release in use; nothing where there is none.
current_release() {
  [[ -L $CURRENT ]] || return 0
  local target
  target=$(readlink -- "$CURRENT")
  printf '%s\n' "${target##*/}"
}

# as_service COMMAND...: runs it as the user of the service, in its state directory and without this shell's environment.
as_service() {
  local become
  become=$(PATH=$PATH:/usr/sbin:/sbin command -v runuser)
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$STATE" LANG="${LANG:-C.UTF-8}" STATE_DIRECTORY="$STATE" \
    RUNTIME_DIRECTORY=/run/voicebridge PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1 \
    ${SSL_CERT_FILE:+"SSL_CERT_FILE=$SSL_CERT_FILE"} ${HF_ENDPOINT:+"HF_ENDPOINT=$HF_ENDPOINT"} \
    ${https_proxy:+"https_proxy=$https_proxy"} ${HTTPS_PROXY:+"HTTPS_PROXY=$HTTPS_PROXY"} \
    "$become" --user "$SERVICE_USER" -- "$@"
}
