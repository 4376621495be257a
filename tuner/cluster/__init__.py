"""The cluster room: connecting to Ray, its mailbox, its nodes, its errors.

With ``executors/ray.py`` the only place that imports Ray.
"""
