#!/bin/sh
# After the files are gone. Data and user stay, until the package is purged.
set -e
root=${DPKG_ROOT:-}
if [ "${1:-}" = purge ]; then
  rm -rf "$root/var/lib/muster" "$root/etc/muster.d"
fi
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
