# SPDX-License-Identifier: ISC
"""The gate with the real rsync, without sshd: `-e` runs a script that does what sshd does,
join the words into SSH_ORIGINAL_COMMAND and start the gate as the account.

Each attack has a control: the same attack without the gate, seen to work.
"""

import os
import re
import shutil
import stat
import subprocess
import time

import pytest

from gate_fixture import ROOT, UID, Gate, describe, fill, gate  # noqa: F401

FULL = ["-aHAXS", "--numeric-ids"]


# ---- what a well-meaning client does ---------------------------------------------------


@pytest.mark.parametrize("style", [[], ["--old-args"]], ids=["new-args", "old-args"])
def test_restore_brings_back_everything(gate, style):
    fill(gate.src)
    gate.rsync(*FULL, *style, "--delete", f"{gate.src}/", "host:")
    for path in gate.home.rglob("*"):  # on disk: nothing that could hurt
        st = path.lstat()
        assert st.st_uid == UID and not st.st_mode & 0o6000
        assert stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode) or stat.S_ISLNK(st.st_mode)
    back = gate.base / "back"
    gate.rsync(*FULL, *style, "host:/", f"{back}/")
    assert describe(back) == describe(gate.src)
    assert (back / "sparse").stat().st_blocks * 512 < 1 << 20
    again = gate.rsync(*FULL, *style, "-i", "--delete", f"{gate.src}/", "host:")
    assert again.stdout == b""  # the second push finds nothing to do


@pytest.mark.parametrize("options", [
    ["--partial"], ["--inplace"], ["--bwlimit=50000"], ["--partial-dir=.part"], ["-z"], ["--checksum"],
    ["--delay-updates"], ["--append-verify"], ["--compress-choice=zstd"], ["--preallocate"], ["--whole-file"],
    ["--backup", "--backup-dir=/old"], ["--temp-dir=/tmp-here"], ["--iconv=UTF-8,ISO-8859-1"], ["-y"], ["-vvi"],
    ["--timeout=20"], ["--chmod=go-w"], ["--mkpath"], ["--usermap=0:1"], ["--stats", "--human-readable"],
    ["--log-file-format=%i", "--out-format=%n"], ["--modify-window=1"], ["-@-1"], ["-B", "1024"], ["--protocol=29"],
    ["--protocol=30"], ["--max-size=1g", "--min-size=0"], ["--exclude=plain", "--filter=dir-merge .rules"],
], ids=" ".join)
def test_options_of_everyday_use(gate, options):
    (gate.src / "plain").write_text("x" * 5000)
    (gate.src / "other").write_text("y" * 5000)
    gate.own(gate.home / "tmp-here" / "x")
    gate.rsync("-a", f"{gate.src}/", "host:there")
    (gate.src / "other").write_text("z" * 6000)
    gate.rsync("-a", *options, f"{gate.src}/", "host:there")
    if "ISO-8859-1" not in options[0]:
        assert (gate.home / "there/other").read_text() == "z" * 6000
    back = gate.base / "back"
    local = ("--backup", "--temp-dir")  # on a pull these are the client's own directories
    gate.rsync("-a", *[o for o in options if not o.startswith(local)], "host:there/", f"{back}/")
    assert (back / "other").read_text() == "z" * 6000


def test_push_onto_an_existing_file_name(gate):
    one = gate.src / "one"
    for text in ("first", "second, longer"):
        one.write_text(text)
        gate.rsync("-a", one, "host:dir/name", "--mkpath")
        assert (gate.home / "dir/name").read_text() == text


@pytest.mark.parametrize("name", ["with space", "quote'\"", "star*", "-dash", "$HOME", "[a]", "a;b", "tab\t", "back\\slash"])
def test_names_arrive_as_they_are(gate, name):
    (gate.src / name).write_text("x")
    gate.rsync("-a", f"{gate.src}/{name}", f"host:{name}")
    assert [p.name for p in gate.home.iterdir()] == [name]
    gate.rsync("-a", f"host:{name}", f"{gate.base}/back/")
    assert (gate.base / "back" / name).read_text() == "x"


def test_link_dest_next_to_the_destination(gate):
    (gate.src / "f").write_text("same")
    gate.rsync("-a", f"{gate.src}/", "host:monday")
    for day, basis in (("tuesday", "../monday"), ("wednesday", "/tuesday"), ("a/b/c", "../../../wednesday")):
        gate.rsync("-a", "--mkpath", f"--link-dest={basis}", f"{gate.src}/", f"host:{day}")
    assert (gate.home / "monday/f").stat().st_nlink == 4
    os.symlink("a/b", gate.home / "link")
    os.lchown(gate.home / "link", UID, UID)  # a root's link would be nobody's in the user namespace
    gate.rsync("-a", "--link-dest=../c", f"{gate.src}/", "host:link/d")
    assert (gate.home / "a/b/d/f").stat().st_nlink == 5


@pytest.mark.parametrize("kind", ["link", "copy", "compare"])
@pytest.mark.parametrize("path", ["../..", "../../etc", "/../etc", "x/../../../y"])
def test_basis_above_the_directory_is_refused(gate, kind, path):
    (gate.src / "f").write_text("x")
    result = gate.rsync("-a", f"--{kind}-dest={path}", f"{gate.src}/", "host:new", check=False)
    assert result.returncode != 0 and "leads out of the directory" in result.text


def test_files_from_both_sides(gate):
    for name in ("a", "b", "c d"):
        (gate.src / name).write_text(name)
    names = gate.base / "list"
    names.write_text("a\nc d\n")
    gate.rsync("-a", f"--files-from={names}", f"{gate.src}/", "host:")
    assert sorted(p.name for p in gate.home.iterdir()) == ["a", "c d"]
    gate.rsync("-a", f"--files-from={names}", "host:", f"{gate.base}/back/")
    assert sorted(p.name for p in (gate.base / "back").iterdir()) == ["a", "c d"]
    gate.own(gate.home / "names", "a\n")
    gate.rsync("-a", "--files-from=:names", "host:", f"{gate.base}/back2/")
    assert [p.name for p in (gate.base / "back2").iterdir()] == ["a"]


def test_wildcards_of_a_pull(gate):
    for name in ("a.txt", "b.txt", "c.log", ".hidden"):
        gate.own(gate.home / name, name)
    gate.rsync("-a", "host:*.txt", f"{gate.base}/back/")
    assert sorted(p.name for p in (gate.base / "back").iterdir()) == ["a.txt", "b.txt"]
    gate.rsync("-a", "host:.*", f"{gate.base}/back2/")  # not "..", not all of "."
    assert [p.name for p in (gate.base / "back2").iterdir()] == [".hidden"]


def test_connectivity_check(gate):
    assert gate.command("true").returncode == 0


def test_without_fake_super_nothing_dangerous_and_no_error(gate):
    fill(gate.src)
    gate.options = ["-wo"]
    gate.rsync("-rlptD", f"{gate.src}/", "host:")
    assert not [p for p in gate.home.rglob("*") if p.lstat().st_mode & 0o6000]
    assert not (gate.home / "fifo").exists() and (gate.home / "dir/ünï").exists()


def test_one_writer_at_a_time(gate):
    (gate.src / "f").write_bytes(os.urandom(1 << 20))
    slow = subprocess.Popen(["rsync", "-a", "--bwlimit=200", "-e", gate.server(), f"{gate.src}/", "host:"])
    end = time.monotonic() + 60
    while not list(gate.home.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.01)
    result = gate.rsync("-a", f"{gate.src}/", "host:", check=False)
    gate.rsync("-a", "host:", f"{gate.base}/back/")  # reading goes on
    gate.options = ["-no-lock"]
    gate.rsync("-a", f"{gate.src}/", "host:elsewhere")
    gate.options = []
    slow.terminate()
    slow.wait(60)
    assert result.returncode != 0 and re.search(r"busy: another run is writing there \(process \d+, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)", result.text)
    end = time.monotonic() + 60
    while gate.rsync("-a", f"{gate.src}/", "host:", check=False).returncode != 0:
        assert time.monotonic() < end, "the lock did not end with its holder"


# ---- policy ------------------------------------------------------------------------------


def test_read_only_and_write_only(gate):
    (gate.src / "f").write_text("x")
    gate.options = ["-ro"]
    result = gate.rsync("-a", f"{gate.src}/", "host:", check=False)
    assert result.returncode != 0 and "writing: not allowed" in result.text and not list(gate.home.iterdir())
    gate.options = ["-wo"]
    gate.rsync("-a", f"{gate.src}/", "host:")
    result = gate.rsync("-a", "host:", f"{gate.base}/back/", check=False)
    assert result.returncode != 0 and "reading: not allowed" in result.text
    result = gate.rsync("-a", "--files-from=:f", f"{gate.src}/", "host:", check=False)
    assert result.returncode != 0 and "reading is not allowed" in result.text


def test_read_only_key_removes_no_source(gate):
    gate.own(gate.home / "f", "x")
    gate.options = ["-ro"]
    result = gate.rsync("-a", "--remove-source-files", "host:", f"{gate.base}/back/", check=False)
    assert result.returncode != 0 and "deleting is not allowed" in result.text
    assert (gate.home / "f").exists()


def test_no_delete(gate):
    gate.own(gate.home / "old", "x")
    (gate.src / "new").write_text("x")
    gate.options = ["-no-del"]
    for option in ("--delete", "--delete-after", "--delete-excluded", "--delete-missing-args", "--force"):
        result = gate.rsync("-r", option, f"{gate.src}/", "host:", check=False)
        assert result.returncode != 0 and "deleting is not allowed" in result.text, option
    gate.rsync("-a", f"{gate.src}/", "host:")
    assert (gate.home / "old").exists() and (gate.home / "new").exists()
    gate.options = []
    gate.rsync("-a", "--delete", f"{gate.src}/", "host:")  # control
    assert not (gate.home / "old").exists()


def test_no_overwrite(gate):
    gate.own(gate.home / "f", "old")
    (gate.src / "f").write_text("newer")
    (gate.src / "g").write_text("g")
    gate.options = ["-no-overwrite"]
    gate.rsync("-a", "--inplace", "--ignore-times", f"{gate.src}/", "host:")
    assert (gate.home / "f").read_text() == "old" and (gate.home / "g").exists()
    for option in ("--backup", "--backup-dir=x", "--partial-dir=x", "--delay-updates"):
        result = gate.rsync("-a", option, f"{gate.src}/", "host:", check=False)
        assert result.returncode != 0 and "replace existing files" in result.text, option
    gate.options = []
    gate.rsync("-a", f"{gate.src}/", "host:")  # control
    assert (gate.home / "f").read_text() == "newer"


REFUSED = {
    "ls": "runs rsync only",
    "": "runs rsync only",
    "sh -c 'rsync --server . x'": "runs rsync only",
    "rsync --daemon": "only as the server",
    "rsync -a /etc x": "only as the server",
    "rsync --server --daemon .": "not a daemon",
    "rsync --server -vlogDtprs . x": "option -s has been disabled",
    "rsync --server -se.LsfxC": "arguments inside the protocol: not those of an rsync client",
    "rsync --server --sender -logDtprLe.iLsfxC . x": "links are not followed",
    "rsync --server --sender -logDtpr --copy-unsafe-links . x": "links are not followed",
    "rsync --server -logDtprKe.iLsfxC . x": "links are not followed",
    "rsync --server -r --sender . x": "unknown option",
    "rsync --server -r --rsh=sh . x": "unknown option",
    "rsync --server -re sh . x": "unknown option",
    "rsync --server -r --log-file=../x . x": "do not use ..",
    "rsync --server -r --temp-dir ../x . x": "do not use ..",
    "rsync --server -r --partial-dir=../x . x": "do not use ..",
    "rsync --server -r --backup-dir=a/../../x . x": "do not use ..",
    "rsync --server --sender -r --files-from=../x . x": "do not use ..",
    "rsync --server -r . ../x": "do not use ..",
    "rsync --server -r . a/../../x": "do not use ..",
    "rsync --server --sender -r . x y/..": "do not use ..",
    "rsync --server -r . a b": "one destination only",
    "rsync --server -r --write-devices . x": "devices",
    "rsync --server --sender -r --copy-devices . x": "devices",
    "rsync --server -r --debug=deltasum3 . x": "more of the files",
    "rsync --server -r --no-munge-links . x": "munged",
    "rsync --server -r --insecure-links . x": "unknown option",
    "rsync --server -r --confine-root=/ . x": "unknown option",
    "rsync --server -r --copy-as=root . x": "unknown option",
    "rsync --server -r --delete=1 . x": "takes no value",
    "rsync --server -r --temp-dir": "needs a value",
    "rsync --server -r x": "not an option",
    "rsync --server -r": 'no "."',
    "rsync --server -r . 'x": "quote is not closed",
    "rsync --server -r . x\\": "quote is not closed",
}


@pytest.mark.parametrize("command", REFUSED)
def test_refusal_says_what_and_why(gate, command):
    result = gate.command(command)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith("subuid-rrsync: ") and result.stderr.count("\n") == 1
    assert REFUSED[command] in result.stderr


def test_control_bytes_of_the_client_are_escaped(gate):
    result = gate.command("rsync --server -r --\033[31m\nx . x")
    assert result.returncode == 1 and "\033" not in result.stderr and "\\x1b" in result.stderr


def test_its_own_command_line(gate):
    assert gate.command(None).returncode == 1
    assert gate.command("true", "-ro", "-wo").returncode == 2
    assert gate.command("true", "-no-such").returncode == 2
    missing = subprocess.run([gate.gate, gate.base / "missing"], env={"SSH_ORIGINAL_COMMAND": "rsync --server . x"},
                             capture_output=True, text=True)
    assert missing.returncode == 1 and "No such file" in missing.stderr


# ---- attacks, each with its control --------------------------------------------------------


def test_pull_through_a_link(gate):
    gate.own(gate.outside / "canary", "secret")
    os.symlink(gate.outside, gate.home / "link")
    os.symlink(gate.outside / "canary", gate.home / "file")
    for source in ("link/", "link/canary", "link/.", "link//canary"):
        control = gate.base / "control"
        gate.rsync("-r", f"host:{source}", f"{control}/", gated=False)
        assert (control / "canary").read_text() == "secret", source
        shutil.rmtree(control)
        result = gate.rsync("-r", f"host:{source}", f"{gate.base}/back/", check=False)
        assert result.returncode != 0 and "leads out" in result.text, source
    gate.rsync("-rL", "host:file", f"{gate.base}/control/", gated=False)
    assert (gate.base / "control/file").read_text() == "secret"
    assert gate.rsync("-rL", "host:file", f"{gate.base}/back/", check=False).returncode != 0
    assert not list(gate.base.glob("back/*"))


def test_push_through_a_link(gate):
    (gate.src / "f").write_text("x")
    os.symlink(gate.outside, gate.home / "link")
    os.lchown(gate.home / "link", UID, UID)
    for destination in ("link", "link/", "link/new"):
        gate.rsync("-r", f"{gate.src}/", f"host:{destination}", gated=False)
        assert (gate.outside / ("new/f" if "new" in destination else "f")).exists()
        for path in gate.outside.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        result = gate.rsync("-r", f"{gate.src}/", f"host:{destination}", check=False)
        assert result.returncode != 0 and not list(gate.outside.iterdir())


def test_link_that_the_push_itself_brings(gate):
    """First run plants a link, the second goes through it by each option that names a directory."""
    gate.own(gate.outside / "f", "secret")
    (gate.src / "f").write_text("other")
    os.symlink(gate.outside, gate.home / "way")
    os.lchown(gate.home / "way", UID, UID)
    before = describe(gate.outside)
    for option in ("--backup-dir=way", "--temp-dir=/way", "--partial-dir=/way", "--log-file=/way/log",
                   "--compare-dest=/way", "--link-dest=/way", "--copy-dest=way"):
        words = ["-ab", "-M" + option] if "log-file" in option else ["-ab", option]
        result = gate.rsync(*words, f"{gate.src}/", "host:", check=False)
        assert result.returncode != 0 and "leads out" in result.text, option
    assert describe(gate.outside) == before
    gate.rsync("-a", "-M--log-file=way/log", f"{gate.src}/", "host:new", gated=False)
    assert (gate.outside / "log").exists()


def test_sizes_of_files_outside_by_compare_dest(gate):
    gate.own(gate.outside / "f", "12345")
    (gate.src / "f").write_text("54321")
    control = gate.rsync("-rni", "--size-only", f"--compare-dest={gate.outside}", f"{gate.src}/", "host:", gated=False)
    assert b"f+++" not in control.stdout  # "there already": the size was told
    result = gate.rsync("-rni", "--size-only", f"--compare-dest={gate.outside}", f"{gate.src}/", "host:")
    assert b"f+++" in result.stdout  # DIR/…/outside, which is not there


def test_setuid_file_is_not_made(gate):
    (gate.src / "f").write_text("x")
    (gate.src / "f").chmod(0o6755)
    gate.rsync("-rp", f"{gate.src}/", "host:", gated=False)
    assert (gate.home / "f").stat().st_mode & 0o6000
    (gate.home / "f").unlink()
    for options in (["-fake-super"], []):
        gate.options = options
        gate.rsync("-rp", f"{gate.src}/", "host:")
        assert not (gate.home / "f").stat().st_mode & 0o6000
        (gate.home / "f").unlink()


FLIPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = (os.fsencode(p) for p in sys.argv[1:])
while True:
    libc.renameat2(-100, a, -100, b, 2)
"""


def race(gate, gated, seconds):
    """Pushes into a directory that somebody of the same uid flips to a link out; files that arrived outside."""
    real, link = gate.home / "d", gate.home / "l"
    for path in (real, link):
        subprocess.run(["rm", "-rf", path], check=True)
    real.mkdir()
    os.chown(real, UID, UID)
    os.symlink(gate.outside, link)
    os.lchown(link, UID, UID)
    flipper = subprocess.Popen(["/usr/bin/python3", "-c", FLIPPER, real, link], user=UID, group=UID, extra_groups=[])
    landed, runs, end = 0, 0, time.monotonic() + seconds
    try:
        while (time.monotonic() < end or gated and runs <= 5) and (gated or not landed):
            gate.rsync("-a", "--delete", f"{gate.src}/", "host:d/", gated=gated, check=False)
            landed += len([p for p in gate.outside.rglob("*")])
            runs += 1
    finally:
        flipper.kill()
        flipper.wait()
    return landed, runs


def test_race_with_a_flipped_directory(gate):
    for i in range(20):
        (gate.src / f"f{i}").write_text(str(i))
    landed, runs = race(gate, True, 4)
    assert landed == 0 and runs > 5
    landed, _ = race(gate, False, 60)
    assert landed > 0, "the control did not leak: the race harness is broken"


# ---- an rsync that has been taken over -------------------------------------------------------

# What the confinement lets through on purpose: a socket pair, and in DIR what a receiver does for a living.
EVIL_ALLOWED = {"write-inside", "socketpair-unix", "chmod-inside", "chown-inside", "utime-inside", "setxattr-inside",
                "removexattr-inside", "flush-inside", "rename-inside", "link-inside", "mkdir-inside", "symlink-inside",
                "unlink-inside"}
# Where the host gives no private root: questions about files, and metadata of a file outside that the same uid owns
# (a sub-account owns none).
EVIL_SHARED_ROOT = {"stat-outside", "stat-own-outside", "statfs-outside", "readlink-outside", "chdir-outside", "opath-outside",
                    "chmod-own-outside", "chown-own-outside", "utime-own-outside", "setxattr-own-outside",
                    "removexattr-own-outside", "stat-above-descriptor", "stat-proc"}
# Old kernels, kernels built without it, kernels told so by the administrator. There the lines of these cannot fail;
# tests/unit/test_confine.c has each with arguments that tell the kernel's answer from the filter's.
KERNEL_REFUSES_ANYHOW = {"mknod-char", "int80", "x32", "fchmodat2-setuid", "bpf", "userfaultfd", "io_uring",
                         "keyctl", "tiocsti", "inet6"}


def evil(gate, gated, command="rsync --server -r . x"):
    for name in ("canary", "shrink", "moved", "gone"):
        gate.own(gate.outside / name, "text")
    for path in (gate.own(gate.home / "kept", "text"), gate.outside / "canary"):
        os.setxattr(path, "user.mark", b"x")
    victim = subprocess.Popen(["sleep", "1000"], user=UID, group=UID)
    program = gate.base / "evil"
    subprocess.run(["cc", "-O1", f'-DOUTSIDE="{gate.outside}"', f'-DINSIDE="{gate.home}"', f'-DVICTIM="{victim.pid}"', "-o", program,
                    ROOT / "tests/e2e/evil_rsync.c"], check=True)
    report = "-report " if gate.watched else ""
    what = f"{gate.gate} {report}{' '.join(gate.options)} {gate.home}" if gated else "rsync"
    listener = subprocess.Popen(
        ["/usr/bin/python3", "-c", "import socket, sys, time\n"
         "for name in (sys.argv[1], chr(0) + sys.argv[1]):\n"
         "    s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(9); globals()['k' + str(len(name))] = s\n"
         "print(flush=True); time.sleep(1000)", gate.outside / "socket"], stdout=subprocess.PIPE, user=UID, group=UID)
    listener.stdout.readline()
    try:
        result = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c",
             f"mount --bind {program} /usr/bin/rsync && cd {gate.home} && "
             f"exec {gate.watch()}setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all {what} 9</etc/passwd" + ("" if gated else " 3<.")],
            env={"SSH_ORIGINAL_COMMAND": command, "RSYNC_PARTIAL_DIR": "x", "PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    finally:
        for process in (victim, listener):
            process.kill()
            process.wait()
    lines = result.stdout.splitlines()
    tries = dict(re.fullmatch(r"(\S+) (ALLOWED|DENIED).*", line).groups() for line in lines
                 if not line.startswith(("fd ", "env ")))
    assert len(tries) > 80, result.stdout + result.stderr
    return tries, [line for line in lines if line.startswith(("fd ", "env "))]


# With -fake-super, as keys of sub-accounts have it, there is an /etc/passwd: the backup's, or an empty one (test_gate_names.py).
NAMES = {"read-etc-passwd", "stat-outside"}
PUSHES, PULLS = "rsync --server -r . x", "rsync --server --sender -r . ."


# What each role's login shell gives the gate; `blind` and `pull` may come to allow less.
@pytest.mark.parametrize("role, command", [("-wo", PUSHES), ("-blind", PUSHES), ("-ro", PULLS), ("", PUSHES), ("", PULLS)],
                         ids=["push", "blind", "pull", "sync-pushes", "sync-pulls"])
def test_rsync_taken_over_gets_nowhere(gate, role, command):
    gate.options += [role]
    tries, inherited = evil(gate, True, command)
    allowed = {name for name, answer in tries.items() if answer == "ALLOWED"}
    if command == PULLS:  # there is an /etc/passwd, the backup's
        assert "socketpair-unix" in allowed and allowed <= EVIL_ALLOWED | NAMES
    else:
        assert "write-inside" in allowed and allowed <= EVIL_ALLOWED
    # a push that nothing but the gate restricts does in DIR what a receiver does for a living
    assert allowed == EVIL_ALLOWED or role != "-wo"
    # three of the client's, and of who writes the directory itself, which carries the lock: 3, or 4 where somebody listens to syslog
    descriptors = [line for line in inherited if line.startswith("fd")]
    assert descriptors[:3] == ["fd 0", "fd 1", "fd 2"] and len(descriptors) == 3 + (command == PUSHES), descriptors
    assert sorted(line for line in inherited if line.startswith("env")) == [
        "env HOME=/nonexistent", "env LANG=C.UTF-8", "env PATH=/usr/bin:/bin"]
    assert sorted(p.name for p in gate.outside.iterdir()) == ["canary", "gone", "moved", "shrink", "socket"]
    assert all((gate.outside / name).read_text() == "text" for name in ("canary", "gone", "moved", "shrink"))
    assert os.getxattr(gate.outside / "canary", "user.mark") == b"x"


def test_rsync_taken_over_in_the_host_s_own_root(gate):
    """Landlock and the filter alone: the difference is what the private root is for."""
    gate.options += ["-no-private"]
    tries, _ = evil(gate, True)
    assert {name for name, answer in tries.items() if answer == "ALLOWED"} == EVIL_ALLOWED | EVIL_SHARED_ROOT


@pytest.mark.parametrize("private", [[], ["-private"], ["-fake-super"]], ids=" ".join)
def test_rsync_taken_over_changes_nothing_with_a_read_only_key(gate, private):
    gate.options = ["-ro", *private]
    kept = gate.own(gate.home / "kept", "text")
    before = describe(gate.home)["kept"]
    tries, _ = evil(gate, True, "rsync --server --sender -r . .")
    without_lock = EVIL_SHARED_ROOT - {"stat-above-descriptor"}  # it inherits no directory
    changes = {name for name in EVIL_SHARED_ROOT if not name.startswith(("stat", "readlink", "chdir", "opath"))}
    allowed = {"socketpair-unix"} | (NAMES if "-fake-super" in private else set() if private else without_lock - changes)
    assert {name for name, answer in tries.items() if answer == "ALLOWED"} == allowed
    os.removexattr(kept, "user.mark")
    os.utime(kept, ns=(before[4], before[4]))
    assert describe(gate.home) == {"kept": before}


def test_rsync_taken_over_without_the_gate(gate):
    """The control: without it nearly all of that works, so the tries are real ones."""
    tries, inherited = evil(gate, False)
    denied = {name for name, answer in tries.items() if answer == "DENIED"}
    denied.discard("write-log")  # it is the gate's
    assert denied <= KERNEL_REFUSES_ANYHOW, denied - KERNEL_REFUSES_ANYHOW
    elsewhere = set(re.findall(r'^\t\{ "([^"]+)", ', (ROOT / "tests/unit/test_confine.c").read_text(), re.M))
    assert KERNEL_REFUSES_ANYHOW == elsewhere
    assert "fd 9" in inherited and "env RSYNC_PARTIAL_DIR=x" in inherited


def test_rsync_taken_over_with_a_log_of_its_files(gate):
    """The log of the count of files is one thing more that it can write to: a fifo, and nothing besides."""
    gate.watched = True
    tries, inherited = evil(gate, True)
    assert {name for name, answer in tries.items() if answer == "ALLOWED"} == EVIL_ALLOWED | {"write-log"}
    assert len([line for line in inherited if line.startswith("fd")]) == 4
    assert b"evil" in (gate.base / "log").read_bytes()


SHOWN = re.compile(r"^(sent|total size|File list|Total bytes).*$", re.M)


def count(gate):
    return len(re.findall(rb"(?m)^\S+ \S+ \[\d+\] f$", (gate.base / "log").read_bytes()))


@pytest.mark.parametrize("options", [["-fake-super"], []], ids=["fake-super", ""])
def test_a_client_does_not_see_that_his_files_are_counted(gate, options):
    """Push, nothing new, deletion, dry run, pull: what rsync says is the same with the log and without."""
    gate.options = options
    fill(gate.src)
    for path in ("fifo", "null", "setuid"):
        (gate.src / path).unlink()
    steps = [("-aHXvii", "--stats"), ("-aHXvii", "--stats"), ("-anvi", "--delete", "--ignore-times"),
             ("-avvi", "--delete", "--ignore-times"), ("-rvvvc",)]
    said = {}
    for gate.watched in (False, True):
        target = f"host:tree{int(gate.watched)}"
        results = [gate.rsync(*words, f"{gate.src}/", target) for words in steps]
        results.append(gate.rsync("-avi", f"{target}/", f"{gate.base}/back/"))
        said[gate.watched] = [SHOWN.sub("", result.text).replace("tree1", "tree0") for result in results]
        shutil.rmtree(gate.base / "back")
    # -vvv names pids and the log itself
    assert said[True][:4] == said[False][:4] and said[True][5] == said[False][5]


def test_files_are_counted(gate):
    gate.watched = True
    fill(gate.src)
    files = sum(path.is_file() and not path.is_symlink() for path in gate.src.rglob("*"))
    gate.rsync("-a", f"{gate.src}/", "host:tree")
    assert count(gate) == files
    gate.rsync("-a", f"{gate.src}/", "host:tree")
    assert count(gate) == 0 and (gate.base / "log").read_bytes()
    gate.rsync("-an", "--ignore-times", f"{gate.src}/", "host:tree")
    assert count(gate) == 0
    (gate.src / "dir" / "x] f").write_text("a name like a line of the log")
    gate.rsync("-a", f"{gate.src}/", "host:tree")
    assert count(gate) == 1
    (gate.src / "dir" / "x] f").unlink()
    gate.rsync("-a", "--delete", f"{gate.src}/", "host:tree")
    assert count(gate) == 0 and b"x] f" in (gate.base / "log").read_bytes()
    gate.rsync("-a", "--fake-super", "host:tree/", f"{gate.base}/back/")
    assert count(gate) == files
    # rsync has one log, and the client asks for it
    gate.rsync("-a", "-M--log-file=mine", "--ignore-times", f"{gate.src}/", "host:tree")
    assert (gate.base / "log").read_bytes() == b"" and (gate.home / "mine").exists()


# ---- no confinement, no run ----------------------------------------------------------------


@pytest.mark.parametrize("call", ["landlock_create_ruleset", "landlock_restrict_self", "seccomp", "openat2",
                                  "close_range"])
def test_refuses_when_the_kernel_cannot_confine(gate, call):
    result = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", f"inject={call}:error=ENOSYS", gate.gate, gate.home],
        env={"SSH_ORIGINAL_COMMAND": "rsync --server -r . x", "PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert result.returncode == 78, result.stderr
    assert "cannot confine" in result.stderr and result.stdout == ""


# ---- the private root ------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["unshare", "open_tree", "mount_setattr", "mount", "move_mount", "pivot_root"])
@pytest.mark.parametrize("private", [False, True])
def test_a_host_without_private_roots(gate, call, private):
    """Each step refused: the run goes on in the host's root, as it was, or with -private does not."""
    gate.own(gate.home / "there", "x")
    result = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:error=EPERM", gate.gate, *(["-private"] if private else []),
         "-ro", gate.home],
        env={"SSH_ORIGINAL_COMMAND": "rsync --server --sender -r --files-from=/there . .", "PATH": os.environ["PATH"]},
        capture_output=True, text=True, input="")
    if private:
        assert result.returncode == 78 and "cannot confine" in result.stderr, result.stderr
    else:
        assert result.returncode not in (1, 78) and "connection unexpectedly closed" in result.stderr, result.stderr


def test_root_s_own_key_keeps_every_id(gate):
    """With CAP_SYS_ADMIN no user namespace is needed: owners, groups and ACLs of others arrive and return."""
    gate.own(gate.outside / "canary", "x")
    fill(gate.src)
    for name in ("setuid", "fifo", "null"):  # what is not made without -fake-super
        (gate.src / name).unlink()
    (gate.src / "dir").chmod(0o770)
    os.utime(gate.src / "dir", ns=(10**18, 10**18))
    gate.options = []
    server = gate.server()
    server.write_text(server.read_text().replace(f"setpriv --reuid {UID} --regid {UID} --clear-groups --inh-caps=-all", ""))
    gate.server = lambda gated: server
    gate.rsync(*FULL, f"{gate.src}/", "host:tree")
    assert describe(gate.home / "tree") == describe(gate.src)
    gate.rsync(*FULL, "host:tree/", f"{gate.base}/back/")
    assert describe(gate.base / "back") == describe(gate.src)
