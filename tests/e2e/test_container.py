# SPDX-License-Identifier: ISC
"""subuid exec --container: an account is root over its ranges, the owner is not in there, and commands find one another."""

import errno
import json
import os
import pty
import pwd
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from test_subid import KEYS

API = "io.subuidd.Accounts."


@pytest.fixture
def contained(host, tmp_path):
    """An owner, the name of an account with a range, its uid, the first id of the range, and how commands are run there."""
    owner, name, _ = host.account(tmp_path)
    host.subuid("range", "add", "65536", name)
    first = host.subuid_json("range", "list", "--owner", owner)[0]["first"]

    def inside(*command, check=True, **more):
        return run("subuid", "exec", "--container", "web1", "--", *command, user=owner, check=check, **more)
    yield owner, name, pwd.getpwnam(name).pw_uid, first, inside
    host.subuid("remove", name, "--purge", "--yes", check=False)


def test_what_containers_made_is_told_apart_read_and_deleted(host, contained, tmp_path):
    owner, name, uid, first, inside = contained
    home = Path(inside("sh", "-c", "mkdir d; cd d; echo a >a; echo b >b; chown 7:8 b; mkdir e; echo c >e/c; chown -R 1000:1001 e;"
                       "chmod 600 b; chmod 700 e; chown 5:5 .; chmod 700 .; pwd").stdout.strip())
    assert (os.stat(home / "b").st_uid, os.stat(home / "e/c").st_gid) == (first + 6, first + 1000)
    shown = {line.split()[-1]: line.split()[1:3] for line in host.subuid("ls", "--recursive", "web1", user=owner).stdout.splitlines()}
    assert {path: shown[path] for path in ("d", "d/a", "d/b", "d/e/c")} == {
        "d": ["+5", "+5"], "d/a": ["-", "-"], "d/b": ["+7", "+8"], "d/e/c": ["+1000", "+1001"]}
    rows = {row["path"]: row for row in host.subuid_json("ls", "--recursive", "web1", user=owner)}
    assert (rows["d/b"]["uid"], rows["d/b"]["containerUid"], rows["d/b"]["containerGid"]) == (first + 6, 7, 8)
    assert rows["d/a"]["containerUid"] == 0
    host.subuid("copy", "web1:d", f"/home/{owner}/out", user=owner)
    assert run("cat", f"/home/{owner}/out/b", f"/home/{owner}/out/e/c", user=owner).stdout == "b\nc\n"
    host.subuid("remove", "web1", "--purge", "--yes", user=owner)
    wait_until(lambda: not home.exists(), "what the ids of its ranges made is deleted, too")
    assert not home.parent.parent.exists()


def left_running(owner, *command):
    """Something that stays: a container, as far as the kernel is concerned."""
    process = subprocess.Popen(["runuser", "-u", owner, "--", "subuid", "exec", "--container", "web1", "--", *command],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "there\n"
    return process


def words(text):
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("daemon", ["runs", "is down"])
def test_the_account_is_root_over_its_ranges_and_the_owner_is_not_there(host, contained, daemon):
    owner, name, uid, first, inside = contained
    host.subuid("range", "add", "65536", name)
    second = max(row["first"] for row in host.subuid_json("range", "list", "--owner", owner))
    secret = Path(pwd.getpwnam(owner).pw_dir, "secret")
    secret.write_text("of the owner\n")
    secret.chmod(0o600)
    os.chown(secret, pwd.getpwnam(owner).pw_uid, -1)
    if daemon != "runs":
        host.stop_daemon()
    try:
        maps = inside("cat", "/proc/self/uid_map", "/proc/self/gid_map").stdout
        who = inside("sh", "-c", "id -u; id -G; touch made; stat -c %u:%g made; pwd").stdout.split()
        read = inside("cat", secret, check=False)
    finally:
        if daemon != "runs":
            host.start_daemon()
    assert words(maps) == [f"0 {uid} 1", f"1 {first} 65536", f"65537 {second} 65536"] * 2
    home = who[3]
    assert who == ["0", "0", "0:0", home]
    assert (os.stat(home + "/made").st_uid, os.stat(home + "/made").st_gid) == (uid, uid)
    assert read.returncode == 1 and "Permission denied" in read.stderr
    assert run("cat", secret, user=owner).stdout == "of the owner\n", "the control"


def test_nothing_of_the_owners_but_the_terminal_comes_along(contained):
    owner, name, uid, _, inside = contained
    variables = inside("env", env={**os.environ, "SECRET": "x", "SSH_AUTH_SOCK": "/tmp/agent", "LANG": "C.UTF-8"}).stdout
    assert "SECRET" not in variables and "SSH_AUTH_SOCK" not in variables
    assert "LANG=C.UTF-8\n" in variables and f"USER={name}\n" in variables
    home = next(line for line in variables.splitlines() if line.startswith("HOME="))[5:]
    assert os.stat(home).st_uid == uid and f"XDG_RUNTIME_DIR={Path(home).parent}/run\n" in variables
    script = "exec 7</etc/passwd; exec subuid {} web1 -- sh -c '[ ! -e /proc/self/fd/7 ] || echo open'"
    assert run("bash", "-c", script.format("exec --container"), user=owner).stdout == ""
    assert run("bash", "-c", script.format("exec"), user=owner).stdout == "open\n", "the control: the owner's own command"


def test_keys_of_the_owners_session_stay_there(contained):
    owner = contained[0]
    said = run("/usr/bin/python3", "-c", KEYS, "own", "--container", user=owner, env={**os.environ, "SCRIPT": KEYS}).stdout
    assert said == "none\n"  # the control: test_subid.py, where the command is the owner's own


def test_ids_of_the_range_pass_through_to_the_home_there_and_nowhere_else(contained):
    _, _, uid, first, inside = contained
    home = inside("sh", "-c", "echo here >file; chmod 755 .; pwd").stdout.strip()
    as_id = ["setpriv", "--reuid", "5", "--regid", "5", "--clear-groups", "cat", f"{home}/file"]
    assert inside(*as_id).stdout == "here\n"
    as_id[2] = as_id[4] = str(first + 4)
    outside = run(*as_id, check=False)
    assert outside.returncode == 1 and "Permission denied" in outside.stderr, "the account directory is closed on the host"


def test_commands_find_what_others_left_running(host, contained):
    owner, name, uid, _, inside = contained
    script = 'touch "$XDG_RUNTIME_DIR/mark" /dev/shm/mark; echo there; exec sleep 1000'
    process = left_running(owner, "sh", "-c", script)
    look = 'readlink /proc/self/ns/user; ls "$XDG_RUNTIME_DIR" /dev/shm; cat /proc/self/uid_map'
    one, two = (inside("sh", "-c", look).stdout for _ in range(2))
    assert one == two and one.count("mark") == 2
    plain = run("subuid", "exec", "web1", "--", "readlink", "/proc/self/ns/user", user=owner).stdout
    assert plain not in one, "one of the owner's own is none of the account's"
    assert json.loads(host.subuid("kill", "web1", "--now", "--json", user=owner).stdout)["processes"] >= 1
    process.wait(60)
    fresh = inside("sh", "-c", look).stdout
    assert "mark" not in fresh, (fresh, one, run("ps", "-eo", "pid,ppid,uid,stat,args").stdout)
    assert not Path("/dev/shm/mark").exists()


def test_commands_that_begin_at_once_share_one(contained):
    owner, *_ = contained
    started = [subprocess.Popen(["runuser", "-u", owner, "--", "subuid", "exec", "--container", "web1", "--", "sh", "-c",
                                 "readlink /proc/self/ns/user; exec sleep 1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
               for _ in range(6)]
    seen = {process.stdout.readline() for process in started}
    for process in started:
        process.kill()
        process.wait()
    assert len(seen) == 1 and next(iter(seen)).startswith("user:")


def test_it_needs_a_range_and_an_account_that_may_run(host, tmp_path):
    owner, name, _ = host.account(tmp_path)

    def tried():
        return host.subuid("exec", "--container", "web1", "--", "true", user=owner, check=False)
    for down in (False, True):
        if down:
            host.stop_daemon()
        result = tried()
        if down:
            host.start_daemon()
        assert result.returncode == 4 and "subuid range add 65536" in result.stderr, result.stderr
    host.subuid("range", "add", "65536", name)
    assert tried().returncode == 0, "the control"
    for bar, unbar, word in (("lock", "unlock", "locked"), ("freeze", "thaw", "frozen")):
        host.subuid(bar, name)
        result = tried()
        host.subuid(unbar, name)
        assert result.returncode == 4 and word in result.stderr, result.stderr
    host.subuid("set", name, "--expires", "+1d")
    with host.daemon_ahead(tmp_path, 3 * 86400):
        result = tried()
    assert result.returncode == 4 and "expired" in result.stderr, result.stderr
    host.subuid("set", name, "--expires", "never")
    other = host.new_user()
    assert host.subuid("exec", "--container", name, "--", "true", user=other, check=False).returncode in (3, 5)
    assert host.subuid("exec", "--container", name, "--", "true", check=False).returncode == 5, "root is not its owner either"
    assert host.subuid("exec", "--container", "--as-account", "web1", "--", "true", user=owner, check=False).returncode == 2


TYPES = "import fcntl, termios\ntry:\n    fcntl.ioctl(0, {}, b'x')\nexcept OSError as e:\n    print('errno', e.errno, flush=True)\nelse:\n    print('errno 0', flush=True)"
TIOCLINUX = 0x541C


def typed(owner, options, request):
    """The errno of this ioctl(2) on the owner's terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("runuser", ["runuser", "-u", owner, "--", "subuid", "exec", *options, "web1", "--",
                              "/usr/bin/python3", "-c", TYPES.format(request)])
    said = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"errno " in said, said
    return int(said.split(b"errno ")[1].split()[0])


def test_a_command_does_not_type_on_the_owners_terminal(contained):
    owner, *_ = contained
    for request in ("termios.TIOCSTI", TIOCLINUX):
        assert typed(owner, ["--container"], request) == errno.EPERM
        assert typed(owner, [], request) != errno.EPERM, "the control: the owner's own command is not filtered"


SEIZE = """
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
print("there", flush=True)
while True:
    if os.path.exists("try"):
        pid = int(open("try").read())
        seized = libc.ptrace(0x4206, pid, 0, 0) == 0
        if seized:
            libc.ptrace(0x4207, pid, 0, 0)
            libc.waitpid(pid, None, 0x40000000)
            libc.ptrace(17, pid, 0, 0)
        print("seized" if seized else "refused", flush=True)
        os.unlink("try")
    time.sleep(0.01)
"""


def test_what_runs_there_does_not_take_over_the_command_that_joins_it(contained, tmp_path):
    """Until it has become the account, that process is the owner's on the host, and can read what is the owner's."""
    owner, _, uid, _, inside = contained
    home = Path(inside("pwd").stdout.strip())
    reached, go, library = tmp_path / "reached", tmp_path / "go", tmp_path / "late_setns.so"
    tmp_path.chmod(0o777)
    run("gcc", "-shared", "-fPIC", f'-DLATE_REACHED="{reached}"', f'-DLATE_GO="{go}"', "-o", library, ROOT / "tests/e2e/late_setns.c")
    hostile = left_running(owner, "/usr/bin/python3", "-c", SEIZE)
    try:
        for dumpable, wanted in ((True, "seized\n"), (False, "refused\n")):
            joins = subprocess.Popen(["runuser", "-u", owner, "--", "env", f"LD_PRELOAD={library}", *["STAYS_DUMPABLE=1"] * dumpable,
                                      "/usr/bin/subuid", "exec", "--container", "web1", "--", "true"], stdin=subprocess.DEVNULL)
            wait_until(reached.exists, "it is in the namespace")
            pid = next(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and is_subuid(p, library))
            (home / ".try").write_text(str(pid))
            os.rename(home / ".try", home / "try")
            assert hostile.stdout.readline() == wanted, ("the control" if dumpable else "not dumpable")
            go.touch()
            assert joins.wait(60) == 0
            reached.unlink()
            go.unlink()
    finally:
        hostile.kill()
        hostile.wait()


def is_subuid(process, library):
    try:
        return (process / "comm").read_text() == "subuid\n" and str(library) in (process / "maps").read_text()
    except OSError:
        return False
