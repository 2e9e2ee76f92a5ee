#!/usr/bin/env bash
# Messages of three CAN buses, written by python-can in each of its forms and read by it again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('python-can==4.6.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cd "$tmp"
cat >expected <<'END'
given
  at 0.0000000 s, bus 1, sent, data, length 2: bus 1, sent, id 123 of 29 bits
  at 0.0000000 s, bus 2, received, FD, higher rate, length 12: bus 2, CAN FD, 12 bytes at the higher rate
  at 0.0000000 s, bus 0, received, remote, length 4: bus 0, asks for 4 bytes
  at 0.0000000 s, bus 0, received, error, length 0: bus 0, an error
  at 1.0000005 s, bus 0, received, data, length 1: bus 0, 1.0000005 s later
.blf: 5 of 5
  at 0.0000000 s, bus 1, sent, data, length 2
  at 0.0000000 s, bus 2, received, FD, higher rate, length 12
  at 0.0000000 s, bus 0, received, remote, length 4
  at 0.0000000 s, bus 0, received, error, length 0
  at 1.0000005 s, bus 0, received, data, length 1
.asc: 5 of 5
  at 0.0000000 s of nothing, bus 1, sent, data, length 2
  at 0.0000000 s of nothing, bus 2, received, FD, higher rate, length 12
  at 0.0000000 s of nothing, bus 0, received, remote, length 4
  at 0.0000000 s of nothing, bus 0, received, error, length 0
  at 1.0000000 s of nothing, bus 0, received, data, length 1
.csv: 5 of 5
  at 0.0000000 s, bus None, received, data, length 2
  at 0.0000000 s, bus None, received, data, length 12
  at 0.0000000 s, bus None, received, remote, length 4
  at 0.0000000 s, bus None, received, error, length 0
  at 1.0000005 s, bus None, received, data, length 1
.db: 5 of 5
  at 0.0000000 s, bus None, received, data, length 2
  at 0.0000000 s, bus None, received, data, length 12
  at 0.0000000 s, bus None, received, remote, length 4
  at 0.0000000 s, bus None, received, error, length 0
  at 1.0000005 s, bus None, received, data, length 1
.log: 5 of 5
  at 0.0000000 s, bus can1, sent, data, length 2
  at 0.0000000 s, bus can2, received, FD, higher rate, length 12
  at 0.0000000 s, bus can0, received, remote, length 0
  at 0.0000000 s, bus None, received, error, length 0
  at 1.0000000 s, bus can0, received, data, length 1
.trc: 2 of 5
  at 0.0000000 s, bus 2, sent, data, length 2
  at 1.0000000 s, bus 1, received, data, length 1
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import can

START = 1769859015.25  # 31 January 2026, 11:30:15.25 UTC
GIVEN = {
    "bus 1, sent, id 123 of 29 bits": dict(arbitration_id=0x123, channel=1, is_rx=False, data=b"\x01\x02"),
    "bus 2, CAN FD, 12 bytes at the higher rate": dict(
        arbitration_id=0x123, channel=2, is_extended_id=False, is_fd=True, bitrate_switch=True, data=bytes(range(12))
    ),
    "bus 0, asks for 4 bytes": dict(arbitration_id=0x321, channel=0, is_extended_id=False, is_remote_frame=True, dlc=4),
    "bus 0, an error": dict(channel=0, is_error_frame=True),
    "bus 0, 1.0000005 s later": dict(arbitration_id=0x1, channel=0, is_extended_id=False, data=b"\x05"),
}
messages = [
    can.Message(timestamp=START + (1.0000005 if "later" in name else 0), **fields) for name, fields in GIVEN.items()
]


def shown(message):
    kind = "error" if message.is_error_frame else "remote" if message.is_remote_frame else "FD" if message.is_fd else "data"
    rate = ", higher rate" if message.bitrate_switch else ""
    return (
        f"at {message.timestamp - START if message.timestamp > 1e9 else message.timestamp:.7f} s"
        f"{'' if message.timestamp > 1e9 else ' of nothing'}, bus {message.channel}, "
        f"{'received' if message.is_rx else 'sent'}, {kind}{rate}, length {message.dlc}"
    )


print("given")
for name, message in zip(GIVEN, messages, strict=True):
    print(f"  {shown(message)}: {name}")
for path in ("made.blf", "made.asc", "made.csv", "made.db", "made.log", "made.trc"):
    with can.Logger(path) as logger:
        for message in messages:
            logger(message)
    read = list(can.LogReader(path))
    print(f"{path.replace('made', '')}: {len(read)} of {len(messages)}")
    for message in read:
        print(f"  {shown(message)}")
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
