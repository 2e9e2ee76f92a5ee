"""``upload-client --version``: what is installed here, for a report."""

from __future__ import annotations

import os
import platform

import click

from upload_client.core.text import for_terminal


def show_versions(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:  # click's face
    """Print the versions of this program and of what it builds on, and end. Imports none of that."""
    if not wanted or ctx.resilient_parsing:
        return
    system = f"{platform.python_implementation()}, {platform.system()} {platform.machine()}"
    isal = _version("isal")
    click.echo(f"upload-client {_version('upload-client')}")
    click.echo(f"Python {platform.python_version()} ({system})")
    engine = os.environ.get("UPLOAD_CLIENT_ENGINE") or "auto"
    click.echo(
        f"engine {for_terminal(engine)}, CRC32 by "
        + (f"isal {isal}" if isal else "zlib (isal is not installed: slower)")
    )
    for name, extra in (("boto3", ""), ("pandas", ""), ("moto", "sandbox"), ("pyarrow", "formats")):
        found = _version(name)
        if found or extra:
            click.echo(f"{name} {found or f'not installed (extra: {extra})'}")
    ctx.exit()


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 # 20 ms, for this alone

    try:
        return version(name)
    except PackageNotFoundError:
        return None
