#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scribe.py MODULE -- the scribe (scribe.c) with the SQLite of a module:
sqlite3, pysqlite3, sqlean, or apsw."""
import importlib
import sys
import zlib

module = importlib.import_module(sys.argv[1])
is_apsw = sys.argv[1] == "apsw"
db = None


def connect(uri):
    if is_apsw:
        return module.Connection(
            uri,
            flags=module.SQLITE_OPEN_READWRITE
            | module.SQLITE_OPEN_CREATE
            | module.SQLITE_OPEN_URI,
        )
    return module.connect(uri, isolation_level=None, timeout=0, uri=True)


def rows(sql):
    return db.cursor().execute(sql)


def first(sql):
    cursor = rows(sql)
    all_rows = list(cursor)
    return all_rows[0][0] if all_rows and all_rows[0] else ""


def encoded(value):
    if value is None:
        return b"n"
    if isinstance(value, int):
        return b"i%d" % value
    if isinstance(value, str):
        value = value.encode()
        return b"t%d:" % len(value) + value
    return b"b%d:" % len(value) + bytes(value)


def content():
    crc = length = 0
    rows("BEGIN")
    try:
        queries = [
            "SELECT type, name, sql FROM sqlite_master ORDER BY name",
            "PRAGMA user_version",
        ]
        tables = list(
            rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        )
        queries += ["SELECT * FROM %s ORDER BY 1" % name for (name,) in tables]
        for query in queries:
            for row in rows(query):
                line = b"".join(map(encoded, row)) + b"\n"
                crc = zlib.crc32(line, crc)
                length += len(line)
    finally:
        rows("COMMIT")
    return "%x" % (crc << 32 | length)


def do(line):
    global db
    word, _, rest = line.partition(" ")
    if word == "version":
        return module.sqlitelibversion() if is_apsw else module.sqlite_version
    if word == "open":
        db = connect(rest)
        return ""
    if word == "close":
        db.close()
        db = None
        return ""
    if word == "sum":
        return content()
    return str(first(rest))


for request in sys.stdin:
    try:
        answer = "ok " + do(request.rstrip("\n"))
    except Exception as e:  # whatever the module calls it
        answer = "err %s" % e
    print(answer.replace("\n", " "), flush=True)
