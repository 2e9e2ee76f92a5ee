#!/usr/bin/env bash
# A network of drinking water that WNTR writes as EPANET's INP and as JSON, and reads again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('wntr==1.5.0' 'numpy==2.4.6' 'pandas==3.1.1' 'six==1.17.0')
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
as it is: pattern [1.0, 0.123456789, 2.5e-07, 0.0004]
  A: pressure from 5.0 to 20.0, tag zone 1, leak of 0.05 m2
  Q: bulk coefficient -1.234567e-06 per s; IF SYSTEM TIME IS 30:01:01 THEN PIPE Q STATUS IS CLOSED PRIORITY 3
JSON: pattern [1.0, 0.123456789, 2.5e-07, 0.0004]
  A: pressure from 5.0 to 20.0, tag zone 1, leak of 0.05 m2
  Q: bulk coefficient -1.234567e-06 per s; IF SYSTEM TIME IS 30:01:01 THEN PIPE Q STATUS IS CLOSED PRIORITY 3
INP in LPS: pattern [1.0, 0.123457, 0.0, 0.0004]
  A: pressure from None to None, tag zone, leak of 0.0 m2
  Q: bulk coefficient -1.2349537e-06 per s; IF SYSTEM TIME IS 30:01:00 THEN PIPE Q STATUS IS CLOSED PRIORITY 3
INP in GPM: pattern [1.0, 0.123457, 0.0, 0.0004]
  A: pressure from None to None, tag zone, leak of 0.0 m2
  Q: bulk coefficient -1.2349537e-06 per s; IF SYSTEM TIME IS 30:01:00 THEN PIPE Q STATUS IS CLOSED PRIORITY 3
END
venv/bin/python -W ignore - >seen 2>errors <<'END' || { tail -n 5 errors; exit 1; }
import wntr
from wntr.network import LinkStatus, WaterNetworkModel, controls, io

network = WaterNetworkModel()
network.add_pattern("dose", [1.0, 0.123456789, 2.5e-7, 0.0004])
network.add_junction("A", base_demand=0.01, elevation=10, demand_pattern="dose")
network.add_junction("B", base_demand=0.02, elevation=5)
network.add_reservoir("R", base_head=200)
network.add_pipe("P", "R", "A", length=100, diameter=0.3, roughness=100)
network.add_pipe("Q", "A", "B", length=100, diameter=0.3, roughness=100)
junction = network.get_node("A")
junction.minimum_pressure, junction.required_pressure, junction.tag = 5.0, 20.0, "zone 1"
junction.add_leak(network, area=0.05, start_time=0)
pipe = network.get_link("Q")
pipe.bulk_coeff = -1.234567e-6
close = controls.ControlAction(pipe, "status", LinkStatus.Closed)
network.add_control("close", controls.Control(controls.SimTimeCondition(network, "=", 30 * 3600 + 61), close))


def show(told, network):
    junction, pipe = network.get_node("A"), network.get_link("Q")
    print(f"{told}: pattern {network.get_pattern('dose').multipliers.tolist()}")
    print(f"  A: pressure from {junction.minimum_pressure} to {junction.required_pressure}, tag {junction.tag}, leak of {junction.leak_area} m2")
    print(f"  Q: bulk coefficient {pipe.bulk_coeff:.9g} per s; {'; '.join(str(control) for _, control in network.controls() if 'LEAK' not in str(control))}")


show("as it is", network)
io.write_json(network, "made.json")
show("JSON", io.read_json("made.json"))
for units in ("LPS", "GPM"):
    io.write_inpfile(network, "made.inp", units=units)
    show(f"INP in {units}", io.read_inpfile("made.inp"))
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
