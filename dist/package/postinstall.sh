#!/bin/sh
# After the files are there: the user, and what it owns. DPKG_ROOT is set when
# dpkg installs into a folder.
set -e
root=${DPKG_ROOT:-}
if ! grep -q '^muster:' "$root/etc/passwd"; then
  useradd ${root:+--prefix "$root"} --system --user-group --no-create-home \
    --home-dir /var/lib/muster --shell /usr/sbin/nologin muster
fi
ids=$(sed -n 's/^muster:[^:]*:\([0-9]*\):\([0-9]*\):.*/\1 \2/p' "$root/etc/passwd")
chown "${ids% *}:${ids#* }" "$root/var/lib/muster"
chown "0:${ids#* }" "$root/etc/muster.d" "$root/etc/muster.d/muster.hcl"
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
