#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""silent_fuse.py HOW DIRECTORY [INODE]

A file server of its caller's that answers nobody, mounted on a directory of theirs, for everybody (allow_other). It needs
fusermount3 and no library: what it has to say are a few messages of <linux/fuse.h>.

  silent  not one request is read: whoever asks waits until they are killed
  greedy  each request is read and kept: whoever asks waits, and cannot be killed
  polite  it says who it is and what its root is (an inode with the number given, the caller's own), so that it looks like
          the home, until its caller stops it (SIGSTOP), as the cable of a server is cut
  dead    it ends at once, and its mount stays: every question is ENOTCONN

Prints "mounted" when it is. It ends with its standard input.
"""

import array
import errno
import os
import select
import socket
import struct
import subprocess
import sys

FORGET, GETATTR, STATFS, INIT, ACCESS, INTERRUPT, BATCH_FORGET = 2, 3, 17, 26, 34, 36, 42
HEADER = struct.Struct("<IIQQIIII")  # fuse_in_header


def mount(directory):
    """By the setuid helper, which sends the descriptor."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    helper = subprocess.Popen(["fusermount3", "-o", "allow_other,fsname=silent", "--", directory],
                              pass_fds=[theirs.fileno()], env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())})
    theirs.close()
    ancillary = ours.recvmsg(1, socket.CMSG_SPACE(4))[1]
    helper.wait()
    if not ancillary:
        sys.exit("silent_fuse.py: not mounted")
    return array.array("i", ancillary[0][2])[0]


def answer(fd, unique, body, error=0):
    os.write(fd, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


def attributes(inode):
    attr = struct.pack("<6Q10I", inode, 0, 8, 0, 0, 0, 0, 0, 0, 0o040700, 2, os.getuid(), os.getgid(), 0, 4096, 0)
    return struct.pack("<QII", 0, 0, 0) + attr  # not kept for a moment: it is asked each time


def serve(fd, inode):
    try:
        request = os.read(fd, 1 << 20)
    except (BlockingIOError, FileNotFoundError):  # whoever asked has gone
        return
    _, operation, unique = HEADER.unpack_from(request)[:3]
    if inode is None and operation != INIT or operation in (FORGET, INTERRUPT, BATCH_FORGET):
        return
    if operation == INIT:
        answer(fd, unique, struct.pack("<4I2HI2H8I", 7, 31, 65536, 0, 12, 10, 65536, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    elif operation == GETATTR:
        answer(fd, unique, attributes(inode))
    elif operation == ACCESS:
        answer(fd, unique, b"")
    elif operation == STATFS:
        answer(fd, unique, struct.pack("<5Q4I6I", 1, 1, 1, 1, 1, 4096, 255, 4096, 0, *[0] * 6))
    else:
        answer(fd, unique, b"", errno.ENOSYS)


def main():
    how, directory = sys.argv[1:3]
    fd = mount(directory)
    print("mounted", flush=True)
    os.set_blocking(fd, False)
    while how != "dead":
        ready = select.select([0] if how == "silent" else [0, fd], [], [])[0]
        if 0 in ready:
            return
        serve(fd, int(sys.argv[3]) if how == "polite" else None)


main()
