"""Bounded text: the head and the tail are kept, the cut is marked."""

from __future__ import annotations

__all__ = ["LOG_LIMIT_BYTES", "BoundedLog", "cut_note"]

LOG_LIMIT_BYTES = 1 << 20
_NOTE_BYTES = 80


def cut_note(n_bytes: int) -> bytes:
    """What stands where ``n_bytes`` were left out; at most 80 bytes."""
    return b"\n[... %d bytes left out ...]\n" % n_bytes


def half_of(limit: int) -> int:
    """How many bytes of head, and how many of tail, fit into ``limit`` together with the note on the cut."""
    return (limit - _NOTE_BYTES) // 2


class BoundedLog:
    """Bytes of which only the first and the last are kept. Not thread-safe.

    Args:
        limit: Most bytes that ``bytes()`` gives, at least 200.
    """

    __slots__ = ("_half", "_head", "_left_out", "_tail")

    def __init__(self, limit: int = LOG_LIMIT_BYTES) -> None:
        self._half = half_of(limit)
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def append(self, data: bytes) -> None:
        """Add at the end; takes time proportional to ``data`` (the tail is trimmed when it has doubled)."""
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data[-self._half :]
        self._left_out += max(0, len(data) - self._half)
        if len(self._tail) > 2 * self._half:
            self._trim()

    def _trim(self) -> None:
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

    def bytes(self) -> bytes:
        """Everything, or head, note and tail."""
        self._trim()
        note = cut_note(self._left_out) if self._left_out else b""
        return bytes(self._head) + note + bytes(self._tail)
