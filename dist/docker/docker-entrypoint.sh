#!/bin/sh
# What a container runs: its arguments are those of muster.
#
#   agent ARG...     an agent with its data and configuration in their volumes
#   -ARG...          muster with these options
#   COMMAND ARG...   a command of muster, such as "members"; else a program of the image
#
# From the environment, each also with CONSUL_ in front of it:
#
#   MUSTER_DATA_DIR                where data is kept: /consul/data
#   MUSTER_CONFIG_DIR              where configuration is read: /consul/config
#   MUSTER_LOCAL_CONFIG            configuration in JSON, read with that of the folder
#   MUSTER_BIND_INTERFACE          the interface whose address other agents reach
#   MUSTER_CLIENT_INTERFACE        the interface whose address clients reach
#   MUSTER_ALLOW_PRIVILEGED_PORTS  if set: ports below 1024 may be listened on (DNS on 53)
#   MUSTER_DISABLE_PERM_MGMT       if set: neither owners of files nor the user are changed
#   MUSTER_USER                    who runs the agent if the container starts as root: muster
set -eu

data=${MUSTER_DATA_DIR:-${CONSUL_DATA_DIR:-/consul/data}}
config=${MUSTER_CONFIG_DIR:-${CONSUL_CONFIG_DIR:-/consul/config}}
text=${MUSTER_LOCAL_CONFIG:-${CONSUL_LOCAL_CONFIG:-}}
bind=${MUSTER_BIND_INTERFACE:-${CONSUL_BIND_INTERFACE:-}}
client=${MUSTER_CLIENT_INTERFACE:-${CONSUL_CLIENT_INTERFACE:-}}
ports=${MUSTER_ALLOW_PRIVILEGED_PORTS:-${CONSUL_ALLOW_PRIVILEGED_PORTS:-}}
keep=${MUSTER_DISABLE_PERM_MGMT:-${CONSUL_DISABLE_PERM_MGMT:-}}
user=${MUSTER_USER:-muster}

# address says, in the words of the configuration, the first IPv4 address of an
# interface.
address() {
  printf '{{ GetAllInterfaces | include "name" "^%s$" | include "type" "IPv4" | limit 1 | attr "address" }}' "$1"
}

case ${1:-} in
agent)
  shift
  # What stands here comes first, so that an option of the container's arguments
  # wins.
  if [ -n "$client" ]; then
    set -- "-client=$(address "$client")" "$@"
  fi
  if [ -n "$bind" ]; then
    set -- "-bind=$(address "$bind")" "$@"
  fi
  if [ -n "$text" ]; then
    printf '%s\n' "$text" >"$config/local.json"
  fi
  set -- muster agent "-data-dir=$data" "-config-dir=$config" "$@"
  ;;
-* | '')
  set -- muster "$@"
  ;;
consul)
  shift
  set -- muster "$@"
  ;;
muster) ;;
*)
  # Muster's own commands have a page of help; anything else is a program.
  if muster "$1" --help >/dev/null 2>&1; then
    set -- muster "$@"
  fi
  ;;
esac

# An agent needs no privileges: as root, hand its folders to its user, and
# become that user.
if [ "$1" = muster ] && [ "${2:-}" = agent ] && [ "$(id -u)" = 0 ] && [ -z "$keep" ]; then
  for dir in "$data" "$config"; do
    if [ -d "$dir" ] && [ "$(stat -c %U "$dir")" != "$user" ]; then
      chown "$user:" "$dir"
    fi
  done
  if [ -f "$config/local.json" ]; then
    chown "$user:" "$config/local.json"
  fi
  if [ -n "$ports" ]; then
    set -- --inh-caps=+net_bind_service --ambient-caps=+net_bind_service "$@"
  fi
  set -- setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups "$@"
fi
exec "$@"
