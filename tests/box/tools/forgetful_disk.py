"""A disk in memory that knows what was synced, and forgets the rest when the power is cut.

The model is POSIX to the letter, harder than most file systems: the content of a file is durable after fsync or
fdatasync of that file, a name (made, renamed or removed) after fsync of its directory. What was not synced may be
kept all the same, in any order: a cut with chance > 0 keeps each such write with that chance.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from random import Random

ROOT = PurePosixPath("/")
FOLDER_MODE = 0o755


@dataclass(slots=True)
class Node:
    """A file or a folder. ``names`` are those of a folder; a file has content, and the changes since its last sync."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: float = 0.0
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes as (offset, data), truncations as (length, None)."""
    names: dict[str, "Node"] = field(default_factory=dict)
    durable_names: dict[str, "Node"] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        """True for a folder."""
        return stat.S_ISDIR(self.mode)

    def write(self, offset: int, data: bytes) -> None:
        """Write; a hole before the offset reads as zeros."""
        self.changes.append((offset, data))
        _apply(self.content, offset, data)

    def truncate(self, length: int) -> None:
        """Cut or extend to a length."""
        self.changes.append((length, None))
        _apply(self.content, length, None)

    def sync(self) -> None:
        """Make durable what is in it: its content, or its names."""
        self.durable, self.changes = bytes(self.content), []
        self.durable_names = dict(self.names)

    def after_cut(self, chance: float, random: Random) -> bytes:
        """Return what a file holds after the power was cut."""
        content = bytearray(self.durable)
        for offset, data in self.changes:
            if chance and random.random() < chance:
                _apply(content, offset, data)
        return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


class Disk:
    """A tree of nodes. Raises OSError as a file system does."""

    def __init__(self) -> None:
        self.root = Node(stat.S_IFDIR | FOLDER_MODE)
        self.syncs = 0

    def find(self, path: str) -> Node:
        """Return the node at a path."""
        node = self.root
        for part in PurePosixPath(path).relative_to(ROOT).parts:
            if part not in node.names:
                raise FileNotFoundError(errno.ENOENT, path)
            node = node.names[part]
        return node

    def make(self, path: str, mode: int, uid: int, gid: int) -> Node:
        """Make a file or folder (by the type in ``mode``) that is not there yet."""
        parent, name = self.find(str(PurePosixPath(path).parent)), PurePosixPath(path).name
        if name in parent.names:
            raise FileExistsError(errno.EEXIST, path)
        parent.names[name] = Node(mode, uid, gid)
        return parent.names[name]

    def remove(self, path: str) -> None:
        """Remove a name."""
        if self.find(path).names:
            raise OSError(errno.ENOTEMPTY, path)
        del self.find(str(PurePosixPath(path).parent)).names[PurePosixPath(path).name]

    def rename(self, old: str, new: str) -> None:
        """Give a node another name, in the place of what has it."""
        node = self.find(old)
        target = self.find(str(PurePosixPath(new).parent))
        del self.find(str(PurePosixPath(old).parent)).names[PurePosixPath(old).name]
        target.names[PurePosixPath(new).name] = node

    def sync(self, node: Node) -> None:
        """Make a node durable."""
        self.syncs += 1
        node.sync()

    @property
    def used_bytes(self) -> int:
        """Bytes in all files."""
        return sum(len(node.content) for _, node in _walk(self.root, ""))

    def load(self, folder: Path) -> None:
        """Fill it with a folder; all of that is durable."""
        for place, folders, files in os.walk(folder):
            inside = "/" + str(Path(place).relative_to(folder))
            for name in folders:
                self.make(f"{inside}/{name}", (Path(place) / name).stat().st_mode, 0, 0)
            for name in files:
                self.make(f"{inside}/{name}", (Path(place) / name).stat().st_mode, 0, 0).write(
                    0, (Path(place) / name).read_bytes()
                )
        for _, node in _walk(self.root, ""):
            node.sync()

    def cut(self, folder: Path, chance: float, random: Random) -> None:
        """Cut the power: write what is left into an empty folder of a disk that keeps things."""
        _leave(self.root, folder, chance, random)


def _walk(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path or "/", node
    for name, child in node.names.items():
        yield from _walk(child, f"{path}/{name}")


def _leave(node: Node, place: Path, chance: float, random: Random) -> None:
    if node.is_folder:
        place.mkdir(exist_ok=True)
        for name, child in node.durable_names.items():
            _leave(child, place / name, chance, random)
    elif stat.S_ISREG(node.mode):
        place.write_bytes(node.after_cut(chance, random))
    else:
        return  # links are nothing that is looked for afterwards
    place.chmod(stat.S_IMODE(node.mode))
