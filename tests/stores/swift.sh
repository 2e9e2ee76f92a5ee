#!/usr/bin/env bash
# OpenStack Swift with s3api on this machine, one of everything, from PyPI: swift.sh FOLDER PORT
# prints the endpoint when it answers; keys are test:tester and testing. `swift.sh FOLDER stop` ends it.
# The folder's file system has to keep extended attributes (user.*). The five ports from PORT on are used.
set -euo pipefail
home=$(mkdir -p "$1" && cd "$1" && pwd)
if [[ ${2:-} == stop ]]; then
  while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$home/pids"
  rm -f "$home/pids"
  exit 0
fi
port=${2:-8670}
venv=$home/venv
if [[ ! -e $venv/.ready ]]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check swift==2.38.3 'setuptools<80'
  touch "$venv/.ready"
fi
mkdir -p "$home/etc" "$home/devices/d1"
cd "$home/etc"
cat >swift.conf <<END
[swift-hash]
swift_hash_path_suffix = trial
swift_hash_path_prefix = trial
END
for kind in account container object; do
  at=$((port + 1)); [[ $kind == container ]] && at=$((port + 2)); [[ $kind == object ]] && at=$((port + 3))
  cat >$kind.conf <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $at
devices = $home/devices
mount_check = false
swift_dir = $home/etc
workers = 0
user = $(id -un)
log_address = /nowhere
[pipeline:main]
pipeline = $kind-server
[app:$kind-server]
use = egg:swift#$kind
END
  if [[ ! -e $kind.ring.gz ]]; then
    "$venv/bin/swift-ring-builder" $kind.builder create 4 1 1 >/dev/null
    "$venv/bin/swift-ring-builder" $kind.builder add r1z1-127.0.0.1:$at/d1 1 >/dev/null
    "$venv/bin/swift-ring-builder" $kind.builder rebalance >/dev/null
  fi
done
cat >proxy.conf <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
swift_dir = $home/etc
workers = 0
user = $(id -un)
log_address = /nowhere
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache listing_formats s3api tempauth copy slo symlink versioned_writes proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$((port + 4))
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
END
: >"$home/pids"
export SWIFT_TEST_CONFIG=/nowhere
for server in account container object proxy; do
  "$venv/bin/swift-$server-server" "$home/etc/$server.conf" >"$home/log-$server" 2>&1 </dev/null &
  echo $! >>"$home/pids"
done
for _ in $(seq 60); do
  if curl -fs -m 2 "http://127.0.0.1:$port/healthcheck" >/dev/null 2>&1; then echo "http://127.0.0.1:$port"; exit 0; fi
  sleep 0.5
done
tail -n 20 "$home"/log-* >&2
exit 1
