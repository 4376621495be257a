"""Who chooses what to try next: one file a sampler, found by its file name (``tuner.plugins``)."""
