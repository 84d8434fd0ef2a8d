#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Everything that a file system says of a tree, as lines that can be compared.

    tree.py compare A B     prints each difference; exit 0 when there is none
    tree.py count A         how many entries, and of which kinds

Compared: names, kinds, modes, owners, modification times, contents, hard links,
link targets, device numbers, extended attributes (ACLs and capabilities are
among them) and that a sparse file stays sparse.
"""

import hashlib
import os
import stat
import sys

KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device",
}


def digest(path):
    result = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            result.update(chunk)
    return result.hexdigest()


def attributes(path):
    found = {}
    for name in os.listxattr(path, follow_symlinks=False):
        if not name.startswith("trusted.overlay."):
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
    return found


def facts(path, status):
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    found = {
        "kind": kind, "mode": oct(stat.S_IMODE(status.st_mode)), "uid": status.st_uid, "gid": status.st_gid,
        "mtime": status.st_mtime_ns, "xattrs": attributes(path),
    }
    if kind == "file":
        found["size"] = status.st_size
        found["sha256"] = digest(path)
        if status.st_size >= 1 << 20:
            found["sparse"] = status.st_blocks * 512 < status.st_size // 2
    elif kind == "symlink":
        found["target"] = os.readlink(path)
        del found["mode"]
    elif "device" in kind:
        found["device"] = status.st_rdev
    return found


def manifest(top):
    """{relative path as bytes: facts}; hard links are named by the first path of their group."""
    top = os.fsencode(top)
    entries, links = {}, {}
    pending = [b""]
    while pending:
        relative = pending.pop()
        path = os.path.join(top, relative) if relative else top
        status = os.lstat(path)
        entries[relative] = facts(path, status)
        if stat.S_ISDIR(status.st_mode):
            pending += sorted(os.path.join(relative, name) for name in os.listdir(path))
        elif status.st_nlink > 1:
            links.setdefault((status.st_dev, status.st_ino), []).append(relative)
    for group in links.values():
        for relative in group:
            entries[relative]["links"] = sorted(group) if len(group) > 1 else []
    return entries


def differences(left, right):
    a, b = manifest(left), manifest(right)
    for relative in sorted(a.keys() | b.keys()):
        name = repr(relative)
        if relative not in b:
            yield f"{name}: only in {left}"
        elif relative not in a:
            yield f"{name}: only in {right}"
        else:
            for fact in sorted(a[relative].keys() | b[relative].keys()):
                one, other = a[relative].get(fact), b[relative].get(fact)
                if one != other:
                    yield f"{name}: {fact}: {one} != {other}"


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "compare":
        found = list(differences(sys.argv[2], sys.argv[3]))
        print("\n".join(found[:50]) if found else f"equal: {len(manifest(sys.argv[2]))} entries")
        return 1 if found else 0
    if len(sys.argv) == 3 and sys.argv[1] == "count":
        counts = {}
        for entry in manifest(sys.argv[2]).values():
            counts[entry["kind"]] = counts.get(entry["kind"], 0) + 1
        print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
        return 0
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
