"""One URL -> a database: engine, tables and migrations, for ``stores/sql.py`` and ``registry/``.

``url`` reads store URLs and is cheap to import; ``engine`` and the rest bring SQLAlchemy with them, so they are imported
only by who is about to open a database. Nothing above this folder sees an exception of SQLAlchemy or of a driver.
"""
