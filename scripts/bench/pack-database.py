#!/usr/bin/env python3
"""Makes the input `sqlite`: the files of a folder as rows of an SQLite database.

usage: pack-database.py DATABASE FOLDER

A second call with the next version of the folder is what an application does to a database in use: some rows
change in place, some come, most stay.
"""
import os
import sqlite3
import sys


def files_below(folder):
    for directory, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(directory, name)


def rows_of(folder):
    """One row for each line: a table with many small rows, as applications have them."""
    for path in files_below(folder):
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file):
                yield os.path.relpath(path, folder), number, line


CREATE = """
CREATE TABLE IF NOT EXISTS line (path TEXT, number INTEGER, text TEXT, PRIMARY KEY (path, number))
"""
# Not INSERT OR REPLACE: that would give every row a new place.
UPSERT = """
INSERT INTO line VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET text = excluded.text WHERE text != excluded.text
"""


def main():
    database, folder = sys.argv[1:]
    connection = sqlite3.connect(database)
    connection.execute(CREATE)
    with connection:
        connection.executemany(UPSERT, rows_of(folder))
    connection.close()


main()
