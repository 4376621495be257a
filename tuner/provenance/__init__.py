"""Where a study comes from: code, packages, data, machine. Recorded once when the study is created.

Everything is optional: what cannot be found out is absent or None, and nothing here stops a sweep. No secrets: passwords in
URLs and in options are masked wherever they stand, and of the environment only TUNER_* and OMP_* are kept.
"""

from __future__ import annotations

from tuner.provenance.collected import collect, masked

__all__ = ["collect", "masked"]
