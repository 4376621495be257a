"""Saved models: what they are made of (``package``), and how tables are read for them (``tables``, ``features``).

It lies one floor below the objectives, because the estimator objective saves its best model through it and both must read a
table in the same way.
"""
