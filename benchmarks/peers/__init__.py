"""Other people's searches, each driven by its own objects through ``benchmarks.race.Method``.

Every module needs its package only; what cannot be imported is left out of a benchmark, and the benchmark says so.
Settings are the packages' defaults unless a module says otherwise.
"""
