# SPDX-License-Identifier: ISC
"""Doubt takes nothing away: a directory that is down, a file that cannot be opened, a name that has gone to another, a power
cut between two system calls. The directory is a real NSS module (nss_doubt.c) that answers as it is told."""

import contextlib
import fcntl
import json
import os
import pwd
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, call_as, run, wait_until

UNIT = 65536
CONF = Path("/etc/subuidd.conf.d/doubt-test.conf")
SUBUID, SUBGID = Path("/etc/subuid"), Path("/etc/subgid")
NSSWITCH = Path("/etc/nsswitch.conf")
LIBDIR = Path("/usr/lib") / run("cc", "-print-multiarch").stdout.strip()
ANSWER, USERS = Path("/run/nss-doubt"), Path("/run/nss-doubt.passwd")
NO_ANSWER = "the user database does not answer"

# What modules say that are down: libnss-ldapd without its daemon, one that sets no errno, without a descriptor, out of
# memory, for a while only.
OUTAGES = ["unavail 2", "unavail 0", "unavail 3", "unavail 24", "tryagain 11", "tryagain 2"]
# Within which what is watched is done, and not by the look that comes by itself: that is a minute after the daemon's start.
AT_ONCE = 25

# Asked last, and with a source behind it that has never heard of the name.
PLACES = {"last": "files subuid systemd doubt", "masked": "files doubt subuid systemd"}


# ---- the directory


@contextlib.contextmanager
def nsswitch(sources):
    text = NSSWITCH.read_text()
    fresh = NSSWITCH.with_suffix(".new")
    for replacement in (re.sub(r"(?m)^(passwd|group|shadow):.*$", rf"\1: {sources}", text), text):
        fresh.write_text(replacement)
        fresh.rename(NSSWITCH)
        if replacement is not text:
            try:
                yield
            except BaseException:
                fresh.write_text(text)
                fresh.rename(NSSWITCH)
                raise


@contextlib.contextmanager
def outage(how="unavail 2"):
    fresh = ANSWER.with_suffix(".new")
    fresh.write_text(how + "\n")
    fresh.rename(ANSWER)
    try:
        yield
    finally:
        ANSWER.unlink()


@pytest.fixture(scope="module")
def module(host):
    run("cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", LIBDIR / "libnss_doubt.so.2", ROOT / "tests/e2e/nss_doubt.c")
    USERS.write_text("")
    yield
    (LIBDIR / "libnss_doubt.so.2").unlink()


@pytest.fixture(params=PLACES)
def place(request, module):
    with nsswitch(PLACES[request.param]):
        yield request.param


class People:
    count = 0

    @classmethod
    def new(cls):
        """A user whom the directory alone knows."""
        cls.count += 1
        name, uid = f"dir{cls.count}", 400000 + cls.count
        home = Path(f"/home/{name}")
        home.mkdir(mode=0o755)
        os.chown(home, uid, uid)
        with USERS.open("a") as file:
            file.write(f"{name}:x:{uid}:{uid}::{home}:/bin/bash\n")
        return name


def settle(host, text):
    CONF.parent.mkdir(mode=0o755, exist_ok=True)
    CONF.write_text(text)
    host.restart_daemon()


@contextlib.contextmanager
def settings(host, text):
    settle(host, text)
    try:
        yield
    finally:
        CONF.unlink()
        host.restart_daemon()


def lines(file=SUBUID):
    return file.read_text().splitlines() if file.exists() else []


def gives(name, first, count=UNIT, file=SUBUID):
    for line in lines(file):
        parts = line.split(":")
        if len(parts) == 3 and parts[0] == name and int(parts[1]) <= first and int(parts[1]) + int(parts[2]) >= first + count:
            return True
    return False


def names_of(file=SUBUID):
    return {line.split(":")[0] for line in lines(file)}


def add(host, *argv):
    return json.loads(host.subuid("range", "add", *argv, "--json").stdout)["first"]


def refused(host, *argv, user=None):
    result = host.subuid(*argv, user=user, check=False)
    assert result.returncode == 1, result
    return result.stderr


def daemon_log():
    return Path("/run/subuidd.log").read_text()


# ---- outages


def test_what_glibc_makes_of_an_outage(module):
    """The control of all that follows: with a source behind it an outage reads "no such user" (2), in the last place it does
    when errno is 0."""
    someone = People.new()
    look = ["python3", "-c", "import ctypes, sys\nlibc = ctypes.CDLL('libc.so.6')\nb = ctypes.create_string_buffer(65536)\n"
            "e, r = ctypes.create_string_buffer(256), ctypes.c_void_p()\n"
            "n = libc.getpwnam_r(sys.argv[1].encode(), e, b, 65536, ctypes.byref(r))\nprint(n, bool(r.value))", someone]
    for place, sources in PLACES.items():
        with nsswitch(sources):
            assert run(*look).stdout.split() == ["0", "True"]
            assert run(*look[:-1], "nobody-at-all").stdout.split() == ["0", "False"]
            for how in OUTAGES:
                error = how.split()[1] if place == "last" else "0"
                with outage(how):
                    assert run(*look).stdout.split() == [error, "False"], (place, how)


@pytest.mark.parametrize("how", OUTAGES)
def test_an_outage_takes_no_line_out_of_the_files(host, place, how):
    owner, local = People.new(), host.new_user()
    with settings(host, "[subid]\npublish = files\n"):
        host.subuid("add", "web1", "--owner", owner)
        first, given = add(host, "--owner", owner, "1"), add(host, "1", f"{owner}+web1")
        mine = add(host, "--owner", local, "1")

        def all_there():
            return all(gives(owner, first, file=f) and gives(f"{owner}+web1", given, file=f)
                       for f in (SUBUID, SUBGID))

        assert all_there()
        said = daemon_log().count(f"{NO_ANSWER} for dir")
        with outage(how):
            host.subuid("range", "remove", str(mine), "--owner", local)  # a change of somebody else's, seen at once
            assert not gives(local, mine) and all_there()
            host.restart_daemon()  # and a start
            host.subuid("limit", local, "--ranges", "7")
            assert all_there()
            wait_until(lambda: daemon_log().count(f"{NO_ANSWER} for dir") > said, "it is said")
            assert NO_ANSWER in host.subuid("check", "--all", check=False).stdout
            assert all_there()
        # who is gone for certain loses them
        USERS.write_text(re.sub(f"(?m)^{owner}:.*\n", "", USERS.read_text()))
        NSSWITCH.write_text(NSSWITCH.read_text())  # the directory is no file that is watched; this is
        wait_until(lambda: not {owner, f"{owner}+web1"} & names_of(), "they are withdrawn")


@pytest.mark.parametrize("how", ["unavail 2", "unavail 0", "tryagain 11"])
def test_in_an_outage_nothing_is_removed_as_if_there_were_no_owner(host, place, how, tmp_path):
    owner = People.new()
    key = host.new_key(tmp_path, f"{owner}-{place}-{how.replace(' ', '-')}")
    host.subuid("add", "web1", "--owner", owner, "--key", f"{key}.pub", "--role", "push")
    host.subuid("add", "web2", "--owner", owner)
    link, kept = Path(f"/home/{owner}/subuid/web1"), Path(f"/srv/subuid/{owner}/web1/home/kept")
    kept.touch()
    with outage(how):
        assert NO_ANSWER in refused(host, "remove", f"{owner}+web1", "--purge")
        assert NO_ANSWER in refused(host, "add", "web3", "--owner", owner)
        assert NO_ANSWER in refused(host, "range", "add", "1", "--owner", owner)
        assert NO_ANSWER in refused(host, "unlock", f"{owner}+web1")
        assert link.is_symlink() and kept.exists()
        # root sees, and takes access away
        assert [e["name"] for e in host.subuid_json("list", "--owner", owner)] == [f"{owner}+web1", f"{owner}+web2"]
        # a login that stood goes on
        assert host.rsync(key, "/etc/hostname", f"{owner}+web1@127.0.0.1:").returncode == 0
        host.subuid("lock", f"{owner}+web2")
        keys = host.subuid_json("key", "list", f"{owner}+web1")
        host.subuid("key", "remove", f"{owner}+web1", str(keys[0]["id"]))
        assert host.rsync(key, "/etc/hostname", f"{owner}+web1@127.0.0.1:", check=False).returncode != 0
    assert "locked" in host.subuid("list", "--owner", owner).stdout
    host.subuid("remove", f"{owner}+web1", "--purge")
    assert not link.is_symlink() and not os.path.lexists(kept.parents[1])


def killed_at(host, syscall, *command):
    """The daemon dies at the first such call of a command."""
    trace = subprocess.Popen(["strace", "-f", "-qq", "-e", f"trace={syscall}", "-e", f"inject={syscall}:signal=KILL",
                              *host.attached()], stderr=subprocess.DEVNULL)
    wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace is there")
    host.subuid(*command, check=False)
    trace.wait(60)
    host.stop_daemon(signal.SIGKILL)


def test_a_removal_under_way_waits_for_the_directory(host, place):
    """Killed in between, started in an outage: it stays pending until somebody can say whose the link is."""
    owner = People.new()
    host.subuid("add", "web1", "--owner", owner)
    link = Path(f"/home/{owner}/subuid/web1")
    killed_at(host, "umount2", "remove", f"{owner}+web1")  # as it asks for the link to be removed
    with outage():
        host.start_daemon()
        wait_until(lambda: re.search(f"account.remove: {owner}.web1: {NO_ANSWER}", daemon_log()), "it is tried")
        assert link.is_symlink()
        assert run("getent", "passwd", f"{owner}+web1", check=False).returncode == 2  # removed for everybody else
    host.restart_daemon()
    wait_until(lambda: not link.is_symlink(), "it is finished")


def test_a_rename_under_way_waits_for_the_directory(host, place):
    """Killed in between, started in an outage: nobody would make the link and open the view later."""
    owner = People.new()
    host.subuid("add", "web1", "--owner", owner)
    directory = Path(f"/home/{owner}/subuid")
    killed_at(host, "renameat2", "rename", f"{owner}+web1", "db1")
    with outage():
        host.start_daemon()
        wait_until(lambda: re.search(f"account.rename: .*: {NO_ANSWER}", daemon_log()), "it is tried")
        assert not (directory / "db1").is_symlink()
    host.restart_daemon()
    wait_until(lambda: (directory / "db1").is_symlink() and not (directory / "web1").is_symlink(), "it is finished")
    assert os.listdir(directory) == ["db1"] and host.subuid("check", "--owner", owner).returncode == 0
    assert (directory / "db1").is_dir()
    host.subuid("remove", f"{owner}+db1", "--purge")


def test_an_owner_of_the_directory_has_another_name(host, place):
    owner = People.new()
    host.subuid("add", "web1", "--owner", owner)
    uid, new, link = pwd.getpwnam(f"{owner}+web1").pw_uid, f"{owner}new", Path(f"/home/{owner}/subuid/web1")
    with outage():  # it says nothing of anybody: nobody is gone
        assert "owner gone" not in host.subuid("list", "--all").stdout
        assert "does not answer" in host.subuid("owner", owner, new, check=False).stderr
    text = USERS.read_text()
    USERS.write_text(text.replace(f"{owner}:x:", f"{new}:x:"))
    try:
        assert "owner gone" in host.subuid("list", "--all").stdout
        assert f"subuid owner {owner} {new}" in host.subuid("doctor", check=False).stdout
        host.subuid("owner", owner, new)
        assert pwd.getpwnam(f"{new}+web1").pw_uid == uid and link.resolve().parts[-3:-1] == (new, "web1")
        assert host.subuid_json("list", user=new)[0]["name"] == f"{new}+web1"
        assert host.subuid("check", "--owner", new).returncode == 0
        host.subuid("remove", f"{new}+web1", "--purge")
    finally:
        USERS.write_text(text)


def test_without_a_descriptor_nobody_is_gone(host, module):
    """EMFILE while /etc/passwd is read: with our own source behind `files` glibc says "no such user"."""
    owner = host.new_user()
    host.subuid("add", "web1", "--owner", owner)
    link = Path(f"/home/{owner}/subuid/web1")
    with nsswitch("files subuid"):
        trace = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=openat", "-P", "/etc/passwd", "-e",
                                  "inject=openat:error=EMFILE", *host.attached()], stderr=subprocess.DEVNULL)
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace is there")
        try:
            assert "Too many open files" in refused(host, "remove", f"{owner}+web1")
            assert link.is_symlink()
        finally:
            trace.terminate()
            trace.wait(60)
        host.subuid("remove", f"{owner}+web1")
        assert not link.is_symlink()


def test_a_passwd_that_was_cut_off_is_no_proof(host):
    """/etc/passwd emptied by a full disk: root is not in it either."""
    owner = host.new_user()
    text = Path("/etc/passwd").read_text()
    with settings(host, "[subid]\npublish = both\n"):
        first = add(host, "--owner", owner, "1")
        seen = daemon_log().count(f"{NO_ANSWER} for")
        try:
            Path("/etc/passwd").write_text("")
            wait_until(lambda: daemon_log().count(f"{NO_ANSWER} for") > seen, "it was looked at")
            assert gives(owner, first)
        finally:
            Path("/etc/passwd").write_text(text)


def test_in_doubt_nothing_is_given_out(host, place):
    """Any id could be the directory's."""
    owner = host.new_user()
    uid = 400000 + 99999
    USERS.write_text(USERS.read_text() + f"holder:x:{uid}:{uid}::/:/bin/sh\n")
    with settings(host, f"[ids]\naccounts = {uid}-{uid + 8}\n"):
        with outage():
            refused(host, "add", "web1", "--owner", owner)
            refused(host, "range", "add", "1", "--owner", owner)
            assert host.subuid_json("list", "--owner", owner) == [] == host.subuid_json("range", "list", "--owner", owner)
        host.subuid("add", "web1", "--owner", owner)
        assert pwd.getpwnam(f"{owner}+web1").pw_uid > uid
        host.subuid("remove", f"{owner}+web1", "--purge")


def test_the_commands_say_that_nobody_answers(host, place):
    owner = People.new()
    host.subuid("add", "web1", "--owner", owner)
    with outage():
        told = refused(host, "idmap", "--owner", owner)
        assert "getent passwd" in told and "no such user" not in told
    assert "there is no such user" in host.subuid("idmap", "--owner", "nobody-at-all", check=False).stderr
    SUBUID.write_text(SUBUID.read_text() + f"{owner}:700000000:10\n")
    SUBGID.write_text(SUBGID.read_text() + f"{owner}:700000000:10\n")
    with outage():
        assert "must answer" in refused(host, "adopt", "--owner", owner)
        assert "a name that no user has" not in host.subuid("doctor", check=False).stdout
    for file in (SUBUID, SUBGID):
        file.write_text(file.read_text().replace(f"{owner}:700000000:10\n", ""))


def test_doctor_takes_nobody_for_missing_in_an_outage(host, place):
    """Its advice would be to set the host up again. A group of the directory's, so that the files do not know it."""
    group = Path("/etc/group")
    text = group.read_text()
    missing = "the group subuids-forward does not exist"
    group.write_text("".join(line for line in text.splitlines(True) if not line.startswith("subuids-forward:")))
    try:
        assert missing in host.subuid("doctor", check=False).stdout, "the control"
        with outage():
            report = host.subuid("doctor", check=False).stdout
    finally:
        group.write_text(text)
    assert missing not in report and "the user database does not answer" in report, report


def test_who_is_in_the_admin_group_is_in_doubt_too(host, place):
    admins, user, other = People.new(), host.new_user(), host.new_user()  # a group of the same name and number
    gid, asks = pwd.getpwnam(admins).pw_gid, pwd.getpwnam(user)
    as_admin = ["setpriv", "--reuid", asks.pw_uid, "--regid", asks.pw_gid, "--groups", gid]
    with settings(host, f"[access]\nadmin_group = {admins}\n"):
        assert run(*as_admin, "subuid", "list", "--owner", other, check=False).returncode == 0
        with outage():
            result = run(*as_admin, "subuid", "list", "--owner", other, check=False)
            assert result.returncode == 1 and NO_ANSWER in result.stderr, result
            assert call_as(user, "io.subuidd.Accounts.ListAccounts")["parameters"] is not None  # his own go on


# ---- names that have gone to others


class Namespace:
    """A process of a user in a user namespace that has no maps yet."""

    def __init__(self, user):
        self.uid, self.gid = user.pw_uid, user.pw_gid

    def __enter__(self):
        self.process = subprocess.Popen(["unshare", "--user", "sh", "-c", "echo ready; read line"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, user=self.uid, group=self.gid, extra_groups=[], cwd="/")
        assert self.process.stdout.readline() == b"ready\n"
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(60)


def maps(user, *numbers, descriptors=None, kind="uid"):
    """The real newuidmap, with so many descriptors."""
    entry = pwd.getpwnam(user)
    limit = f"ulimit -n {descriptors}; " if descriptors else ""
    with Namespace(entry) as process:
        result = run("sh", "-c", f'{limit}exec new{kind}map "$@"', "sh", process.pid, *numbers, user=user, check=False)
        assert bool(Path(f"/proc/{process.pid}/{kind}_map").read_text()) == (result.returncode == 0)
        return result.returncode == 0


def granted(user, first, descriptors=None):
    """By both files, which are written one after the other."""
    return {maps(user, 0, first, 10, descriptors=descriptors, kind=kind) for kind in ("uid", "gid")}


def grants(user, first, descriptors=None):
    both = granted(user, first, descriptors)
    assert len(both) == 1
    return both.pop()


def give_uid(name, uid):
    """As usermod does it: a new file in the place of the old one."""
    text = Path("/etc/passwd").read_text()
    fresh = Path("/etc/passwd+")
    fresh.write_text(re.sub(rf"(?m)^{name}:x:\d+:\d+:", f"{name}:x:{uid}:{uid}:", text))
    fresh.chmod(0o644)
    fresh.rename("/etc/passwd")
    return text


def without_descriptors_the_files_decide(host, user, first, publish):
    """The control: newuidmap cannot load the plug-in then, and grants what is written."""
    assert grants(user, first)
    assert grants(user, first, descriptors=6) == (publish != "plugin")


@pytest.mark.parametrize("publish", ["plugin", "both", "files"])
def test_no_line_outlives_the_name_it_was_written_for(host, publish):
    with settings(host, f"[subid]\npublish = {publish}\n"):
        # the name has gone to another uid
        owner = host.new_user("w")
        first = add(host, "--owner", owner, "1")
        without_descriptors_the_files_decide(host, owner, first, publish)
        text = give_uid(owner, 390001)
        assert publish == "files" or not grants(owner, first)  # the plug-in at once
        wait_until(lambda: True not in granted(owner, first, descriptors=6), "the files follow", AT_ONCE)
        assert not grants(owner, first) and owner not in names_of() and owner not in names_of(SUBGID)
        Path("/etc/passwd").write_text(text)  # in place
        wait_until(lambda: (False not in granted(owner, first, descriptors=6)) == (publish != "plugin"), "and come back", AT_ONCE)
        # renamed, and the old name given to somebody else
        run("usermod", "-l", f"{owner}n", owner)
        wait_until(lambda: owner not in names_of(), "the old name has nothing", AT_ONCE)
        assert not grants(f"{owner}n", first) and not grants(f"{owner}n", first, descriptors=6)
        run("useradd", "-N", "-u", "390002", owner)
        assert not grants(owner, first) and not grants(owner, first, descriptors=6)
        # a name that is deleted and given again
        gone = host.new_user("w")
        second = add(host, "--owner", gone, "1")
        run("userdel", gone)
        run("useradd", "-N", "-u", "390003", gone)
        wait_until(lambda: True not in granted(gone, second, descriptors=6), "the files follow", AT_ONCE)
        assert not grants(gone, second)
        for name in (gone, owner, f"{owner}n"):
            run("userdel", name)


@pytest.mark.parametrize("publish", ["plugin", "both", "files"])
@pytest.mark.parametrize("by", ["name", "number"])
def test_lines_of_an_adopted_range_go_with_the_name_too(host, publish, by):
    """useradd wrote them, so that newuidmap goes by them in every mode. With the daemon down: the attack, as a control."""
    owner, uid, first = f"z{publish}{by}", 391000, {"plugin": 710000000, "both": 720000000, "files": 730000000}[publish]
    first += 65536 * (by == "number")
    run("useradd", "-u", str(uid), "-m", owner)
    line = f"{owner if by == 'name' else uid}:{first}:{UNIT}"
    other = "somebody:740000000:10"
    try:
        with settings(host, f"[subid]\npublish = {publish}\n"):
            for file in (SUBUID, SUBGID):
                file.write_text("".join(l + "\n" for l in lines(file) if not l.startswith(f"{owner}:")) + f"{line}\n{other}\n")
            host.subuid("adopt", "--owner", owner)
            assert grants(owner, first) and grants(owner, first, descriptors=6)
            host.stop_daemon()
            if by == "name":
                give_uid(owner, 391001)
            else:  # the number's next holder has another name
                run("usermod", "-l", f"{owner}n", owner)
            thief = owner if by == "name" else f"{owner}n"
            if publish != "files":
                assert not grants(thief, first)
            assert grants(thief, first, descriptors=6)
            host.start_daemon()
            wait_until(lambda: True not in granted(thief, first, descriptors=6), "the line is taken out", AT_ONCE)
            for file in (SUBUID, SUBGID):
                assert not any(f":{first}:" in l for l in lines(file)) and other in lines(file)
            assert not grants(thief, first)
    finally:
        for file in (SUBUID, SUBGID):
            file.write_text("".join(l + "\n" for l in lines(file) if l not in (line, other)))
        for name in (owner, f"{owner}n"):
            run("userdel", "-r", name, check=False)


def test_a_stale_line_that_somebody_puts_back_is_taken_out(host):
    """An old copy of /etc/subuid, restored by hand or by configuration management."""
    owner = host.new_user("w")
    with settings(host, "[subid]\npublish = both\n"):
        first = add(host, "--owner", owner, "1")
        line = f"{owner}:{first}:{UNIT}"
        give_uid(owner, 392001)
        wait_until(lambda: owner not in names_of(), "withdrawn", AT_ONCE)
        SUBUID.write_text(SUBUID.read_text() + line + "\n")
        wait_until(lambda: line not in lines(), "and once more", AT_ONCE)
        run("userdel", owner)


@pytest.mark.parametrize("shape", ["two ranges", "a part gone", "within", "accounts"])
def test_a_stale_line_that_is_of_another_shape_is_taken_out(host, shape):
    """Neighbours are one line: put back, it is one for several entries of the index, or for some that are gone since. The
    control: while the name is its owner's it stays."""
    owner = host.new_user("w")
    publish = "files" if shape == "accounts" else "both"
    with settings(host, f"[subid]\npublish = {publish}\n"):
        if shape == "accounts":
            for label in "abc":
                host.subuid("add", label, "--owner", owner)
            first, count = pwd.getpwnam(f"{owner}+a").pw_uid, 3
            host.subuid("remove", f"{owner}+a", "--purge")
        else:
            first, second = add(host, "--owner", owner, "1"), add(host, "--owner", owner, "1")
            assert second == first + UNIT and f"{owner}:{first}:{2 * UNIT}" in lines()
            count = 2 * UNIT
            if shape == "a part gone":
                host.subuid("range", "remove", "--yes", str(first), "--owner", owner)
            if shape == "within":
                first, count = first + 10, UNIT
        line = f"{owner}:{first}:{count}"
        SUBUID.write_text(SUBUID.read_text() + line + "\n")
        host.restart_daemon()
        assert line in lines()
        give_uid(owner, 392003)
        wait_until(lambda: owner not in names_of(), "withdrawn", AT_ONCE)
        SUBUID.write_text(SUBUID.read_text() + line + "\n")
        wait_until(lambda: line not in lines(), "and once more", AT_ONCE)
        run("userdel", owner)


@contextlib.contextmanager
def password_lock_held():
    """lckpwdf(3), as by a useradd. Yields a function: whether somebody waits for it."""
    with open("/etc/.pwd.lock", "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        inode = f":{os.fstat(file.fileno()).st_ino} "
        yield lambda: any("->" in l and inode in l for l in Path("/proc/locks").read_text().splitlines())


def test_a_line_that_is_put_back_while_the_daemon_writes_is_taken_out(host):
    """It has read the files, and waits for their lock: what comes in between is seen at once, and not within the minute. With
    adopted ranges, whose lines nothing but the watch looks after."""
    gone, owner = host.new_user("w"), host.new_user("w")
    line, other = f"{gone}:770000000:{UNIT}", f"{owner}:770065536:{UNIT}"
    for file in (SUBUID, SUBGID):
        file.write_text("".join(l + "\n" for l in lines(file) if l.split(":")[0] not in (gone, owner)) + f"{line}\n{other}\n")
    for name in (gone, owner):
        host.subuid("adopt", "--owner", name)
    host.restart_daemon()  # whose first look of every minute is a minute away
    give_uid(gone, 392004)
    wait_until(lambda: line not in lines() + lines(SUBGID), "withdrawn", AT_ONCE)
    with password_lock_held() as waited_for:
        give_uid(owner, 392005)
        wait_until(waited_for, "the daemon wants to write")
        SUBUID.write_text(SUBUID.read_text() + line + "\n")
    wait_until(lambda: owner not in names_of(SUBGID), "the other owner's is withdrawn", AT_ONCE)
    wait_until(lambda: line not in lines(), "and this one once more", AT_ONCE)
    run("userdel", gone)
    run("userdel", owner)


def children_within(seconds):
    """How many processes were made on this host meanwhile."""
    def last():
        with subprocess.Popen(["true"]) as process:
            return process.pid

    first = last()
    time.sleep(seconds)
    return last() - first - 1


@pytest.mark.parametrize("publish", ["plugin", "both"])
@pytest.mark.parametrize("shape", ["changed", "missing", "link"])
def test_files_that_stand_still_are_left_alone(host, publish, shape, tmp_path):
    """Whatever they are: a look is not a reason for the next one."""
    texts = {file: file.read_bytes() for file in (SUBUID, SUBGID)}
    try:
        with settings(host, f"[subid]\npublish = {publish}\n"):
            SUBGID.write_text("somebody:780000000:10\n")
            if shape != "changed":
                SUBUID.unlink()
            if shape == "link":
                (tmp_path / "subuid").write_text("somebody:780000000:10\n")
                SUBUID.symlink_to(tmp_path / "subuid")
            wait_until(lambda: children_within(2) < 5, "no look follows another")
    finally:
        for file, text in texts.items():
            file.unlink(missing_ok=True)
            file.write_bytes(text)


def test_a_switch_to_another_source_is_seen(host, module):
    """nsswitch.conf is watched as well: the directory's owner is nobody once the directory is not asked."""
    owner = People.new()
    with settings(host, "[subid]\npublish = both\n"):
        with nsswitch("files subuid doubt"):
            first = add(host, "--owner", owner, "1")
            assert gives(owner, first)
        wait_until(lambda: not gives(owner, first), "withdrawn", AT_ONCE)


# ---- neighbours


def test_three_hundred_accounts_are_no_line_and_containers_start(host):
    owner = host.new_user()
    own = {"uid": pwd.getpwnam(owner).pw_uid, "gid": pwd.getpwnam(owner).pw_gid}
    host.subuid("limit", owner, "--accounts", "400")
    rows = "".join(json.dumps({"kind": "account", "owner": owner, "label": f"s{i}"}) + "\n" for i in range(300))
    host.subuid("import", "-", input=rows)
    first = pwd.getpwnam(f"{owner}+s0").pw_uid
    with settings(host, "[subid]\npublish = files\n"), nsswitch("files subuid systemd"):
        text = NSSWITCH.read_text()
        NSSWITCH.write_text(re.sub(r"(?m)^subid:.*\n", "", text))
        try:
            block = add(host, "--owner", owner, "1")
            for file in (SUBUID, SUBGID):
                assert not [l for l in lines(file) if l.startswith(f"{owner}:2")], "none of a sub-account's uid"

            def everything(kind="uid"):
                """As podman maps: all that is listed for the owner, one after the other."""
                numbers, at = [0, own[kind], 1], 1
                for line in run("getsubids", owner).stdout.splitlines():
                    start, count = map(int, line.split()[2:])
                    numbers += [at, start, count]
                    at += count
                return numbers

            assert maps(owner, *everything()) and maps(owner, *everything("gid"), kind="gid")
            assert block in everything() and len(everything()) < 12
            assert not maps(owner, 0, first, 1), "in the files what is granted is listed"
            assert host.subuid("exec", "s151", "--", "id", "-u", user=owner).stdout == "0\n"
            host.subuid("range", "remove", str(block), "--owner", owner)
            assert host.subuid("check", "--owner", owner, check=False).returncode == 0
        finally:
            NSSWITCH.write_text(text)
    wait_until(lambda: f"{owner}:{block}:{UNIT}" not in lines(), "taken back")
    assert maps(owner, 0, own["uid"], 1, 1, first, 1), "where the plug-in answers they are granted"


def test_what_useradd_wrote_keeps_its_shape_beside_its_neighbour(host):
    """A line that was there first is not joined: it stays when we cease."""
    owner = host.new_user()
    first = 750000000 // UNIT * UNIT
    old = f"{owner}:{first}:{UNIT}"
    for file in (SUBUID, SUBGID):
        file.write_text("".join(l + "\n" for l in lines(file)) + f"{old}\n")
    host.subuid("adopt", "--owner", owner)
    rows = json.dumps({"kind": "range", "owner": owner, "first": first + UNIT, "count": UNIT}) + "\n"
    try:
        with settings(host, f"[ids]\nranges = {first + UNIT}-{first + 2 * UNIT - 1}\n[subid]\npublish = both\n"):
            host.subuid("import", "-", input=rows)
            wait_until(lambda: gives(owner, first + UNIT), "written")
            assert old in lines() and f"{owner}:{first + UNIT}:{UNIT}" in lines()
        wait_until(lambda: not gives(owner, first + UNIT), "taken back")
        assert old in lines()
    finally:
        for file in (SUBUID, SUBGID):
            file.write_text("".join(l + "\n" for l in lines(file) if l != old))


# ---- power cut


def mounted(path):
    """Of the same file system as what is below it, so that os.path.ismount() does not see it."""
    return str(path) in {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}


def test_a_lock_that_a_power_cut_left_blocks_nobody(host, place):
    """Empty, as ext4 leaves what nobody synced. shadow's tools stop at it; the daemon clears it after a minute, and meanwhile
    says what stands in the way. Views that an outage kept back are made in the same minute."""
    viewer, owner = People.new(), host.new_user()
    host.subuid("add", "web1", "--owner", viewer)
    view = Path(f"/srv/subuid/{viewer}/web1/view")
    with settings(host, "[subid]\npublish = files\n"):
        text = NSSWITCH.read_text()
        NSSWITCH.write_text(re.sub(r"(?m)^subid:.*\n", "", text))
        try:
            host.stop_daemon()
            run("umount", view)
            for name in ("subuid", "subgid"):
                Path(f"/etc/{name}.lock").touch(0o600)
                Path(f"/etc/{name}.4194000").write_text("4194000\0")
            with outage():
                host.start_daemon()
                assert "subuid.lock" in run("usermod", "--add-subuids", "760000000-760000009", owner, check=False).stderr
                findings = json.loads(host.subuid("doctor", "--json", check=False).stdout)["checks"]
                assert {f"/etc/{name}.lock" for name in ("subuid", "subgid")} <= {
                    f["check"] for f in findings if f["result"] == "bad"}
                assert not mounted(view)
                wait_until(lambda: "the views of some owners are mounted when it does" in daemon_log(), "views wait")
            wait_until(lambda: not list(Path("/etc").glob("sub?id.*")), "they are cleared", 150)
            wait_until(lambda: mounted(view), "and the view is there", 90)
            run("usermod", "--add-subuids", "760000000-760000009", "--add-subgids", "760000000-760000009", owner)
            assert f"{owner}:760000000:10" in lines()
            run("useradd", f"{owner}x")
            assert "BAD" not in "".join(l for l in host.subuid("doctor", check=False).stdout.splitlines() if ".lock" in l)
            run("userdel", f"{owner}x")
            run("usermod", "--del-subuids", "760000000-760000009", "--del-subgids", "760000000-760000009", owner)
        finally:
            NSSWITCH.write_text(text)
            for name in ("subuid", "subgid"):
                Path(f"/etc/{name}.lock").unlink(missing_ok=True)
