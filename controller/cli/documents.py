"""Many devices named in a text or a folder: ids a line, JSON a line, or YAML documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

from controller.client import USAGE, ClientError, Row

_ID = re.compile(r"[a-z0-9-]{1,64}")
_BETWEEN = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_SUFFIXES = (".yaml", ".yml", ".json")


def ids_in(text: str) -> list[str]:
    """One id a line, bare or as JSON."""
    return [_id(line.strip(), at) for at, line in enumerate(text.splitlines(), start=1) if line.strip()]


def profiles_in(text: str, source: str) -> list[Row]:
    """Where each line is an id or JSON, one a line, an id being a device of which nothing else is declared; else YAML
    documents, of which those without anything but comments are none."""
    lines = [(at, line.strip()) for at, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if all(_ID.fullmatch(line) or line[0] in '{"' for _, line in lines):
        return [profile(_as_yaml(line), f"{source}:{at}") for at, line in lines]
    documents = [each for each in _BETWEEN.split(text) if _says_something(each)]
    return [profile(each, f"{source}, document {at}") for at, each in enumerate(documents, start=1)]


def profiles_of(folder: Path) -> list[Row]:
    """The files of a folder that are profiles by their names. One that cannot be read is a failure among the others."""
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix in _SUFFIXES and _is_file(each))
    except OSError as error:
        raise ClientError(f"{folder} cannot be read: {error}", USAGE) from None
    if not files:
        raise ClientError(f"{folder} has no file that ends in {', '.join(_SUFFIXES)}", USAGE)
    return [*map(_of_file, files)]


def _is_file(path: Path) -> bool:
    """Or would be one, did the link lead anywhere."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _of_file(file: Path) -> Row:
    try:
        return profile(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        return {"source": str(file), "reason": f"{file} cannot be read: {error}"}


def profile(text: str, source: str) -> Row:
    """An item of a request to register."""
    return {"profile_text": text, "source": source}


def _says_something(document: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in document.splitlines())


def _as_yaml(line: str) -> str:
    """JSON is YAML; an id alone is a device of that name."""
    word = _unquoted(line)
    return line if word is None else f"device: {json.dumps(word)}\n"


def _id(line: str, at: int) -> str:
    word = _unquoted(line)
    if word is None or not _ID.fullmatch(word):
        raise ClientError(f"line {at}: {line!r} is no id of a device (a-z, 0-9 and -, up to 64)", USAGE)
    return word


def _unquoted(line: str) -> str | None:
    """None for what is more than a word."""
    if not line.startswith('"'):
        return None if line.startswith("{") else line
    try:
        word = json.loads(line)
    except ValueError:
        return None
    return word if isinstance(word, str) else None
