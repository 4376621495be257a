"""Which kind of file system a path lies on, as far as SQLite cares.

WAL needs shared memory between all who have the file open, which network and user-space file systems do not give
(https://sqlite.org/wal.html, "All processes using a database must be on the same host computer").
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["network_file_system"]

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph"}
    | {"glusterfs", "afs", "ncpfs", "9p", "orangefs", "pvfs2", "panfs", "davfs"}
)
_LOCAL_FUSE = frozenset({"fuseblk", "fuse.fuse-overlayfs"})  # NTFS disks; the root of rootless containers


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the network or FUSE file system that ``path`` is, or will be, on; None when it is local or unknown.

    Args:
        path: A file or folder; it need not exist yet.
        mounts: Linux's table of mounts; where there is none (macOS, Windows) the answer is None.
    """
    try:
        rows = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = os.path.realpath(path)
    kind, longest = "", -1
    for row in rows:
        fields, _, tail = row.partition(" - ")
        columns = fields.split(" ")
        if len(columns) < 5 or not tail:
            continue
        point = columns[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        # Of two mounts on the same point the later one hides the earlier, hence >=.
        if len(point) >= longest and (real == point or real.startswith(point.rstrip("/") + "/")):
            kind, longest = tail.split(" ", 1)[0], len(point)
    remote = kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)
    return kind if remote else None
