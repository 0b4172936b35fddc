#!/bin/sh
# Before the files go: stop the agent, unless they are only replaced.
set -e
case ${1:-} in
remove | 0)
  if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl disable --now muster.service
  fi
  ;;
esac
