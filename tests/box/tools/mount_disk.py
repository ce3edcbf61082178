"""Mounts a forgetful disk with FUSE, and obeys commands on standard input, one a line; each is answered by a line.

    python -m tests.box.tools.mount_disk MOUNTPOINT [FOLDER]      FOLDER is what it holds at first

    cut FOLDER CHANCE SEED    what was synced (and each other write with this chance) goes to FOLDER
    readonly on|off           every change is refused with EROFS, also of files that are open
    full on|off               every write is refused with ENOSPC
    syncs                     how many syncs there were

Ends when it is killed, or nobody has the file system mounted any more.
"""

import ctypes
import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import mfusepy

from tests.box.tools.forgetful_disk import Disk, Node

BLOCK = 4096
BLOCKS = 1 << 20
"""4 GB: what it says it can hold."""


class MountedDisk(mfusepy.Operations):  # type: ignore[misc]  # mfusepy ships no types
    """Joins the disk to FUSE: one thread serves the kernel, another obeys commands."""

    use_ns = True

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.lock_of_all = threading.Lock()
        self.read_only = False
        self.full = False
        self._open: dict[int, Node] = {}
        self._next = 1

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        with self.lock_of_all:
            node = self._node(path, fh)
            now = int(node.mtime * 1e9)
            return {
                "st_mode": node.mode,
                "st_nlink": 2 if node.is_folder else 1,
                "st_size": len(node.content),
                "st_blocks": (len(node.content) + 511) // 512,
                "st_uid": node.uid,
                "st_gid": node.gid,
                "st_mtime": now,
                "st_atime": now,
                "st_ctime": now,
            }

    def readdir(self, path: str, fh: int) -> Iterable[str]:
        with self.lock_of_all:
            return [".", "..", *self.disk.find(path).names]

    def open(self, path: str, flags: int) -> int:
        with self.lock_of_all:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
                self._changes()
            return self._handle(self.disk.find(path))

    def opendir(self, path: str) -> int:
        with self.lock_of_all:
            return self._handle(self.disk.find(path))

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        with self.lock_of_all:
            self._changes(grows=True)
            return self._handle(self._make(path, stat.S_IFREG | stat.S_IMODE(mode)))

    def mkdir(self, path: str, mode: int) -> int:
        with self.lock_of_all:
            self._changes(grows=True)
            self._make(path, stat.S_IFDIR | stat.S_IMODE(mode))
            return 0

    def symlink(self, target: str, source: str) -> int:
        with self.lock_of_all:
            self._changes(grows=True)
            self._make(target, stat.S_IFLNK | 0o777).write(0, source.encode())
            return 0

    def readlink(self, path: str) -> str:
        with self.lock_of_all:
            return self.disk.find(path).content.decode()

    def unlink(self, path: str) -> int:
        with self.lock_of_all:
            self._changes()
            self.disk.remove(path)
            return 0

    rmdir = unlink

    def rename(self, old: str, new: str) -> int:
        with self.lock_of_all:
            self._changes()
            self.disk.rename(old, new)
            return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self.lock_of_all:
            return bytes(self._node(path, fh).content[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self.lock_of_all:
            node = self._node(path, fh)
            self._changes(grows=True)
            node.write(offset, data)
            node.mtime = time.time()
            return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        with self.lock_of_all:
            self._changes()
            self._node(path, fh).truncate(length)
            return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> int:
        with self.lock_of_all:
            self._changes(grows=True)
            if mode:
                raise OSError(errno.EOPNOTSUPP, path)
            node = self._node(path, fh)
            node.truncate(max(len(node.content), offset + size))
            return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        with self.lock_of_all:
            self._changes()
            self.disk.sync(self._node(path, fh))
            return 0

    fsyncdir = fsync

    def release(self, path: str, fh: int) -> int:
        with self.lock_of_all:
            self._open.pop(fh, None)
            return 0

    releasedir = release

    def chmod(self, path: str, mode: int) -> int:
        with self.lock_of_all:
            self._changes()
            node = self.disk.find(path)
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
            return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        with self.lock_of_all:
            self._changes()
            node = self.disk.find(path)
            node.uid = node.uid if uid in {-1, 0xFFFFFFFF} else uid
            node.gid = node.gid if gid in {-1, 0xFFFFFFFF} else gid
            return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        with self.lock_of_all:
            self._changes()
            self.disk.find(path).mtime = times[1] / 1e9 if times else time.time()
            return 0

    def statfs(self, path: str) -> dict[str, int]:
        free = 0 if self.full else BLOCKS - self.disk.used_bytes // BLOCK
        return {"f_bsize": BLOCK, "f_frsize": BLOCK, "f_blocks": BLOCKS, "f_bfree": free, "f_bavail": free}

    def obey(self, words: list[str]) -> str:
        """Do what a line says, and return the answer."""
        with self.lock_of_all:
            match words:
                case ["cut", folder, chance, seed]:
                    self.disk.cut(Path(folder), float(chance), Random(int(seed)))
                case ["readonly", setting]:
                    self.read_only = setting == "on"
                case ["full", setting]:
                    self.full = setting == "on"
                case ["syncs"]:
                    return str(self.disk.syncs)
                case _:
                    return "unknown"
        return "done"

    def _changes(self, *, grows: bool = False) -> None:
        if self.read_only:
            raise OSError(errno.EROFS, "the disk is read-only")
        if self.full and grows:
            raise OSError(errno.ENOSPC, "the disk is full")

    def _make(self, path: str, mode: int) -> Node:
        uid, gid, _ = mfusepy.fuse_get_context()
        return self.disk.make(path, mode, uid, gid)

    def _handle(self, node: Node) -> int:
        self._next += 1
        self._open[self._next] = node
        return self._next

    def _node(self, path: str, fh: int | None) -> Node:
        return self._open[fh] if fh in self._open else self.disk.find(path)


def _serve_commands(disk: MountedDisk) -> None:
    for line in sys.stdin:
        print(disk.obey(line.split()), flush=True)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL: the kernel then unmounts


def main() -> None:
    _die_with_parent()
    disk = Disk()
    if len(sys.argv) > 2:
        disk.load(Path(sys.argv[2]))
    mounted = MountedDisk(disk)
    threading.Thread(target=_serve_commands, args=(mounted,), daemon=True).start()
    # Without direct_io, so that SQLite can map its -shm; without caching, so that nothing hides what is there.
    mfusepy.FUSE(
        mounted,
        sys.argv[1],
        foreground=True,
        nothreads=True,
        allow_other=True,
        default_permissions=True,
        entry_timeout=0,
    )


if __name__ == "__main__":
    main()
