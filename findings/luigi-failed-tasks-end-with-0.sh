#!/usr/bin/env bash
# Exit codes and summaries of a pipeline whose tasks fail, miss their input, write nothing or write half of it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
packages=('luigi==3.8.1')
if command -v uv >/dev/null; then
  uv venv -q -p python3 "$tmp/venv"
  VIRTUAL_ENV=$tmp/venv uv pip install -q "${packages[@]}"
else
  python3 -m venv "$tmp/venv"
  "$tmp/venv/bin/pip" install -q --disable-pip-version-check "${packages[@]}" 2>/dev/null
fi
cd "$tmp"
export PYTHONPATH=$tmp HOME=$tmp
venv/bin/python -c 'from importlib.metadata import version; print("luigi", version("luigi"))'
cat >nights.py <<'END'
import luigi


class Raw(luigi.ExternalTask):
    def output(self):
        return luigi.LocalTarget("raw.csv")


class Made(luigi.Task):
    def output(self):
        return luigi.LocalTarget(f"{type(self).__name__}.csv")


class NeedsRaw(Made):
    def requires(self):
        return Raw()

    def run(self):
        open(self.output().path, "w").close()


class Fails(Made):
    def run(self):
        raise ValueError("a dose below 0")


class WritesNothing(Made):
    def run(self):
        pass


class WritesHalf(Made):
    def run(self):
        with open(self.output().path, "w") as opened:
            opened.write("id,dose\n")
            opened.flush()
            raise OSError("no space left")


class Needs(luigi.WrapperTask):
    def requires(self):
        return [Fails(), WritesNothing()]


if __name__ == "__main__":
    for task in (NeedsRaw(), Fails(), WritesNothing()):
        print(f"luigi.build, {type(task).__name__}: {luigi.build([task], local_scheduler=True, log_level='CRITICAL')}")
END
run() { # a task, and options
  local code=0
  venv/bin/luigi --module nights "$@" --local-scheduler --no-lock >log 2>&1 || code=$?
  echo "exit $code, $(sed -n 's/^This progress looks \(:[^ ]*\) .*/\1/p' log)"
}
{
  for task in NeedsRaw Fails WritesNothing WritesHalf Needs; do
    rm -f ./*.csv
    echo "$task: $(run $task), there is $(ls ./*.csv 2>/dev/null || echo nothing)"
  done
  rm -f ./*.csv
  echo "WritesHalf: $(run WritesHalf); once more: $(run WritesHalf), the file has $(wc -l <WritesHalf.csv) line"
  rm -f ./*.csv
  echo "Fails, with its exit code configured: $(run Fails --retcode-task-failed 30)"
  rm -f ./*.csv
  venv/bin/python nights.py 2>/dev/null
} >seen
cat >expected <<'END'
NeedsRaw: exit 0, :|, there is nothing
Fails: exit 0, :(, there is nothing
WritesNothing: exit 0, :), there is nothing
WritesHalf: exit 0, :(, there is ./WritesHalf.csv
Needs: exit 0, :(, there is nothing
WritesHalf: exit 0, :(; once more: exit 0, :), the file has 1 line
Fails, with its exit code configured: exit 30, :(
luigi.build, NeedsRaw: True
luigi.build, Fails: False
luigi.build, WritesNothing: True
END
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
