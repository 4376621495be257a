"""Who stops what is not worth finishing: one file a pruner, found by its file name (``tuner.plugins``)."""
