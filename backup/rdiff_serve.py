# SPDX-License-Identifier: ISC
"""`rdiff-backup server`, for which "/" and "~" are the home of the account, as they are for rsync and sftp. Its client names
functions, with paths among their arguments, and objects that have paths: both are changed where they are used, from the
moment in which the server listens, since its own modules lie below "/" as well. None of this confines: it is the kernel that
does. The path of the home itself goes on meaning the home."""

import builtins
import functools
import os
import pkgutil
import sys

HOME = os.fsencode(os.environ["SUBUID_HOME"])
ONE = """access chmod chown lchown listdir listxattr lstat getxattr mkdir mkfifo mknod open readlink remove removexattr rmdir scandir
    setxattr stat statvfs truncate unlink utime""".split()
BOTH = ("link", "rename", "replace")
is_mapped = True


def inside(path):
    """Whatever is no name beginning at the top stays as it is: below the working directory, which is the home; or open."""
    if not is_mapped or not isinstance(path, (str, bytes, os.PathLike)):
        return path
    name = os.fsencode(path)
    if name == b"~" or name.startswith(b"~/"):
        name = name[1:] or b"/"
    if name.startswith(b"/") and name != HOME and not name.startswith(HOME + b"/"):
        name = HOME + name
    return os.fsdecode(name) if isinstance(path, str) else name


def mapped(function, *places):
    @functools.wraps(function)
    def call(*words, **more):
        return function(*(inside(word) if i in places else word for i, word in enumerate(words)), **more)
    return call


def unmapped(generator):
    def call(*words, **more):
        global is_mapped
        is_mapped = False
        try:
            return iter(list(generator(*words, **more)))
        finally:
            is_mapped = True
    return call


def one_tree(rpath, local):
    for name in ONE:
        setattr(os, name, mapped(getattr(os, name), 0))
    for name in BOTH:
        setattr(os, name, mapped(getattr(os, name), 0, 1))
    os.symlink = mapped(os.symlink, 1)  # what it says is the client's
    builtins.open = mapped(builtins.open, 0)
    made = rpath.RPath.__init__

    def make(self, connection, base, *words, **more):
        made(self, connection, inside(base) if connection is local else base, *words, **more)
    rpath.RPath.__init__ = make
    pkgutil.iter_modules = unmapped(pkgutil.iter_modules)  # plugins lie where they are installed


def main():
    try:
        from rdiff_backup import Globals, connection, rpath
        from rdiffbackup import run
    except ImportError:
        sys.exit("subuid: rdiff-backup: not installed on this host, or older than 2.2")
    serve = connection.PipeConnection.Server

    def server(self):
        one_tree(rpath, Globals.local_connection)
        return serve(self)
    connection.PipeConnection.Server = server
    sys.argv[0] = "rdiff-backup"
    run.main()


if __name__ == "__main__":
    main()
