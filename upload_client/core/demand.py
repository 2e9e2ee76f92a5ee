"""A program that is run on demand: its parameters, where its data lies, the command and the names of its job.

An execution reads inputs (remote → local), writes outputs (local → remote), and gets every parameter as a
variable of its environment. Values may name other parameters: ``${NAME}``. What comes from outside ends in
paths and in a shell; so ids are names, paths stay below the execution's own folder, and values are quoted.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

ENVIRONMENT_LIMIT: Final = 8192 * 9 // 10
"""Bytes of variables that are given to a job as they are: AWS Batch takes 8 KiB of overrides in all."""

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
TEMPORARY: Final = "tmp"
"""The role of a file system for temporary files; without one, a folder beside those of the executions."""
_ENV_NAME = re.compile(r"[_A-Z][_A-Z0-9]*")
_REFERENCE = re.compile(r"\$\{([_a-zA-Z][_a-zA-Z0-9]*)\}")
_USED = re.compile(r"\$\{?(\w+)\}?")
_BETWEEN: Final = " @ "
_MOUNT_PATH = re.compile(r"/[A-Za-z0-9_./-]*")

_MAX_DEFINITION: Final = 139 - 3
"""Characters of a definition's name and of its longest volume together.

ECS makes the name of a volume's mount of both, and of the revision, and the helper that mounts EFS makes the
path of a file of that, which TLS wants to be shorter than 256.
"""


class DemandError(ValueError):
    """An execution that cannot be prepared."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter.

    Attributes:
        name: as it was given.
        variable: its name in the environment.
        kind: what is done with it.
        value: its text; of inputs and outputs, the local path.
        remote: where an input comes from, where an output goes to.
        include: which files of it, as regular expressions; None: all.
        exclude: which ones not.
    """

    name: str
    variable: str
    kind: Literal["plain", "input", "output"]
    value: str
    remote: str = ""
    include: str | Sequence[str] | None = None
    exclude: str | Sequence[str] | None = None

    @property
    def filters(self) -> dict[str, Any] | None:
        """The filters of it, None without any."""
        given = {"include": self.include or None, "exclude": self.exclude or None}
        found = {name: patterns for name, patterns in given.items() if patterns is not None}
        return found or None


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system, as a job sees it.

    Attributes:
        role: ``shared``, ``scratch`` or ``tmp``.
        file_system: its id, ``fs-…``.
        access_point: its id, ``fsap-…``.
        root: the path in the file system that the access point leads to.
        path: in the container.
        read_only: nothing can be written there.
    """

    role: str
    file_system: str
    access_point: str
    root: str
    path: str
    read_only: bool

    def __post_init__(self) -> None:
        if not _MOUNT_PATH.fullmatch(self.path) or posixpath.normpath(self.path) != self.path:
            raise DemandError(f"the container path of {self.role} is no absolute path of plain characters")

    @property
    def volume_name(self) -> str:
        """A short name that no other mount has."""
        label = re.sub(r"[^A-Za-z0-9_-]+", "-", posixpath.basename(self.path)).strip("-")[:15] or "vol"
        identity = f"{self.file_system}|{self.access_point}|{self.path}"
        return f"{label}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"

    @property
    def volume(self) -> dict[str, Any]:
        """The volume, as AWS Batch takes it."""
        return {
            "name": self.volume_name,
            "efsVolumeConfiguration": {
                "fileSystemId": self.file_system,
                "rootDirectory": "/",
                "transitEncryption": "ENABLED",
                "authorizationConfig": {"accessPointId": self.access_point, "iam": "DISABLED"},
            },
        }

    @property
    def mount_point(self) -> dict[str, Any]:
        """Where it is mounted, as AWS Batch takes it."""
        return {"containerPath": self.path, "readOnly": self.read_only, "sourceVolume": self.volume_name}

    def uri(self, path: str) -> str:
        """The ``efs://`` URI of a path in the container that lies below this mount."""
        below = posixpath.relpath(path, self.path)
        return f"efs://{self.file_system}:{posixpath.normpath(posixpath.join('/', self.root, below))}"


def variable_of(name: str) -> str:
    """The name of a parameter in the environment: ``reference-path`` is ``REFERENCE_PATH``."""
    variable = name.replace("-", "_").replace(".", "_").upper()
    if not _ENV_NAME.fullmatch(variable):
        raise DemandError("the name of a parameter has letters, digits, - . and _ only")
    return variable


def read_params(
    params: Mapping[str, Any], inputs: Iterable[str], outputs: Iterable[str], output_prefix: str | None
) -> list[Param]:
    """Parameters as they were given, with their references filled.

    Args:
        params: values by name. An input is ``"remote"``, ``"remote @ local"`` or ``{remote, local, include,
            exclude}``; an output ``"local"``, ``"local @ remote"`` or such an object.
        inputs: names of those that are read.
        outputs: names of those that are written.
        output_prefix: where outputs go that say nothing of it.

    Raises:
        DemandError: names that are missing or mean two things; values of the wrong form; references to what
            is not there, or in circles.
    """
    read, written = ({named_variable(name) for name in names} for names in (inputs, outputs))
    if read & written:
        raise DemandError(f"{_first(read & written)} is an input and an output")
    found: dict[str, Param] = {}
    for name, value in params.items():
        variable = variable_of(name)
        if variable in found:
            raise DemandError(f"two parameters have the name {variable} in the environment")
        if variable in read:
            found[variable] = _input(name, variable, value)
        elif variable in written:
            found[variable] = _output(name, variable, value, output_prefix)
        else:
            found[variable] = Param(name, variable, "plain", _text(value))
    if missing := (read | written) - found.keys():
        raise DemandError(f"{_first(missing)} is named as an input or output, and no parameter")
    return _filled(found)


def named_variable(name: str) -> str:
    """The variable that an input or an output names, by its own name or as a reference."""
    reference = _REFERENCE.fullmatch(name)
    return variable_of(reference[1] if reference else name)


def _first(names: Iterable[str]) -> str:
    return min(names)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _input(name: str, variable: str, value: Any) -> Param:  # noqa: ANN401 - any JSON
    given = _pair(variable, value, ("remote", "local"))
    remote = given.get("remote")
    if not remote:
        raise DemandError(f"the input {variable} names no source")
    local = given.get("local") or f"tmp{_sha256(remote)[:8]}"
    return Param(name, variable, "input", local, remote, given.get("include"), given.get("exclude"))


def _output(name: str, variable: str, value: Any, prefix: str | None) -> Param:  # noqa: ANN401 - any JSON
    given = _pair(variable, value, ("local", "remote"))
    local = given.get("local")
    if not local:
        raise DemandError(f"the output {variable} names no local path")
    remote = given.get("remote") or (f"{prefix.rstrip('/')}/{local}" if prefix else "")
    if not remote:
        raise DemandError(f"the output {variable} names no destination, and there is no prefix")
    return Param(name, variable, "output", local, remote, given.get("include"), given.get("exclude"))


def _pair(variable: str, value: Any, order: tuple[str, str]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return dict(zip(order, value.split(_BETWEEN, 1), strict=False))
    texts = [value.get(key) for key in order] if isinstance(value, dict) else [1]
    if not all(text is None or isinstance(text, str) for text in texts):
        raise DemandError(f"{variable} is neither a text nor an object with local and remote")
    return dict(value)


def _filled(params: Mapping[str, Param]) -> list[Param]:
    """The parameters with the values that they refer to."""
    done: dict[str, Param] = {}
    waiting = dict(params)
    while waiting:
        ready = {
            variable: one
            for variable, one in waiting.items()
            if all(other.upper() in done for other in _REFERENCE.findall(f"{one.value}\0{one.remote}"))
        }
        if not ready:
            raise DemandError(
                f"{_first(waiting)} refers to something that is no parameter, or to itself in a circle"
            )
        for variable, one in ready.items():
            done[variable] = replace(
                one, value=_with_values(one.value, done), remote=_with_values(one.remote, done)
            )
            del waiting[variable]
    return [done[variable] for variable in params]


def _with_values(text: str, params: Mapping[str, Param]) -> str:
    return _REFERENCE.sub(lambda found: params[found[1].upper()].value, text)


def check_id(execution_id: str) -> str:
    """The id of an execution, which is the name of its folder.

    Raises:
        DemandError: it could lead elsewhere, or mean something to a shell.
    """
    if not _ID.fullmatch(execution_id):
        raise DemandError("execution_id is no name: letters, digits, _ . and -, at most 128, no . or - first")
    if execution_id.lower() == TEMPORARY:
        raise DemandError(f"execution_id is {execution_id}, the name of a folder that all executions share")
    return execution_id


def placed(params: Iterable[Param], working: str, shared: str, *, isolate: bool) -> list[Param]:
    """Inputs and outputs with the paths that they have in the container.

    Args:
        params: with paths below the folder of the execution.
        working: that folder.
        shared: where inputs lie that several executions read, by the SHA-256 of what they come from.
        isolate: each execution has its inputs for itself, below its folder.

    Raises:
        DemandError: a path leads out of the execution's folder.
    """
    found = []
    for one in params:
        if one.kind == "plain":
            found.append(one)
        elif one.kind == "input" and not isolate:
            found.append(replace(one, value=f"{shared}/{_sha256(one.remote)}"))
        else:
            path = posixpath.normpath(posixpath.join(working, one.value))
            if not path.startswith(f"{working}/") or "\0" in path:
                raise DemandError(f"the path of {one.variable} leads out of the execution's folder")
            found.append(replace(one, value=path))
    return found


def resolved(given: Mapping[str, Any], params: Iterable[Param]) -> list[Param]:
    """Placed parameters, and the plain ones filled anew: those that refer to an input get its path.

    Args:
        given: the values as they were given.
        params: as `placed` gives them.
    """
    found = {one.variable: one for one in params}
    plain = {
        variable: replace(one, value=_text(given[one.name]))
        for variable, one in found.items()
        if one.kind == "plain"
    }
    kept = {variable: one for variable, one in found.items() if one.kind != "plain"}
    # What is placed refers to nothing any more, even where a path looks like it.
    waiting = dict(plain)
    while waiting:
        for variable, one in list(waiting.items()):
            if all(other.upper() in kept for other in _REFERENCE.findall(one.value)):
                kept[variable] = replace(one, value=_with_values(one.value, kept))
                del waiting[variable]
    return [kept[variable] for variable in found]


def stated(one: Param) -> str | dict[str, Any]:
    """A placed input or output as a value of ``params``: a text, or an object where it has filters."""
    first, second = (one.remote, one.value) if one.kind == "input" else (one.value, one.remote)
    if one.filters is None:
        return f"{first}{_BETWEEN}{second}"
    action = "LOCALIZE" if one.kind == "input" else "DELOCALIZE"
    return {"local": one.value, "remote": one.remote, **one.filters, "action": action}


def environment_of(execution_id: str, working: str, tmp: str, params: Iterable[Param]) -> dict[str, str]:
    """The variables of a job.

    Raises:
        DemandError: a parameter has the name of one of the job's own, or a value that no variable can have.
    """
    found = {"EXECUTION_ID": execution_id, "WORKING_DIR": working, "TMPDIR": tmp}
    for one in params:
        if found.get(one.variable, one.value) != one.value:
            raise DemandError(f"{one.variable} is a variable of the job's own")
        if "\0" in one.value:
            raise DemandError(f"{one.variable} holds a NUL character")
        found[one.variable] = one.value
    return found


def size_of(environment: Mapping[str, str]) -> int:
    """Bytes of variables, names and values."""
    return sum(len(f"{name}{value}".encode()) for name, value in environment.items())


def split_environment(
    environment: Mapping[str, str], command: Sequence[str], path: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The variables that a job is given, and those that stand in a file which it reads first.

    Args:
        environment: all of them.
        command: names of variables that stand in it are given.
        path: of the file in the container.
    """
    used = {"WORKING_DIR", "TMPDIR", *(name for part in command for name in _USED.findall(part))}
    given = {name: value for name, value in environment.items() if name in used}
    filed = {name: value for name, value in environment.items() if name not in used}
    return {**given, "_ENVIRONMENT_FILE": path}, filed


def environment_file(environment: Mapping[str, str]) -> str:
    """A file that a shell reads, each value quoted so that it is a value and nothing else."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())


def shell_command(command: Sequence[str], *, has_file: bool) -> list[str]:
    """The command of a job: makes its folders, goes there, reads the file of variables, runs the program.

    The parts of the command are joined by spaces and read by a shell, so that they may name variables.

    Raises:
        DemandError: there is no command.
    """
    if not command:
        raise DemandError("the execution has no command")
    steps = ["mkdir -p ${WORKING_DIR}", "mkdir -p ${TMPDIR}", "cd ${WORKING_DIR}"]
    steps += [". ${_ENVIRONMENT_FILE}"] * has_file
    return ["/bin/bash", "-c", " && ".join([*steps, " ".join(command)])]


def job_name(prefix: str, kind: str, of: object, volumes: Iterable[str] = ()) -> str:
    """The name of a job or a definition: what kind it is, and a hash of what it is made of.

    Args:
        prefix: before it, with its own hyphen; empty for none.
        kind: of the execution; what AWS Batch does not take becomes ``-``, and what is too long is cut.
        of: JSON that makes the difference.
        volumes: names of the volumes of a definition, which leave less room.
    """
    tail = f"-{_sha256(json.dumps(of, sort_keys=True))[:32]}"
    room = _MAX_DEFINITION - max(map(len, volumes), default=8) - len(tail)
    label = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{prefix}{kind}").lstrip("-_") or "demand"
    return f"{label[: min(room, 128 - len(tail))]}{tail}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
