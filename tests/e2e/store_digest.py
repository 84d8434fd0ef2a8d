# SPDX-License-Identifier: ISC
"""The function of the store's triggers (store/digest.c) once more, for tests that change the store as subuidd itself
would: what they write is in the digest, and the daemon accepts it."""

import contextlib
import sqlite3
import struct

MASK = (1 << 64) - 1
TYPES = {int: 1, float: 2, str: 3, bytes: 4, type(None): 5}


def mix(before, number):
    h = (before ^ number & MASK) * 0x9E3779B97F4A7C15 & MASK
    h = (h ^ h >> 32) * 0xD6E8FEB86659FD93 & MASK
    return h ^ h >> 29


def mix_bytes(before, data):
    h = mix(before, len(data))
    for at in range(0, len(data), 8):
        h = mix(h, int.from_bytes(data[at:at + 8].ljust(8, b"\0"), "little"))
    return h


def mix_value(before, value):
    h = mix(before, TYPES[type(value)])
    if isinstance(value, int):
        return mix(h, value)
    if isinstance(value, float):
        return mix(h, *struct.unpack("<Q", struct.pack("<d", value)))
    if value is None:
        return h
    return mix_bytes(h, value.encode() if isinstance(value, str) else value)


def row_digest(before, *values):
    h = 0
    for value in values:
        h = mix_value(h, value)
    h ^= before & MASK
    return h - (1 << 64) if h >> 63 else h


@contextlib.contextmanager
def store(path):
    """A connection like one of subuidd's; committed at the end."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.create_function("row_digest", -1, row_digest, deterministic=True)
        yield db
