"""The command line: one verb, one file. What it prints to standard output is the answer; the way there goes to standard error.

Exit codes: 0 done; 1 the sweep failed (too many trials failed, or none completed), or a bug of ours; 2 the caller's mistake;
3 interrupted and resumable; 130 Ctrl-C before there was anything to resume.
"""

from __future__ import annotations

from tuner.cli._app import main

__all__ = ["main"]
