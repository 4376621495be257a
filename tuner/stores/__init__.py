"""Stores: one file each, named as plug-ins are. ``sql`` keeps studies in a database, ``memory`` in this process."""
