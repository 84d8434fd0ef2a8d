# SPDX-License-Identifier: ISC
"""The broker waits for nobody (docs/invariants.md, 16): file servers that do not answer, over whatever an owner or an
account can mount on, leases and FIFOs; at every deed, at a start and in maintenance. tests/e2e/silent_fuse.py is the server."""

import contextlib
import fcntl
import grp
import itertools
import json
import os
import pwd
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, call, run, time_taken, wait_until
from test_session_ends import grace
from test_unit import Unit

# Of whoever asks the broker meanwhile. It answers in milliseconds; if it waited, that would be for five seconds at least.
PATIENCE = 4.5
HOWS = ["silent", "greedy", "stopped", "dead"]


@pytest.fixture(scope="module", autouse=True)
def fuse():
    """For everybody, as Debian's udev makes it: a node of our own, the host's is shared with other tests."""
    node = Path("/srv/.fuse")
    os.mknod(node, 0o666 | 0o020000, os.makedev(10, 229))
    node.chmod(0o666)
    run("mount", "--bind", node, "/dev/fuse")
    Path("/etc/fuse.conf").write_text("user_allow_other\n")
    yield
    run("umount", "/dev/fuse")
    node.unlink()


@contextlib.contextmanager
def server(how, directory, user):
    """A file server of the user's on a directory; looks like what was there before, and does not answer."""
    inode = os.stat(directory).st_ino
    words = ["/usr/bin/python3", ROOT / "tests/e2e/silent_fuse.py", "polite" if how == "stopped" else how, directory, inode]
    entry = pwd.getpwnam(user)
    peer = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/")
    try:
        assert peer.stdout.readline() == "mounted\n"
        if how == "stopped":
            assert os.stat(directory).st_ino == inode
            peer.send_signal(signal.SIGSTOP)
        if how == "dead":
            peer.wait(60)
        yield peer
    finally:
        peer.kill()
        peer.wait(60)
        while run("umount", "-l", directory, check=False).returncode == 0 and "fuse.silent" in mounts_of(directory):
            pass


def mounts_of(directory):
    return [line.split(" - ")[1].split()[0] for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if line.split()[4] == str(directory)]


def hangs(path):
    """The control: somebody who asks waits (killed, they may wait on: that is not waited for), or is told that nobody is there."""
    asked = subprocess.Popen(["stat", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        return b"not connected" in asked.communicate(timeout=0.5)[1]
    except subprocess.TimeoutExpired:
        asked.kill()
        return True


def deed(*argv, seconds=60, user=None):
    """A command; meanwhile others are answered at once. What it says."""
    options = {"user": pwd.getpwnam(user).pw_uid, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    command = subprocess.Popen(["/usr/bin/subuid", *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               cwd="/", **options)
    begun = time.monotonic()
    while True:
        assert "error" not in call("io.subuidd.Accounts.Status", timeout=PATIENCE), "the broker waits"
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(0.02)
            break
        assert time.monotonic() - begun < seconds, f"{argv} waits"
    return command.returncode, command.stdout.read()


@pytest.fixture
def pair(host, tmp_path):
    """An account that is attacked, with a file in its home, and somebody else's, which is only to be locked."""
    owner, name, _ = host.account(tmp_path)
    victim, other, _ = host.account(tmp_path)
    home = Path(f"/srv/subuid/{owner}/web1/home")
    home.chmod(0o777)  # a server can push this mode: the owner may then mount over a view that shows it as another's
    inside = home / "inside"
    inside.mkdir()
    os.chown(inside, pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid)
    yield owner, name, other, home
    if host.daemon is None:
        host.start_daemon()
    run("umount", "-lq", home, check=False)
    host.subuid("remove", name, "--purge", check=False)
    host.subuid("remove", other, "--purge", check=False)


def lock_is_quick(host, other):
    assert time_taken(lambda: deed("lock", other)) < PATIENCE
    assert "locked" in host.subuid("show", other).stdout
    assert deed("unlock", other)[0] == 0


# The link in an owner's home is waited for, by those who asked for it alone, for five seconds at most.
DEEDS = [["show", "{name}"], ["list", "--all"], ["mount", "{name}"], ["set", "{name}", "--quota", "1G"], ["check", "--repair"],
         ["add", "web1", "--owner", "{owner}"], ["lock", "{name}"], ["unlock", "{name}"]]


def place_of(place, owner, name):
    """Where, and who can mount there."""
    return {
        "view": (f"/srv/subuid/{owner}/web1/view", owner),
        "home": (f"/srv/subuid/{owner}/web1/home", name),
        "inside": (f"/srv/subuid/{owner}/web1/home/inside", name),
        "owner's home": (f"/home/{owner}", owner),
    }[place]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("place", ["view", "home", "inside", "owner's home"])
def test_no_deed_waits_for_a_file_server(host, pair, place, how):
    owner, name, other, _ = pair
    directory, who = place_of(place, owner, name)
    with server(how, directory, who):
        assert hangs(directory)
        lock_is_quick(host, other)
        for words in DEEDS:
            deed(*(word.format(name=name, owner=owner) for word in words))
        lock_is_quick(host, other)
        status, said = deed("remove", name)
        assert status == 0, said
        lock_is_quick(host, other)
    assert name not in host.subuid("list", "--all").stdout
    assert Path("/run/subuidd.log").read_text().count("watchdog") == 0


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("place", ["view", "home", "inside", "owner's home"])
def test_a_start_waits_for_no_file_server(host, pair, place, how):
    owner, name, other, _ = pair
    directory, who = place_of(place, owner, name)
    usual = time_taken(lambda: host.restart_daemon(signal.SIGKILL))
    with server(how, directory, who):
        assert hangs(directory)
        assert time_taken(lambda: host.restart_daemon(signal.SIGKILL)) < PATIENCE + 2 * usual
        lock_is_quick(host, other)
        wait_until(lambda: place != "view" or "fuse" not in mounts_of(directory), "the view is the account's own again")
        assert deed("show", name)[0] == 0
    assert deed("check")[1].count("owner's view shows") == 0


@pytest.mark.parametrize("how", HOWS)
def test_a_start_in_mounts_of_its_own_waits_for_no_file_server(host, pair, how):
    """What is mounted below the homes is cloned and handed over with them, and nobody asks it."""
    owner, name, other, _ = pair
    view, who = place_of("view", owner, name)
    inside, account = place_of("inside", owner, name)
    unit = Unit(host, True)
    unit.close()
    usual = unit.took
    with server(how, view, who), server(how, inside, account):
        assert hangs(view) and hangs(inside)
        unit = Unit(host, True)
        try:
            assert unit.took < PATIENCE + 2 * usual
            lock_is_quick(host, other)
            wait_until(lambda: not hangs(view), "the view is the account's own again, on the host")
            status, said = deed("remove", name)
            assert status == 0, said
        finally:
            unit.close()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("place", ["home", "inside"])
def test_a_purge_waits_for_no_file_server(host, pair, place, how):
    """What was mounted there is taken away, the data goes, and nobody waits."""
    owner, name, other, _ = pair
    uid = pwd.getpwnam(name).pw_uid
    directory, who = place_of(place, owner, name)
    with server(how, directory, who):
        status, said = deed("remove", name, "--purge")
        assert status == 0, said
        lock_is_quick(host, other)
        wait_until(lambda: not Path(f"/srv/subuid/.removed/{uid}").exists(), "purged")


@contextlib.contextmanager
def unkillable(home, owner, name):
    """A process of the account whose question a server has taken and keeps."""
    uid = pwd.getpwnam(name).pw_uid
    (home / "inside").chmod(0o777)
    with server("greedy", home / "inside", owner):
        stuck = subprocess.Popen(["stat", str(home / "inside")], user=uid, group=uid, extra_groups=[],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: Path(f"/proc/{stuck.pid}/syscall").read_text() != "running\n" and hangs(home / "inside"), "it waits")
        yield
    stuck.wait(60)


def test_what_cannot_be_killed_holds_up_nobody(host, pair):
    """The lock counts, says so, and is not waited for."""
    owner, name, other, home = pair
    with unkillable(home, owner, name):
        status, said = deed("lock", name)
        assert "locked" in host.subuid("show", name).stdout
        assert status == 1 and "cannot be ended" in said
        lock_is_quick(host, other)
    assert deed("lock", name)[0] == 0


def test_what_cannot_be_killed_is_named_once(host, pair, tmp_path):
    """The daemon looks twice a minute at what runs as accounts that are over, and finds it each time."""
    owner, name, _, home = pair
    uid = pwd.getpwnam(name).pw_uid

    def expire(owner):
        assert "error" not in call("io.subuidd.Accounts.Modify", {"owner": owner, "label": "web1", "expires": "2020-01-01"})

    def told():
        log = Path("/run/subuidd.log").read_text()
        return log.count(f"{name}: its processes end"), log.count(f"uid {uid}: its processes cannot be ended")

    with unkillable(home, owner, name):
        expire(owner)
        wait_until(lambda: told() == (1, 1), "it is named", 120)
        for _ in range(2):  # looks, as others see them
            third, other, _ = host.account(tmp_path)
            number = pwd.getpwnam(other).pw_uid
            with subprocess.Popen(["sleep", "1000"], user=number, group=number, extra_groups=[]) as process:
                expire(third)
                wait_until(lambda: process.poll() is not None, "the daemon has looked again", 120)
        assert told() == (1, 1)


def lets_in(name, key):
    """Whether sshd is given this key by what it asks, and PAM lets the account in."""
    kind, blob = Path(f"{key}.pub").read_text().split()[:2]
    asked = run("/usr/libexec/subuidd/authorized-keys", name, kind, blob, user="subuidd-keys", check=False)
    return blob in asked.stdout and run("pamtester", "sshd", name, "acct_mgmt", check=False).returncode == 0


@pytest.mark.parametrize("words", ["lock {name}", "key remove {name} {number}", "remove {name}"])
def test_nobody_comes_in_while_a_process_does_not_end(host, pair, tmp_path, words):
    """It is published before anything is waited for."""
    owner, name, _, home = pair
    key, number = tmp_path / f"{owner}-web1-push", host.subuid_json("key", "list", name)[0]["id"]
    with grace(host, 20), unkillable(home, owner, name):
        assert lets_in(name, key)  # the control
        command = subprocess.Popen(["/usr/bin/subuid", *words.format(name=name, number=number).split()], cwd="/")
        wait_until(lambda: not lets_in(name, key), "nobody comes in any more")
        assert command.poll() is None, "that process is waited for until now"
        command.wait(60)
        assert not lets_in(name, key)


def test_servers_on_one_another_are_taken_off(host, pair):
    owner, name, other, _ = pair
    view = f"/srv/subuid/{owner}/web1/view"
    with contextlib.ExitStack() as stack:
        # each is polite until the next one has been mounted on it, or nobody could
        peers = [stack.enter_context(server("stopped", view, owner))]
        for _ in range(19):
            peers[-1].send_signal(signal.SIGCONT)
            peers.append(stack.enter_context(server("stopped", view, owner)))
            peers[-2].send_signal(signal.SIGSTOP)
        assert len(mounts_of(view)) >= 20
        status, said = deed("remove", name)
        assert status == 0, said
        lock_is_quick(host, other)


def test_the_server_of_these_tests_is_one_that_is_asked_by_a_look(host, pair):
    """The control: a server that answers shows what it says of itself, so that the tests before this one ask the right one."""
    owner, name, _, home = pair
    inode = os.stat(home).st_ino
    with server("stopped", home, name) as peer:
        assert hangs(home)
        peer.send_signal(signal.SIGCONT)
        wait_until(lambda: not hangs(home), "it answers")
        assert os.stat(home).st_ino == inode
    del owner


# ---- an import that is held between its look at the owners' homes and what it makes

NUMBERS = itertools.count(2100700000, -1)  # those that nobody names go up from the highest


def begun(host, owner):
    """Whether an account of this owner was ever begun."""
    return "account.intent" in [entry["action"] for entry in host.subuid_json("audit", "--owner", owner)]


def states(host, owner):
    return [row["state"] for row in host.subuid_json("list", "--owner", owner)]


def has_looked(host, owner):
    """The daemon's child that has become this owner, has looked at their home and waits for a word."""
    uid = str(pwd.getpwnam(owner).pw_uid)
    for pid in run("pgrep", "-P", str(host.daemon.pid), "-U", uid, check=False).stdout.split():
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        if status["Uid"].split() == [uid] * 4 and status["State"].startswith("S"):
            return int(pid)
    return None


def age(pid):
    """Seconds since it began; None: it has ended."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


class HeldImport:
    """An import of web1 for each of these owners. It waits for the list of all homes, which it needs for the number that it
    names, and the child that makes that list is stopped as it begins."""

    def __init__(self, host, tmp_path, *owners):
        host.restart_daemon()  # it may have such a list
        self.said = tmp_path / "strace"
        self.tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", self.said, "-p", str(host.daemon.pid), "-P", "/srv/subuid", "-e",
             "trace=getdents64", "-e", "inject=getdents64:signal=STOP:when=1"], stderr=subprocess.DEVNULL)
        wait_until(lambda: "TracerPid:\t0" not in Path(f"/proc/{host.daemon.pid}/status").read_text(), "strace attached")
        rows = [{"owner": owner, "label": "web1"} for owner in owners]
        rows[-1]["uid"] = next(NUMBERS)
        file = tmp_path / "import.json"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.importer = subprocess.Popen(["/usr/bin/subuid", "import", file, "--keep-going"], stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, cwd="/")
        self.children = [wait_until(lambda owner=owner: has_looked(host, owner), f"the child of {owner} waits") for owner in owners]
        wait_until(self.stopped, "it has stopped")
        assert "error" not in call("io.subuidd.Accounts.Status")  # what the children have said is heard before this is answered

    def stopped(self):
        return re.findall(r"(?m)^(\d+) +--- stopped by SIGSTOP", self.said.read_text())

    def end(self):
        """The list is made, and the import goes on: its status, and what it says."""
        assert self.importer.poll() is None, "it was held until now"
        os.kill(int(self.stopped()[0]), signal.SIGCONT)
        said = self.importer.communicate(timeout=60)[0]
        return self.importer.returncode, said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.stopped():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGCONT)
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.wait(60)
        self.importer.communicate(timeout=60)


def test_children_that_wait_for_a_long_list_make_their_links(host, tmp_path):
    """It may take minutes, and none of them ends by itself before."""
    owners = [host.new_user(), host.new_user()]
    with HeldImport(host, tmp_path, *owners) as held:
        wait_until(lambda: all((age(pid) or 99) > 16 for pid in held.children), "a second more than other children have")
        assert [age(pid) is not None for pid in held.children] == [True, True], "they wait"
        status, said = held.end()
    assert status == 0, said
    for owner in owners:
        assert states(host, owner) == ["active"], (owner, said)
        assert os.path.islink(f"/home/{owner}/subuid/web1")


def test_of_an_owner_whose_child_ended_nothing_is_begun(host, tmp_path):
    """Killed while it waits: no id is used up for an account whose link nobody can make any more."""
    lost, other = host.new_user(), host.new_user()
    with HeldImport(host, tmp_path, lost, other) as held:
        os.kill(held.children[0], signal.SIGKILL)
        wait_until(lambda: age(held.children[0]) is None, "it is reaped")
        status, said = held.end()
    assert status == 1 and "failed 1" in said, said
    assert states(host, lost) == [] and not begun(host, lost)
    assert states(host, other) == ["active"] and begun(host, other)  # the control: its child lives


def stray_link(host, owner, label):
    """Of an account that has been removed; its owner has put it back."""
    link = Path(f"/home/{owner}/subuid/{label}")
    host.subuid("add", label, user=owner)
    text = os.readlink(link)
    host.subuid("remove", label, "--purge", user=owner)
    link.parent.mkdir(exist_ok=True)
    run("chown", "-h", f"{owner}:", link.parent)
    run("ln", "-s", text, link, user=owner)
    return link


def test_the_link_of_an_account_that_is_being_made_is_no_stray_one(host, tmp_path):
    """It is right already, so the account takes it up; a repair of what was a stray link before is refused meanwhile."""
    owner, other = host.new_user(), host.new_user()
    link, control = stray_link(host, owner, "web1"), stray_link(host, owner, "web2")
    with HeldImport(host, tmp_path, owner, other) as held:
        replies = [call("io.subuidd.Accounts.Repair", {"repair": "leftover", "place": "link", "owner": owner, "label": label})
                   for label in ("web1", "web2")]
        status, said = held.end()
    assert replies[0].get("error", "").endswith(".Conflict"), replies[0]
    assert link.is_symlink()
    assert "error" not in replies[1] and not control.is_symlink()  # the control: another one of theirs goes at once
    assert status == 0 and f"{owner} web1: home made; link is there already" in said, said
    assert states(host, owner) == ["active"]


# ---- the spool of runs: what an account can put there


LEASE = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""


def record_size():
    """Of a record, as account/run.h says; a file of another size is not opened."""
    found = re.search(r"FINGERPRINT_MAX (\d+)", (ROOT / "account/account.h").read_text())
    return 6 * 8 + 4 * 4 + 32 + 64 + int(found[1]) + 1 + 256


@pytest.mark.parametrize("what", ["lease", "fifo", "lock"])
def test_the_spool_waits_for_nobody(host, pair, what):
    _, name, other, _ = pair
    uid = pwd.getpwnam(name).pw_uid
    file = Path(f"/var/lib/subuidd/spool/{what}-{uid}")
    holder = locked = None
    host.stop_daemon(signal.SIGKILL)  # it would take the file away before it is held
    if what == "fifo":
        os.mkfifo(file)
    else:
        file.write_bytes(bytes(record_size()))
    os.chown(file, uid, grp.getgrnam("subuids").gr_gid)
    if what == "lease":
        holder = subprocess.Popen(["/usr/bin/python3", "-c", LEASE, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, user=uid, group=grp.getgrnam("subuids").gr_gid, extra_groups=[])
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(subprocess.TimeoutExpired):  # the control: who opens it waits
            subprocess.run(["cat", file], timeout=0.5, stdout=subprocess.DEVNULL, check=False)
    if what == "lock":
        locked = open(file, "rb")  # pylint: disable=consider-using-with
        fcntl.flock(locked, fcntl.LOCK_EX)
    try:
        host.start_daemon()  # it looks at all that lies there
        lock_is_quick(host, other)
        if what == "fifo":
            wait_until(lambda: not file.exists(), "it is taken away")
    finally:
        if holder is not None:
            holder.kill()
            holder.wait(60)
        if locked is not None:
            locked.close()
        file.unlink(missing_ok=True)
        if host.daemon is None:
            host.start_daemon()
