# SPDX-License-Identifier: ISC
"""Limits that the file system keeps: ext4 and xfs with quotas, on a kernel that has them (make check-vm). btrfs: test_quota.py."""

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

import pytest

from conftest import run, wait_until
from filesystems import nothing_known

HOMES = Path("/srv/subuid")
STATE = Path("/var/lib/subuidd")
MIB = 1 << 20
DISKS = {
    # all inodes of it are few: 3000
    "ext4": (128 * MIB, ["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "3000", "-O", "quota,project", "-E", "quotatype=usrquota:prjquota"]),
    "ext4-ea": (128 * MIB, ["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "3000", "-O", "quota,project,ea_inode", "-E",
                            "quotatype=usrquota:prjquota"]),
    "xfs": (320 * MIB, ["mkfs.xfs", "-q", "-f", "-i", "maxpct=1"]),
}
FSXATTR = struct.Struct("=IIIII8x")
GET, SET = 0x801C581F, 0x401C5820
Q_SETQUOTA, Q_GETQUOTA = 0x800008, 0x800007
PRJQUOTA, USRQUOTA = 2, 0


@contextlib.contextmanager
def homes_on(host, kind, directory, options):
    """A fresh daemon whose homes are a file system of this kind, mounted with these options."""
    size, make = DISKS[kind]
    image = directory / "image"
    image.touch()
    os.truncate(image, size)
    run(*make, image)
    host.stop_daemon()
    mounts = {HOMES: ["-o", f"loop,{options}", image], STATE: ["-t", "tmpfs", "-o", "mode=0755", "state"]}
    for place, words in mounts.items():
        status = place.stat()
        run("mount", *words, place)
        os.chown(place, status.st_uid, status.st_gid)
        place.chmod(status.st_mode & 0o7777)
    try:
        with nothing_known():
            host.start_daemon()
            yield HOMES
    finally:
        if host.daemon is not None:
            host.stop_daemon()
        for place in mounts:
            run("umount", "-R", "-l", place)
        host.start_daemon()


@pytest.fixture(scope="module", params=["ext4", "xfs"])
def disk(request, host, tmp_path_factory):
    with homes_on(host, request.param, tmp_path_factory.mktemp("disk"), "usrquota,prjquota") as homes:
        yield homes


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A tree of 1000 empty files."""
    source = tmp_path_factory.mktemp("names")
    for n in range(1000):
        (source / f"n{n}").touch()
    source.chmod(0o755)
    return source


def home_of(name):
    owner, label = name.split("+")
    return HOMES / owner / label / "home"


def uid_of(host, name):
    """Not by getpwnam(3): this process has mapped the index of the daemon before."""
    return host.subuid_json("show", name)["account"]["uid"]


def inodes(path):
    return 1 + sum(len(dirs) + len(files) for _, dirs, files in os.walk(path))


def as_ids(uid, act, groups=()):
    """act() in a process of this uid (in the first user namespace, without any capability): what it returns, or its errno."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(list(groups))
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.umask(0)
            try:
                result = act()
            except OSError as error:
                result = -error.errno
            os.write(writer, str(result).encode())
        finally:
            os._exit(0)
    os.close(writer)
    said = os.read(reader, 64)
    os.close(reader)
    os.waitpid(pid, 0)
    return int(said)


def made_until_refused(make, most):
    """make(n) for n from 0 on: how many there were until the disk said no."""
    for n in range(most):
        try:
            make(n)
        except OSError as error:
            assert error.errno in (errno.EDQUOT, errno.ENOSPC), error
            return n
    return most


def projects(path, value=None):
    """The project of a file, or its change."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        raw = bytearray(fcntl.ioctl(fd, GET, bytes(FSXATTR.size)))
        flags, extent, extents, project, cow = FSXATTR.unpack(raw)
        if value is not None:
            fcntl.ioctl(fd, SET, FSXATTR.pack(flags, extent, extents, value, cow))
        return project
    finally:
        os.close(fd)


def limits(kind, number):
    """(bytes, files) as the file system has them."""
    block = ctypes.create_string_buffer(72)
    fd = os.open(HOMES, os.O_RDONLY)
    result = ctypes.CDLL(None, use_errno=True).syscall(443, fd, (Q_GETQUOTA << 8) | kind, ctypes.c_uint(number), block)
    os.close(fd)
    if result != 0 and ctypes.get_errno() == errno.ENOENT:  # xfs keeps none of what has neither limit nor file
        return 0, 0
    assert result == 0, os.strerror(ctypes.get_errno())
    numbers = struct.unpack_from("=8Q", block)
    return numbers[0] * 1024, numbers[3]


def test_one_key_does_not_end_the_names_of_all(host, tmp_path, disk, names):
    owner, thief, key = host.account(tmp_path, "push", "thief", None, "--files", "400")
    _, other, other_key = host.account(tmp_path, "push", "web1", None, "--quota", "20M")
    home, uid = home_of(thief), uid_of(host, thief)
    assert "enforced by the file system" in host.subuid("show", thief).stdout
    refused = host.rsync(key, "-a", f"{names}/", f"{thief}@127.0.0.1:", check=False)
    # xfs says of a project that it is full as of a disk
    assert refused.returncode != 0 and ("quota exceeded" in refused.stderr or "No space left" in refused.stderr)
    assert 300 < inodes(home) <= 400
    (tmp_path / "file").write_bytes(b"x" * 10000)
    host.rsync(other_key, tmp_path / "file", f"{other}@127.0.0.1:")
    # the control: without a limit of files there is no room for anybody
    host.subuid("set", "thief", "--files", "none", user=owner)
    assert as_ids(uid, lambda: made_until_refused(lambda n: os.mknod(home / f"more{n}"), 20000)) < 20000
    failed = host.rsync(other_key, tmp_path / "file", f"{other}@127.0.0.1:more", check=False)
    assert failed.returncode != 0 and "No space left" in failed.stderr
    run("find", home, "-mindepth", "1", "-delete")


def test_every_kind_of_name_counts(host, tmp_path, disk):
    _, name, _ = host.account(tmp_path, "push", "web1", None, "--files", "60")
    home, uid = home_of(name), uid_of(host, name)
    os.chdir("/")
    for make in (lambda n: os.mkdir(home / f"d{n}"), lambda n: os.symlink("x", home / f"l{n}"),
                 lambda n: os.mkfifo(home / f"p{n}"), lambda n: os.close(os.open(home / f"f{n}", os.O_CREAT | os.O_WRONLY))):
        assert 40 <= as_ids(uid, lambda: made_until_refused(make, 200)) < 60
        run("find", home, "-mindepth", "1", "-delete")


def test_an_attribute_with_an_inode_of_its_own_counts(host, tmp_path):
    """ext4 with ea_inode: one name, and an inode for each large attribute of it."""
    with homes_on(host, "ext4-ea", tmp_path, "usrquota,prjquota"):
        owner, name, _ = host.account(tmp_path, "push", "web1", None, "--files", "60")
        home, uid = home_of(name), uid_of(host, name)

        def make(n):
            os.setxattr(home / f"f{n // 20}", f"user.x{n}", str(n + 100).encode() * 2000)

        def fill():
            for n in range(10):
                os.close(os.open(home / f"f{n}", os.O_CREAT | os.O_WRONLY))
            return made_until_refused(make, 200)

        before = os.statvfs(HOMES).f_ffree
        assert 40 <= as_ids(uid, fill) < 60
        assert before - os.statvfs(HOMES).f_ffree > 45, "each is an inode of the disk"
        assert inodes(home) == 11
        host.subuid("set", "web1", "--files", "none", user=owner)  # the control
        assert as_ids(uid, fill) == 200


def test_files_of_other_ids_count(host, tmp_path, disk):
    owner, name, _ = host.account(tmp_path, "push", "web1", None, "--files", "60", "--range", "65536")
    home, uid = home_of(name), uid_of(host, name)
    inside = host.subuid_json("range", "list", user=owner)[0]["first"] + 1000
    as_ids(uid, lambda: os.mkdir(home / "shared", 0o777) or 0)
    # the account directory closes it to other uids; a container of the account's is inside
    run("setfacl", "-m", f"u:{inside}:x", home.parent)
    home.chmod(0o755)
    assert projects(home / "shared") == uid

    def make(n):
        os.close(os.open(home / "shared" / f"f{n}", os.O_CREAT | os.O_WRONLY))

    assert 40 <= as_ids(inside, lambda: made_until_refused(make, 200)) < 60
    # the control: where only files of the uid count, these do not
    run("find", home / "shared", "-mindepth", "1", "-delete")
    projects(home / "shared", 0)
    assert as_ids(inside, lambda: made_until_refused(make, 200)) == 200
    run("find", home, "-mindepth", "1", "-delete")


def test_who_leaves_the_project_is_still_bound_by_the_uid(host, tmp_path, disk):
    _, name, _ = host.account(tmp_path, "push", "web1", None, "--files", "60")
    home, uid = home_of(name), uid_of(host, name)

    def make(n):
        os.close(os.open(home / f"f{n}", os.O_CREAT | os.O_WRONLY))
        projects(home / f"f{n}", 0)

    made = as_ids(uid, lambda: made_until_refused(make, 200))
    assert 40 <= made < 60
    assert projects(home / "f0") == 0  # the attack itself worked
    run("find", home, "-mindepth", "1", "-delete")


def test_bytes_and_files_follow_the_account_and_end_with_it(host, tmp_path, disk):
    owner, name, _ = host.account(tmp_path, "push", "web1", None, "--quota", "512M")
    uid = uid_of(host, name)
    assert limits(USRQUOTA, uid) == limits(PRJQUOTA, uid) == (512 * MIB, 32768)
    host.subuid("set", "web1", "--quota", "none", user=owner)
    assert limits(USRQUOTA, uid) == limits(PRJQUOTA, uid) == (0, 0)
    host.subuid("set", "web1", "--files", "777", user=owner)
    assert limits(USRQUOTA, uid) == limits(PRJQUOTA, uid) == (0, 777)
    host.subuid("remove", "web1", "--purge", "--yes", user=owner)
    wait_until(lambda: not (HOMES / ".removed" / str(uid)).exists(), "it is purged")
    assert limits(USRQUOTA, uid) == limits(PRJQUOTA, uid) == (0, 0)


def test_what_counts_without_a_limit_is_said_so(host, tmp_path):
    """Quotas that are counted and not enforced are none."""
    with homes_on(host, "ext4", tmp_path, "noquota"):
        _, name, _ = host.account(tmp_path, "push", "web1", None, "--files", "60")
        assert "metered after each run" in host.subuid("show", name).stdout
    with homes_on(host, "ext4", tmp_path, "usrquota"):
        _, name, _ = host.account(tmp_path, "push", "web1", None, "--files", "60")
        assert "for files of its own uid" in host.subuid("show", name).stdout


def test_what_is_used_is_what_the_file_system_counts(host, disk, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(5 * MIB))
    owner, name, key = host.account(tmp_path, "push", "used", None, "--quota", "20M", "--files", "100")
    host.rsync(key, tmp_path / "file", f"{name}@127.0.0.1:")
    os.sync()
    account = host.subuid_json("show", name)["account"]
    assert account["quotaKept"] == "disk"
    assert 5 * MIB <= account["usedBytes"] < 6 * MIB
    assert abs(account["usedFiles"] - inodes(home_of(name))) <= 2
