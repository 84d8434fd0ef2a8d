# SPDX-License-Identifier: ISC
"""What runs as an account without a session of ours (a unit of systemd, setpriv, a daemon that changes its uid) is told of no
other account by name or number. This is a courtesy, not a wall: such a process sees the host's files, the index among them."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from conftest import run
from session_fixture import outside
from test_userdb import ask, service  # noqa: F401


@pytest.fixture(scope="module")
def pair(host, tmp_path_factory):
    """An account that holds a range, its owner, and another account, of another owner, with one."""
    directory = tmp_path_factory.mktemp("keys")
    owner, name, _ = host.account(directory, "push", "web1", None, "--range", "65536")
    other, stranger, _ = host.account(directory, "push", "web1", None, "--range", "65536")
    host.account(directory, "push", "beside", owner)
    return owner, name, other, stranger


def first_of(host, name):
    return next(row["first"] for row in host.subuid_json("range", "list", "--all") if row.get("account") == name)


def as_user(user, script):
    return run("/bin/bash", "-c", script, user=user, check=False)


def questions(host, pair):
    _, _, _, stranger = pair
    uid = pwd.getpwnam(stranger).pw_uid
    held = first_of(host, stranger) + 5
    return [f"getent passwd {stranger}", f"getent passwd {uid}", f"getent group {stranger}", f"getent group {uid}", f"id {stranger}",
            f"getent initgroups {stranger} | grep -w {run('getent', 'group', 'subuids').stdout.split(':')[2]}",
            f"getent passwd {held}", f"getent group {held}", f"getent passwd {pair[0]}+beside"]


def test_an_account_is_told_of_itself_alone(host, pair):
    owner, name, _, stranger = pair
    entry = pwd.getpwnam(name)
    for question in questions(host, pair):
        assert outside(name, question).returncode != 0, question
        for other in (owner, "nobody", "root"):  # the control: all others are told
            assert as_user(other, question).returncode == 0, (other, question)
    assert outside(name, "id -un").stdout == f"{name}\n"
    assert f"uid={entry.pw_uid}({name})" in outside(name, "id").stdout and "(subuids)" in outside(name, "id").stdout
    for question in (f"getent passwd {name}", f"getent passwd {entry.pw_uid}", f"getent group {entry.pw_uid}",
                     f"getent passwd {first_of(host, name) + 5}"):
        assert name.split("+")[0] in outside(name, question).stdout, question
    # names of the system and of other users are the host's files', which say what they say
    assert outside(name, f"getent passwd root {owner}").stdout.count("\n") == 2


def test_it_lists_itself_alone(host, pair):
    _, name, _, stranger = pair
    conf = Path("/etc/subuidd.conf.d/enumerate.conf")
    conf.write_text("[names]\nenumerate = yes\n")
    try:
        host.restart_daemon()
        listed = [line.split(":")[0] for line in outside(name, "getent passwd").stdout.splitlines() if "+" in line]
        assert listed == [name]
        groups = [line.split(":")[0] for line in outside(name, "getent group").stdout.splitlines() if "+" in line]
        assert groups == [name]
        everybody = run("getent", "passwd").stdout
        assert name in everybody and stranger in everybody
    finally:
        conf.unlink()
        host.restart_daemon()


PROGRAM = """
import os, pwd, sys, time
real, effective, saved, stranger = *map(int, sys.argv[1:4]), sys.argv[4]
pwd.getpwnam(stranger)
os.setresuid(real, effective, saved)
def told():
    try:
        return pwd.getpwnam(stranger).pw_name == stranger
    except KeyError:
        return False
end = time.monotonic() + float(sys.argv[5])
while time.monotonic() < end and told():
    time.sleep(0.1)
print(told())
"""


@pytest.mark.parametrize("uids,told", [("own own own", False), ("own 0 0", True), ("own 0 own", True), ("0 own 0", True), ("own own 0", True),
                                       ("nobody nobody nobody", True)])
def test_a_program_with_more_rights_is_told(host, pair, uids, told):
    """Set-uid programs that an account runs ask for others on their own account; daemons that serve it as root come back."""
    _, name, _, stranger = pair
    numbers = {"own": str(pwd.getpwnam(name).pw_uid), "nobody": str(pwd.getpwnam("nobody").pw_uid), "0": "0"}
    said = run("/usr/bin/python3", "-c", PROGRAM, *(numbers[word] for word in uids.split()), stranger,
               "3" if told else "60")
    assert said.stdout == f"{told}\n"


def test_the_user_database_tells_it_of_itself_alone(host, pair, service):  # noqa: F811
    _, name, _, stranger = pair
    script = ("import json, socket, sys\n"
              "s = socket.socket(socket.AF_UNIX); s.connect('/run/systemd/userdb/io.subuidd.UserDatabase')\n"
              "s.sendall(json.dumps({'method': 'io.systemd.UserDatabase.GetUserRecord', 'parameters': {'userName': sys.argv[1],"
              " 'service': 'io.subuidd.UserDatabase'}}).encode() + b'\\0')\n"
              "print(s.recv(65536).decode())\n")
    for user, asked, found in ((name, name, True), (name, stranger, False), ("nobody", stranger, True)):
        entry = pwd.getpwnam(user)
        said = subprocess.run(["/usr/bin/python3", "-c", script, asked], user=entry.pw_uid, group=entry.pw_gid, extra_groups=[],
                              capture_output=True, text=True, cwd="/", check=True, env={"PATH": os.environ["PATH"]}).stdout
        assert ('"record"' in said) == found and ("NoRecordFound" in said) != found, said


def test_this_is_no_wall(host, pair):
    """What the manual says of it: the files of the host are open to it, as to everybody."""
    _, name, other, stranger = pair
    assert outside(name, f"grep -qaF {stranger} /var/lib/subuidd/index && grep -qw {other} /etc/passwd").returncode == 0
