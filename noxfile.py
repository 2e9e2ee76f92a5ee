"""What CI does, in pieces: ``nox --list``, ``nox -s lint``, ``nox -s tests-3.13 -- tests/core``."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

import nox

PROJECT = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "rules", f"tests-{PYTHONS[0]}"]
nox.options.reuse_existing_virtualenvs = True


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Style, types (a user's code too), and links of the documentation."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run(
        "mkdocs", "build", "--strict", "--site-dir", tempfile.mkdtemp(), env={"NO_MKDOCS_2_WARNING": "1"}
    )


@nox.session(python=PYTHONS[0])
def rules(session: nox.Session) -> None:
    """The rules alone; every branch of them is reached by examples that are written down."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/core", "--cov", "--cov-report=", *session.posargs)
    session.run("coverage", "report", "--include=upload_client/core/*", "--fail-under=100", "--skip-covered")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, as the README has them."""
    session.install("-e", ".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto", "--dist", "worksteal"]))


@nox.session(python=PYTHONS[0])
def long(session: nox.Session) -> None:
    """The tests that take minutes."""
    session.install("-e", ".[test]")
    session.run("pytest", "-m", "long", *session.posargs)


@nox.session(python=PYTHONS[0])
def ministack(session: nox.Session) -> None:
    """The receiving end at AWS, from the template to the outcome, in an emulator; a minute or two."""
    session.install("-e", ".[receiver,signing,functions]", "ministack==1.5.33")
    session.run("python", "tests/receiver/ministack.py")


@nox.session(python="3.13")  # as the template has it: so the zip holds compiled modules
def lambdas(session: nox.Session) -> None:
    """The packed functions judge and hand over under AWS' client, with the oldest boto3; asks PyPI."""
    session.install("-e", ".[test]")
    session.run("pytest", "-m", "long", "tests/receiver/test_runtime_client.py", *session.posargs)


@nox.session(python=PYTHONS[0])
def crate(session: nox.Session) -> None:
    """A receipt as an RO-Crate, held against what RO-Crate 1.2 requires; asks w3id.org for its context."""
    session.install("-e", ".[test]", "roc-validator==0.13.0")
    folder = Path(session.create_tmp()) / "crate"
    session.run(
        "python",
        "-c",
        "import shutil, sys, tempfile; from pathlib import Path\n"
        "sys.path.insert(0, 'tests'); from cli.test_verify import receipt_of\n"
        "from upload_client.receipts.export import export\n"
        "folder = Path(sys.argv[1]); shutil.rmtree(folder, ignore_errors=True)\n"
        "(folder / 'b').mkdir(parents=True)\n"
        "(folder / 'a.csv').write_text('x\\n1\\n'); (folder / 'b/ä ü.txt').write_text('text')\n"
        "receipt, *_ = receipt_of(folder, Path(tempfile.mkdtemp()))\n"
        "export(receipt, 'ro-crate', folder / 'ro-crate-metadata.json', folder)",
        str(folder),
    )
    session.run(
        *("rocrate-validator", "--no-interactive", "validate", "--profile-identifier", "ro-crate-1.2"),
        *("--no-auto-profile", "--requirement-severity", "required", "--skip-availability-check"),
        *("--no-paging", str(folder)),
    )


@nox.session(python=["3.11", "3.13"], venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """All tests, with the oldest version of each dependency that is allowed; `.ci/versions` is quicker."""
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto", "--dist", "worksteal"]))


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """What is published: built, installed alone, asked for its version and its pages."""
    session.install("build")
    folder = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", folder, ".")
    session.install("--force-reinstall", *map(str, Path(folder).glob("*.whl")))
    session.run("upload-client", "--version")
    session.run("upload-client", "docs", "settings", silent=True)


@nox.session(python=PYTHONS[0], reuse_venv=True)
def release(session: nox.Session) -> None:
    """Whether this may be released under the tag that is given: ``nox -s release -- v1.2.3``."""
    tag = session.posargs[0] if session.posargs else ""
    if tag != f"v{PROJECT['version']}":
        session.error(f"the tag is {tag!r}, and the version in pyproject.toml {PROJECT['version']}")
    changes = Path("CHANGELOG.md").read_text(encoding="utf-8")
    if f"\n## [{PROJECT['version']}] - " not in changes:
        session.error(f"CHANGELOG.md has no section [{PROJECT['version']}] with a date")
    # An address that is not ours would lead everybody who installs this to somebody else.
    session.install("requests")
    session.run(
        "python",
        "-c",
        "import sys, requests\n"
        "for url in sys.argv[1:]:\n"
        "    page = requests.get(url, timeout=30)\n"
        "    assert page.ok and 'upload_client' in page.text, f'{url} is not this project'",
        *PROJECT.get("urls", {}).values(),
    )


@nox.session(venv_backend="none")
def lock(session: nox.Session) -> None:
    """Write anew what CI (dev.txt) and the validator's image and zip (image.txt) are made of, with hashes."""
    for name, extras in (("dev", ["dev"]), ("image", ["receiver", "serve", "formats-all", "signing"])):
        session.run(
            *("uv", "pip", "compile", "--quiet", "pyproject.toml", "requirements/build.in"),
            *(f"--extra={extra}" for extra in extras),
            *("--universal", "--python-version=3.11", "--generate-hashes", "--upgrade"),
            *("--no-header", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
            f"--output-file=requirements/{name}.txt",
            external=True,
        )


@nox.session(python=PYTHONS[0])
def sbom(session: nox.Session) -> None:
    """What is in an installation, and in the validator's image: CycloneDX documents, in sbom/."""
    folder = Path("sbom")
    folder.mkdir(exist_ok=True)
    name = f"upload-client-{PROJECT['version']}"
    session.install("cyclonedx-bom>=7", "build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), ".", silent=True)
    (wheel,) = folder.glob("*.whl")
    for what, requirements in (("", [str(wheel)]), ("-validator", ["-r", "requirements/image.txt"])):
        venv = Path(session.create_tmp()) / f"of{what}"
        session.run("python", "-m", "venv", "--clear", "--without-pip", str(venv))
        into = ["--python", str(venv), "--quiet", *(["--require-hashes"] if what else [])]
        session.run("uv", "pip", "install", *into, *requirements, external=True)
        session.run(
            *("cyclonedx-py", "environment", str(venv), "--pyproject", "pyproject.toml", "--short-PURLs"),
            *("--output-reproducible", "--output-file", str(folder / f"{name}{what}.cdx.json")),
        )
    wheel.unlink()
