#!/usr/bin/env bash
# HDF5 of h5py read by Octave, and HDF5 of Octave read by h5py.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(octave=7.3.0-2) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
libraries=$tmp/unpacked/usr/lib/x86_64-linux-gnu
octave() {
  OCTAVE_HOME=$tmp/unpacked/usr \
    LD_LIBRARY_PATH=$libraries:$tmp/unpacked/lib/x86_64-linux-gnu:$tmp/unpacked/usr/lib:$libraries/octave/7.3.0:$libraries/blas:$libraries/lapack \
    "$tmp/unpacked/usr/bin/octave-cli" --no-gui -q "$@"
}
packages=('h5py==3.16.0' 'numpy==2.4.6')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
octave --version | head -n 1
"$tmp/venv/bin/python" -c 'import sys; from importlib.metadata import version
for name in sys.argv[1:]: print(name, version(name))' "${packages[@]%%=*}"
cat >make.py <<'END'
import h5py
import numpy as np

with h5py.File("plain.h5", "w") as file:
    file["complex"] = np.array([1 + 2j, 3 - 4j, 5j])
    file["read"] = np.array([9007199254740993, -9007199254740993])
    file["dose a"] = 1.5
    file["dose.a"] = 2.5
    file["grid"] = np.arange(6).reshape(2, 3)
    file["note"] = "checked"
    file["pulse"] = 70
    file["weight"] = 80.5
    file["flag"] = np.array([True,False])
END
cat >read.m <<'END'
found = load("plain.h5");
for name = fieldnames(found)'
  value = found.(name{1});
  if iscomplex(value)
    told = {"others", "1+2i, 3-4i, 5i"}{1 + isequal(value(:), [1+2i; 3-4i; 5i])};
  else
    told = num2str(value(:)', 17);
  endif
  printf("  %s, %s, %s: %s\n", name{1}, class(value), mat2str(size(value)), regexprep(told, " +", " "));
endfor
END
cat >write.m <<'END'
steps = 0:0.1:0.3;
same = [0 0.1 0.2 0.3];
count = 1:3;
nothing = zeros(0, 3);
no_text = "";
gap = [1 NA NaN];
flag = true;
save("-hdf5", "made.h5", "steps", "same", "count", "nothing", "no_text", "gap", "flag");
again = load("made.h5");
printf("  read by Octave: steps %s, nothing %s\n", mat2str(again.steps), mat2str(size(again.nothing)));
END
cat >show.py <<'END'
import h5py

with h5py.File("made.h5") as file:
    for name in file:
        print(f"  {name}, {file[name]['type'][()].decode()}: {file[name]['value'][()].tolist()}")
END
cat >expected <<'END'
what h5py has written, read by Octave
  complex, double, [1 3]: others
  dose_a, double, [1 1]: 2.5
  grid, int64, [3 2]: 0 1 2 3 4 5
  says: can't read 'flag' (unknown datatype)
  says: error while reading hdf5 item 'note'
what Octave has written, read by h5py
  read by Octave: steps [0 0.1 0.2 0.3], nothing [0 3]
  count, double_range: (1.0, 3.0, 1.0)
  flag, bool: 1.0
  gap, matrix: [[1.0], [nan], [nan]]
  no_text, string: [0, 0]
  nothing, matrix: [0, 3]
  same, matrix: [[0.0], [0.1], [0.2], [0.3]]
  steps, double_range: (0.0, 0.3, 0.1)
END
{
  venv/bin/python make.py
  echo "what h5py has written, read by Octave"
  octave read.m 2>said
  sed -n 's/^warning: load: /  says: /p' said
  echo "what Octave has written, read by h5py"
  octave write.m 2>>said
  venv/bin/python show.py
} >seen
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
