"""Alembic's folder: ``env.py`` runs on the connection it is handed, ``versions/`` holds one file a schema version.

A new version is a new file ``vNNNN_what.py`` that changes the tables step by step from the one before; it never imports
``tuner.database.tables``, which shows only the newest state. ``tuner.database.migrate.HEAD`` names the newest.
"""
