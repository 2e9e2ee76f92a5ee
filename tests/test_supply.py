"""What is installed in earnest is written down, with a reason and with hashes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = {"dev": ["dev"], "image": ["receiver", "serve", "formats-all", "signing"]}


def locked(name: str) -> dict[str, tuple[str, int]]:
    """For each package of a list its version and how many hashes it has."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        package, version = re.match(r"([\w.-]+)==([\w.+!]+) ", line).groups()
        found[package] = version, len(re.findall(r"--hash=sha256:[0-9a-f]{64}", line))
    return found


def depended_on(extras: list[str]) -> list[Requirement]:
    """The packages that everybody gets, and those of extras, of extras within them too."""
    optional = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in optional[extra])]
    found = []
    for requirement in map(Requirement, lines):
        if requirement.name == "upload-client":
            names = {each.name for each in map(Requirement, PROJECT["dependencies"])}
            found += [each for each in depended_on(sorted(requirement.extras)) if each.name not in names]
        else:
            found.append(requirement)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_each_package_has_hashes_and_is_one_that_may_be_used(name):
    packages = locked(name)
    assert all(n for _, n in packages.values())
    for requirement in depended_on(LOCKS[name]):
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"nox -s lock: {requirement}"


@pytest.mark.parametrize("name", LOCKS)
def test_no_list_says_where_a_package_is_to_be_had(name):
    """That is up to whoever installs it; a host that is written down would be asked for ever."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^-|--(?!hash=)|file:| @ ", text, re.MULTILINE)


def test_what_everybody_installs_has_a_reason_and_a_licence_written_down():
    page = (ROOT / "docs/decisions/dependencies.md").read_text(encoding="utf-8")
    rows = {
        row[0]: row[1:]
        for row in re.findall(r"^\| `([\w-]+)` \| (.+) \| (\d{4}) \| (\S+) \|$", page, re.MULTILINE)
    }
    assert rows.keys() == {requirement.name for requirement in depended_on([])}
    for extra in sorted(PROJECT["optional-dependencies"].keys() - {"formats-all", "test", "docs", "dev"}):
        (row,) = re.findall(rf"^\| `{extra}` \|.*$", page, re.MULTILINE)
        for line in PROJECT["optional-dependencies"][extra]:
            assert f"`{Requirement(line).name}`" in row, line


def test_ci_and_the_image_install_what_is_written_down_and_nothing_else():
    for path in (".ci/run", "examples/receiver/Dockerfile"):
        installs = re.findall(r"^(?:RUN pip |)install (.*)$", (ROOT / path).read_text("utf-8"), re.MULTILINE)
        for line in installs:
            assert "--require-hashes -r" in line or "--no-deps" in line, line


def test_what_the_image_is_built_from_is_enough_to_build_it(tmp_path):
    text = (ROOT / "examples/receiver/Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            to = tmp_path / target.removeprefix("/src").strip("/")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place = to / Path(source).name if target.endswith("/") else to
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"],
        cwd=tmp_path,
        check=True,
    )
    assert list((tmp_path / "dist").glob("*.whl"))


def test_what_the_compose_file_runs_and_reads_is_there_and_no_port_is_open_to_others():
    from upload_client.cli.receiver import receiver
    from upload_client.receiver.serving.configuration import read_configuration

    folder = ROOT / "examples/receiver"
    services = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        for source, _, _ in (volume.partition(":") for volume in service.get("volumes", ())):
            assert not source.startswith(".") or (folder / source).is_file(), source
        assert (folder / service.get("build", {}).get("context", "../..") / "pyproject.toml").is_file()
    found = read_configuration(folder / "receiver.toml")
    assert f"127.0.0.1:{found.serve.listen.rpartition(':')[2]}:" in services["receiver"]["ports"][0]
    assert found.validator.endpoint_url.startswith("http://store:")
    assert f"-s3.port={found.validator.endpoint_url.rpartition(':')[2]} " in services["store"]["command"]
    assert services["receiver"]["entrypoint"] == ["upload-client", "receiver"]
    assert services["receiver"]["command"][0] in receiver.commands


def test_nothing_lies_beside_the_project_that_is_none_of_it():
    """What a trial wrote into the folder it ran in would go to everybody with the sources."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    tracked = subprocess.run([git, "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True).stdout
    top = [name for name in tracked.splitlines() if "/" not in name and not name.startswith(".")]
    assert [name for name in top if Path(name).suffix not in {"", ".md", ".py", ".toml", ".yml"}] == []
