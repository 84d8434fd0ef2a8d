# SPDX-License-Identifier: ISC
"""A home, the gate in front of it, and what a server sends there: for all tests of the gate."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SUBUIDD_BUILD", ROOT / "build/bin"))
UID = 2100009999


# The login shell's part in counting files: takes rsync's log from the gate and keeps it whole.
WATCH = """
import fcntl, os, socket, subprocess, sys, time
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
ours, theirs = (socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)) for end in pair)
for end in pair:
    end.close()
os.dup2(theirs.fileno(), 3)
gate = subprocess.Popen(sys.argv[2:], pass_fds=(3,), close_fds=True)
os.close(3); theirs.close()
log = b""
fds = socket.recv_fds(ours, 1, 1)[1]
if not fds:
    os.path.exists(sys.argv[1]) and os.unlink(sys.argv[1])
    sys.exit(gate.wait())
fd = fds[0]
ours.send(b"x")
while gate.poll() is None:
    try:
        log += os.read(fd, 65536)
    except BlockingIOError:
        time.sleep(0.001)
try:
    while more := os.read(fd, 65536):
        log += more
except BlockingIOError:
    pass
open(sys.argv[1], "wb").write(log)
sys.exit(gate.returncode)
"""


class Gate:
    """A home of a sub-account, a source tree of "the server", and the gate between them."""

    def __init__(self, base):
        self.base = base
        base.chmod(0o755)
        self.gate = base / "subuid-rrsync"
        shutil.copy(BUILD / "subuid-rrsync", self.gate)  # the checkout may lie where only root can look
        self.home = base / "home"
        self.home.mkdir(mode=0o700)
        self.outside = base / "outside"
        self.outside.mkdir(mode=0o755)
        self.src = base / "src"
        self.src.mkdir()
        for path in (self.home, self.outside):
            os.chown(path, UID, UID)
        self.options = ["-fake-super"]
        self.watched = False

    def server(self, gated=True):
        path = self.base / ("server" if gated else "server-without-gate")
        lower = f"setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all"
        if gated:
            report = "-report " if self.watched else ""
            run = f"exec {self.watch()}{lower} {self.gate} {report}{' '.join(self.options)} {self.home}"
        else:
            run = f'cd {self.home} && exec {lower} sh -c "$SSH_ORIGINAL_COMMAND"'
        path.write_text(f'#!/bin/sh\nshift\nexport SSH_ORIGINAL_COMMAND="$*"\n{run}\n')
        path.chmod(0o755)
        return path

    def watch(self):
        if not self.watched:
            return ""
        (self.base / "watch.py").write_text(WATCH)
        return f"/usr/bin/python3 {self.base}/watch.py {self.base}/log "

    def rsync(self, *words, gated=True, check=True, timeout=120):
        result = subprocess.run(
            ["rsync", "-e", self.server(gated), *map(str, words)], capture_output=True, timeout=timeout
        )
        result.text = (result.stdout + result.stderr).decode(errors="surrogateescape")
        if check:
            assert result.returncode == 0, result.text
        return result

    def command(self, command, *options):
        """The gate with an original command of one's own; nobody speaks the protocol."""
        env = {} if command is None else {"SSH_ORIGINAL_COMMAND": command}
        return subprocess.run(
            [self.gate, *(options or self.options), self.home], env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, user=UID, group=UID, extra_groups=[], cwd="/", timeout=60,
        )

    def own(self, path, text="", mode=0o644):
        """A file of the account's own."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for p in (path, *path.parents):
            if p in (self.home, self.outside):
                break
            os.chown(p, UID, UID)
        return path


@pytest.fixture
def gate(tmp_path):
    base = tmp_path
    if os.environ.get("SUBUIDD_THROWAWAY") == "1":  # a real file system, not the overlay
        base = Path("/srv") / tmp_path.name
        base.mkdir()
    yield Gate(base)
    if base != tmp_path:
        shutil.rmtree(base)
    else:
        for path in base.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def fill(src):
    """Everything that a file can be."""
    (src / "plain").write_text("plain\n")
    (src / "secret").write_text("0600\n")
    (src / "secret").chmod(0o600)
    (src / "setuid").write_text("#!/bin/sh\n")
    os.chown(src / "setuid", 0, 4)
    (src / "setuid").chmod(0o6755)
    (src / "dir").mkdir(mode=0o2770)
    (src / "dir").chmod(0o2770)
    os.chown(src / "dir", 1234, 5678)
    for name in ("with space", "quote'\"", "back\\slash", "new\nline", "star*", "-dash", "ünï", "$HOME", "tab\t", "[a]"):
        (src / "dir" / name).write_text(name)
    os.chown(src / "dir" / "star*", 33, 33)
    os.link(src / "plain", src / "hard")
    os.symlink("plain", src / "sym")
    os.symlink("/etc/passwd", src / "way-out")
    os.mkfifo(src / "fifo", 0o640)
    os.mknod(src / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.setxattr(src / "plain", "user.test", b"value\0x")
    with open(src / "sparse", "wb") as f:
        f.seek(8 << 20)
        f.write(b"end")
    subprocess.run(["setfacl", "-m", "u:1234:r--,g:33:rwx", src / "secret"], check=True)
    for path in sorted(src.rglob("*"), reverse=True):
        os.utime(path, ns=(10**18, 10**18 + 123456789), follow_symlinks=False)


def describe(top):
    """Each path with all that a restore has to bring back."""
    found, links = {}, {}
    for path in sorted(top.rglob("*")):
        st = path.lstat()
        what = [stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
        if stat.S_ISREG(st.st_mode):
            what += [path.read_bytes(), links.setdefault(st.st_ino, str(path.relative_to(top)))]
        elif stat.S_ISLNK(st.st_mode):
            what += [os.readlink(path)]
        elif not stat.S_ISDIR(st.st_mode):
            what += [st.st_rdev]
        if not stat.S_ISLNK(st.st_mode):
            what += [{n: os.getxattr(path, n) for n in os.listxattr(path)}]
        found[str(path.relative_to(top))] = what
    return found
