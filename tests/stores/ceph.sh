#!/usr/bin/env bash
# Ceph RGW on this machine, on loopback, in memory: one monitor, one manager, one OSD, one gateway.
#
#   apt-get install ceph-mon ceph-mgr ceph-osd radosgw ceph-common
#   tests/stores/ceph.sh DIRECTORY PORT     starts it, prints its URL; keys: testing, testing
#
# It runs until the processes are ended whose numbers are in DIRECTORY/pids. Nothing is kept on disk but its logs.
set -euo pipefail
here=$(mkdir -p "$1" && cd "$1" && pwd)
port=$2
mon=$((port + 1))
rm -rf "${here:?}"/*
mkdir -p "$here"/{mon,mgr,osd,rgw,run,log}
fsid=$(cat /proc/sys/kernel/random/uuid)
cat >"$here/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = $here/run
log file = $here/log/\$name.log
admin socket = $here/run/\$name.asok
pid file = $here/run/\$name.pid
mon data = $here/mon
mgr data = $here/mgr
osd data = $here/osd
rgw data = $here/rgw
keyring = $here/keyring
mon initial members = a
mgr initial modules =
setuser match path =
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw thread pool size = 16
rgw gc obj min wait = 1
CONF
export CEPH_CONF=$here/ceph.conf
for who in mon. client.admin mgr.a osd.0 client.rgw.a; do
  ceph-authtool "$here/keyring" $([[ -e $here/keyring ]] || echo --create-keyring) --gen-key -n "$who" \
    --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' --cap mds 'allow *' >/dev/null
done
run() { setsid "$@" -c "$here/ceph.conf" -f >>"$here/log/out" 2>&1 </dev/null & echo $! >>"$here/pids"; }
monmaptool --create --addv a "[v2:127.0.0.1:$mon]" --fsid "$fsid" "$here/monmap" >/dev/null
ceph-mon -c "$here/ceph.conf" -i a --mkfs --monmap "$here/monmap" --keyring "$here/keyring" >>"$here/log/out" 2>&1
run ceph-mon -i a
run ceph-mgr -i a
osd=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph -c "$here/ceph.conf" osd new "$osd" 0 >>"$here/log/out" 2>&1
ceph-osd -c "$here/ceph.conf" -i 0 --mkfs --osd-uuid "$osd" >>"$here/log/out" 2>&1
run ceph-osd -i 0
run radosgw -n client.rgw.a
for _ in $(seq 120); do
  curl -s -m 2 -o /dev/null "http://127.0.0.1:$port/" && break
  sleep 1
done
timeout 60 radosgw-admin -c "$here/ceph.conf" user create --uid=testing --display-name=testing \
  --access-key=testing --secret=testing >>"$here/log/out" 2>&1
echo "http://127.0.0.1:$port"
