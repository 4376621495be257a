"""What the end of a program means: its exit code, its last output, the kernel's count of memory kills."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tuner.core.ports import Context
from tuner.trial import FailureKind
from tuner.worker import AttemptFailed
from tuner.worker.outcome import looks_out_of_memory

__all__ = ["LastOutput", "failed_exit", "memory_kills"]

_LAST_CHARACTERS = 4000
_LAST_LINES = 20


class LastOutput:
    """Passes output on to the attempt's log and remembers the end of it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tail = ""

    def add(self, text: str) -> None:
        """Text as it comes."""
        if text:
            self._context.log(text)
            self._tail = (self._tail + text[-_LAST_CHARACTERS:])[-_LAST_CHARACTERS:]

    def text(self) -> str:
        """The last lines, with a line that says so before them."""
        lines = self._tail.rstrip().splitlines()[-_LAST_LINES:]
        return "last lines of its output:\n" + "\n".join(lines) if lines else "it printed nothing"


def failed_exit(code: int, ran_s: float, last_output: str, *, kernel_killed: bool) -> AttemptFailed:
    """The failure that an exit code stands for.

    Args:
        code: Exit code, or minus a signal's number.
        ran_s: How long the program ran.
        last_output: For the message.
        kernel_killed: Whether the machine's kernel killed some process for want of memory meanwhile.
    """
    kind = FailureKind.COMMAND_EXIT
    number = -code if code < 0 else code - 128
    name = signal.Signals(number).name if number in set(signal.Signals) else None
    if code < 0:
        said = f"killed by {name or f'signal {number}'}"
    else:
        said = f"exit code {code}" + (f" (a shell's way to say {name})" if name else "")
    if name == "SIGKILL" and kernel_killed:
        kind = FailureKind.OUT_OF_MEMORY
        said += ", while the kernel killed for want of memory"
    elif name == "SIGKILL":
        said += "; not by the kernel for want of memory, as far as it tells"
    elif looks_out_of_memory(last_output):
        kind = FailureKind.OUT_OF_MEMORY
    return AttemptFailed(kind, f"{said} after {ran_s:.1f} s; {last_output}", killed=name == "SIGKILL")


def memory_kills() -> int:
    """How many processes this machine's kernel has killed for want of memory; 0 where it does not say."""
    try:
        found = re.search(rb"^oom_kill (\d+)$", Path("/proc/vmstat").read_bytes(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0
