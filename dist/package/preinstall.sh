#!/bin/sh
# Before an rpm's files are there: the user who owns some of them.
set -e
if ! grep -q '^muster:' /etc/passwd; then
  useradd --system --user-group --no-create-home --home-dir /var/lib/muster --shell /usr/sbin/nologin muster
fi
