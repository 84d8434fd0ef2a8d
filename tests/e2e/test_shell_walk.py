# SPDX-License-Identifier: ISC
"""What a hostile sub-account with a shell finds when it looks at everything, as the scripts do that search a host for a way
up: files and their contents, what can be written, /proc and /sys, devices, sockets of services, programs with set-uid bits.
Each look has its control: the same as the same uid without the gate."""

import contextlib
import os
import pwd
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import SAMPLE, run
from test_shell_escape import inside, outside, shell  # noqa: F401: a fixture

ROOT = Path(__file__).resolve().parents[2]
MARK = " ".join(["what", "is", "somebody", "else's,", "7f1d"])  # in no file but those that are planted
PLANTED = ["/home/{owner}/public", "/srv/plain", "/mnt/plain", "/media/plain", "/var/mail/plain", "/var/spool/plain", "/var/backups/plain",
           "/var/log/plain", "/opt/plain", "/run/plain", "/tmp/plain", "/var/tmp/plain", "/dev/shm/plain", "/etc/plain.conf",
           "/var/lib/plain", "/etc/ssh/plain", "/etc/systemd/system/plain.service", "/etc/cron.d/plain"]
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")  # packages: readable by design, to be searched for writable ones
WALK = """
import stat
mark = " ".join({mark!r})  # not to be found in this script itself
def opens(path, how):
    try:
        os.close(os.open(path, how | os.O_NONBLOCK | os.O_NOCTTY))
        return True
    except OSError:
        return False
count = 0
for top, directories, files in os.walk("/"):
    if top in ("/proc", "/sys"):
        directories[:] = []
    if top.startswith({leave!r}):
        directories[:], files = [], []
    if os.access(top, os.W_OK):
        print("WRITES", top)
    for name in files:
        path = os.path.join(top, name)
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode) and not stat.S_ISBLK(mode):
            continue
        count += 1
        if opens(path, os.O_WRONLY):
            print("WRITES", path)
        if stat.S_ISREG(mode) and not top.startswith({system!r}) and os.stat(path).st_size < 1 << 20 and opens(path, os.O_RDONLY):
            if mark in open(path, errors="replace").read().replace("\\n", ""):
                print("FOUND", path)
print("WALKED", count)
"""
# the devices of a terminal are its own
OPEN_DEVICES = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts/ptmx"}


def walk_script():
    """What packages brought is left out where a part of the tests is run."""
    return WALK.format(mark=MARK.split(), leave=(str(ROOT), *(f"{top}/" for top in SYSTEM if SAMPLE)), system=SYSTEM)


def lines(result, word):
    return {line.split(" ", 1)[1] for line in result.stdout.splitlines() if line.startswith(word + " ")}


@pytest.fixture
def planted(host, shell):  # noqa: F811
    """Files that everybody may read, wherever a host has some; and one in another sub-account's home."""
    owner, name, _ = shell
    host.subuid("add", "beside", "--owner", owner, check=False)
    places = [Path(place.format(owner=owner)) for place in PLANTED] + [Path(f"/srv/subuid/{owner}/beside/home/plain")]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(MARK.replace(" ", "\n", 1).replace("\n", " ") + "\n")
        place.chmod(0o644)
    Path(f"/home/{owner}").chmod(0o755)
    yield {str(place) for place in places}
    for place in places:
        place.unlink(missing_ok=True)


KEYS = {"shell": ["--role", "shell"], "shell with a terminal": ["--role", "shell", "--tty"],
        "shell with a port": ["--role", "shell", "--net", "443"], "command": ["--role", "command", "--command", "python3 -"]}


@pytest.mark.parametrize("kind", KEYS)
def test_a_walk_finds_nothing_of_others_and_nothing_to_write(host, shell, planted, tmp_path, kind):  # noqa: F811
    owner, name, _ = shell
    label = kind.replace(" ", "")
    key = host.new_key(tmp_path, label)
    host.subuid("key", "add", name, "-", *KEYS[kind], user=owner, input=Path(f"{key}.pub").read_text())
    said = inside(host, (owner, name, key), walk_script())
    assert lines(said, "WALKED") and not lines(said, "FOUND"), said
    own = pwd.getpwnam(name).pw_dir + "/home"
    writes = {path for path in lines(said, "WRITES") if path != own and not path.startswith(own + "/")}
    assert writes <= {"/tmp", "/var/tmp", "/dev/shm", "/run/user/%d" % pwd.getpwnam(name).pw_uid} | OPEN_DEVICES, writes


def test_the_control_of_the_walk(host, shell, planted):  # noqa: F811
    """The same uid without the gate finds all that everybody may read, and places to write in."""
    said = outside(shell, walk_script())
    beside = {place for place in planted if "/beside/" in place}  # a directory of the owner's alone keeps it
    assert lines(said, "FOUND") == planted - beside, (planted - beside) ^ lines(said, "FOUND")
    assert {"/tmp", "/var/tmp", "/dev/shm"} <= lines(said, "WRITES")


KERNEL = """
for top, directories, files in os.walk("/proc"):
    if top == "/proc":
        print("PIDS", " ".join(sorted(name for name in directories if name.isdigit())))
    for name in files:
        path = os.path.join(top, name)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            continue
        os.close(fd)
        print("WRITES", path)
for top, directories, files in os.walk("/sys"):
    for name in files:
        try:
            os.close(os.open(os.path.join(top, name), os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
            print("WRITES", os.path.join(top, name))
        except OSError:
            pass
for name in ("kcore", "kmsg", "kpagecount", "kpageflags", "slabinfo", "vmallocinfo", "timer_list", "sched_debug", "keys", "iomem"):
    try:
        with open("/proc/" + name, "rb") as file:
            data = file.read(4096)
        # what is where is shown to others as zeros
        if any(part.strip("0 -") for line in data.decode(errors="replace").splitlines() for part in line.split(":")[:1]):
            print("READS", name)
    except OSError:
        pass
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if b"SECRET=" in open("/proc/" + pid + "/environ", "rb").read():
            print("ENVIRON", pid)
    except OSError:
        pass
print("CMDLINES", sum(1 for pid in os.listdir("/proc") if pid.isdigit()))
"""


def test_proc_and_sys_give_nothing(host, shell):  # noqa: F811
    """Nothing of the kernel's can be set, and of the processes its own alone are there, whatever has the same uid."""
    _, name, _ = shell
    uid = pwd.getpwnam(name).pw_uid
    other = subprocess.Popen(["sleep", "300"], user=uid, group=uid, extra_groups=[], env={"SECRET": "x"})
    try:
        said, control = inside(host, shell, KERNEL), outside(shell, KERNEL)
    finally:
        other.kill()
        other.wait()
    pids = next(iter(lines(said, "PIDS"))).split()
    assert str(other.pid) not in pids and not lines(said, "ENVIRON"), said
    strangers = [path for path in lines(said, "WRITES") if path.split("/")[2] not in (*pids, "self", "thread-self")]
    assert strangers == [] and not any(path.startswith("/sys") for path in lines(said, "WRITES")), strangers
    assert not lines(said, "READS") - {"keys"}, said
    assert str(other.pid) in lines(control, "ENVIRON"), control
    assert int(next(iter(lines(control, "CMDLINES")))) > int(next(iter(lines(said, "CMDLINES"))))


SOCKETS = ["/run/user/{uid}/bus", "/run/user/{uid}/systemd/private", "/run/user/{uid}/pipewire-0", "/run/docker.sock",
           "/run/podman/podman.sock", "/run/containerd/containerd.sock", "/run/lxd.socket", "/run/screen/S-{uid}/1.pts",
           "/tmp/tmux-{uid}/default", "/tmp/ssh-agent-{uid}/agent.1", "/tmp/.X11-unix/X0", "/run/systemd/private", "/run/dbus/plain",
           "/run/nscd/plain", "/run/systemd/journal/plain", "/run/udev/plain"]


def test_sockets_of_services_are_out_of_reach(host, shell):  # noqa: F811
    """Those of the user's own manager and bus, of agents and terminals, and of container engines that somebody left open."""
    _, name, _ = shell
    uid = pwd.getpwnam(name).pw_uid
    paths = [path.format(uid=uid) for path in SOCKETS]
    script = "".join(f"""
s = socket.socket(socket.AF_UNIX)
try:
    s.connect({path!r})
    print("REACHED", {path!r})
except OSError:
    pass
""" for path in paths)
    with contextlib.ExitStack() as stack:
        for path in map(Path, paths):
            for parent in reversed(path.parents):
                if not parent.exists():
                    parent.mkdir(mode=0o755)
            for parent in path.parents:  # the private ones of a user are theirs
                if str(uid) in parent.name:
                    os.chown(parent, uid, uid)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            stack.callback(path.unlink)
            os.chmod(path, 0o666)
            os.chown(path, uid, uid)
            listener.listen(4)
        said, control = inside(host, shell, script), outside(shell, script)
    assert "RAN" in said.stdout and not lines(said, "REACHED"), said
    assert lines(control, "REACHED") == set(paths), control


# the ways up that every Debian has, each with what it leaves on the host
WAYS = """
import subprocess
for words, text in ((["crontab", "-"], "* * * * * touch /tmp/owned\\n"), (["at", "now"], "touch /tmp/owned\\n"), (["batch"], "touch /tmp/owned\\n"),
                    (["su", "-c", "id"], "x\\n"), (["sudo", "-n", "id"], ""), (["pkexec", "id"], ""), (["newgrp", "root"], "id\\n"),
                    (["sg", "root", "id"], ""), (["chsh", "-s", "/bin/sh"], "x\\n"), (["chfn", "-r", "1"], "x\\n"), (["passwd"], "x\\nx\\nx\\n"),
                    (["mount", "-t", "tmpfs", "x", "/tmp"], ""), (["umount", "/tmp"], ""), (["fusermount3", "/tmp"], ""),
                    (["systemd-run", "--user", "id"], ""), (["loginctl", "enable-linger"], ""), (["machinectl", "shell"], ""),
                    (["newuidmap", str(os.getpid()), "0", "0", "1"], ""), (["unshare", "-Ur", "id"], ""), (["chroot", "/", "id"], ""),
                    (["nsenter", "-t", "1", "-a", "id"], ""), (["ping", "-c", "1", "127.0.0.1"], ""), (["dmesg"], "")):
    try:
        ran = subprocess.run(words, input=text, capture_output=True, text=True, timeout=10)
        print("WAY", words[0], ran.returncode, ("uid=0" in ran.stdout or "euid=0" in ran.stdout))
    except (OSError, subprocess.TimeoutExpired) as error:
        print("WAY", words[0], type(error).__name__, False)
"""


def jobs(name):
    return [path for path in (Path("/var/spool/cron/crontabs") / name, Path("/var/spool/cron/atjobs")) if path.exists()
            and (path.is_file() or list(path.glob("a*")))]


def test_the_ways_up_of_a_stock_debian_lead_nowhere(host, shell):  # noqa: F811
    _, name, _ = shell
    before = {path: Path(path).read_bytes() for path in ("/etc/passwd", "/etc/group", "/etc/shadow")}
    said = inside(host, shell, WAYS)
    ways = [line.split() for line in lines(said, "WAY")]
    assert len(ways) == 23 and [way for way in ways if way[2] == "True"] == [], ways
    assert not [way for way in ways if way[1] == "0" and way[0] not in ("id",)], ways
    assert jobs(name) == [] and not Path("/var/lib/systemd/linger", name).exists()
    assert before == {path: Path(path).read_bytes() for path in before}
    # the control: crontab(1) has the bit of a group, and works for the same uid outside
    outside(shell, 'import subprocess\nsubprocess.run(["crontab", "-"], input="# x\\n", text=True)')
    assert jobs(name) != []
    run("crontab", "-u", name, "-r")


def test_every_program_with_a_set_id_bit_stays_what_the_session_is(host, shell):  # noqa: F811
    """Whatever the host has of them: each begins as the account, without a way to more."""
    script = """
import stat, subprocess
for top, directories, files in os.walk("/"):
    if top in ("/proc", "/sys"):
        directories[:] = []
    for name in files:
        path = os.path.join(top, name)
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o6000 and os.access(path, os.X_OK):
            program = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                status = open(f"/proc/{program.pid}/status").read()
            except OSError:
                status = ""
            program.kill()
            program.wait()
            said = {line.split(":")[0]: line.split()[1:] for line in status.splitlines()}
            if said and (len(set(said["Uid"])) > 1 or len(set(said["Gid"])) > 1 or int(said["CapEff"][0], 16)):
                print("HIGHER", path, said["Uid"], said["Gid"])
            print("TRIED", path)
"""
    said, control = inside(host, shell, script), outside(shell, script)
    assert len(lines(said, "TRIED")) > 5 and not lines(said, "HIGHER"), said
    assert len(lines(control, "HIGHER")) > 5 or "Permission" in control.stderr, control


def test_what_runs_from_memory_is_confined_as_well(host, shell):  # noqa: F811
    script = """
fd = os.memfd_create("x", 0)
os.write(fd, open("/bin/cat", "rb").read())
child = os.fork()
if child == 0:
    os.execve(fd, ["cat", "/proc/self/status"], {})
os.waitpid(child, 0)
"""
    said, control = inside(host, shell, script).stdout, outside(shell, script).stdout
    assert "NoNewPrivs:\t0" in control and "Seccomp:\t0" in control, control
    assert "RAN" in said and "NoNewPrivs:\t0" not in said and "Seccomp:\t0" not in said, said
