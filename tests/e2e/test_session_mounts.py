# SPDX-License-Identifier: ISC
"""A session of a sub-account has mounts of its own: what is in them, what is not, and that nothing of them is left.

Each attack has its control: the same as the account in the host's mounts, or with the setting off.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from session_fixture import inside, mounts, namespaces, outside, services, settings


@pytest.fixture(scope="module")
def pair(host, tmp_path_factory):
    """An account, and another one of another owner: (owner, name, other owner, other name)."""
    directory = tmp_path_factory.mktemp("keys")
    owner, name, _ = host.account(directory)
    other, stranger, _ = host.account(directory)
    Path(f"/home/{other}").chmod(0o755)
    Path(f"/home/{other}/open").write_text("seen")
    return owner, name, other, stranger


def home_of(host, name):
    owner, label = name.split("+")
    return Path(f"/srv/subuid/{owner}/{label}/home")


def test_the_home_is_where_it_was_and_in_home(host, pair):
    _, name, _, _ = pair
    home = home_of(host, name)
    said = inside(name, f"echo one > {home}/file; cat /home/{name}/file; ls /home; ls /srv; ls /srv/subuid")
    assert said.split() == ["one", name, "subuid", name.split("+")[0]]
    assert (home / "file").read_text() == "one\n"


@pytest.mark.parametrize("script", [
    "cat /home/{other}/open",
    "test -e /srv/subuid/{other}",
    "test -e /home/{owner}",
    "ls -A /mnt | grep .",
    "stat /var/mail/somebody",
    "cat /etc/passwd | grep -w {other}",
    "getent passwd {other}",
    "getent passwd {stranger}",
    "getent passwd {uid}",
    "grep -w {other} /etc/passwd- /etc/group- /etc/subuid /etc/subgid",
    "getent group | grep -w {other}",
    "grep -qaF {stranger} /var/lib/subuidd/index",
    "ls /var/lib/subuidd | grep .",
    "grep -qw {other} /var/log/somebody",
    "grep -F {stranger} /proc/self/mountinfo; grep -F /srv/subuid/{other} /proc/self/mountinfo",
    "test -e /proc/1/cmdline",
    "test -e /proc/{daemon}/status",
    "touch /var/tmp/seen-outside; test -e /proc/self/root/tmp/of-the-host",
    "test -e /dev/shm/of-the-host",
])
def test_nothing_of_others_is_seen(host, pair, script):
    owner, name, other, stranger = pair
    Path("/var/mail/somebody").touch()
    Path("/var/log/somebody").write_text(f"{other} was here\n")
    Path("/tmp/of-the-host").touch()
    Path("/dev/shm/of-the-host").touch()
    for file in ("passwd", "group"):
        shutil.copy(f"/etc/{file}", f"/etc/{file}-")
    Path("/mnt/disk").mkdir(exist_ok=True)
    Path("/etc/subuid").write_text(f"{other}:100000:65536\n")
    script = script.format(owner=owner, other=other, stranger=stranger, uid=pwd.getpwnam(stranger).pw_uid,
                           daemon=host.daemon.pid)
    result = inside(name, script, check=False)
    assert result.returncode != 0, result.stdout
    # by name the account is told of nobody outside of a session either (test_own_names.py): by anybody else, then
    control = run("/bin/bash", "-c", script, user="nobody", check=False) if "getent passwd" in script else outside(name, script)
    assert control.returncode == 0, control.stdout + control.stderr


@contextlib.contextmanager
def asked(process_of, name):
    """A session that says what a line of shell says each time that it is asked."""
    with subprocess.Popen(process_of, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as session:
        def ask(line):
            session.stdin.write(f"{line}; echo end\n")
            session.stdin.flush()
            return list(iter(session.stdout.readline, "end\n"))

        assert ask("id -u") == [f"{pwd.getpwnam(name).pw_uid}\n"]
        yield ask
        session.stdin.close()
        session.wait(60)


def replaced(path, text):
    """As useradd, logrotate and the daemon do it."""
    new = Path(f"{path}.new")
    new.write_text(text)
    os.rename(new, path)


def test_what_the_host_replaces_is_not_seen_either(host, pair):
    """What lies on a file of the host is taken away in each mount namespace when the host replaces that file."""
    _, name, other, stranger = pair
    paths = ["/etc/passwd", "/etc/group", "/etc/subuid", "/var/log/wtmp", "/var/lib/subuidd/index"]
    before = {path: Path(path).read_bytes() for path in paths if Path(path).exists()}
    control = ["unshare", "-m", "/bin/sh", "-c", "mount --bind /usr/lib/os-release /etc/passwd && mount --bind / / && "
               f"exec setpriv --reuid={pwd.getpwnam(name).pw_uid} --clear-groups sh"]
    look = f"cat {' '.join(paths)} 2>/dev/null | grep -aE '{other}|newly'"
    with services("sshd,su"):
        process = ["su", "-s", "/bin/sh", name]
        with asked(process, name) as ask, asked(control, name) as control_ask:
            assert ask(look) == [] and control_ask("grep newly /etc/passwd") == []
            try:
                for path in paths[:-1]:
                    replaced(path, before.get(path, b"").decode() + "newly:x:4242:4242::/home/newly:/bin/sh\n")
                host.subuid("check", "--repair", check=False)
                assert ask(look) == []
                assert ask("test -e /etc/login.defs && ls /etc | grep -c .")[0].strip() != "0"
                assert "newly" in "".join(control_ask("grep newly /etc/passwd")), "the control: what lies on it is gone"
            finally:
                for path in paths[:-1]:
                    if path in before:
                        replaced(path, before[path].decode())
                    else:
                        Path(path).unlink()


def test_system_users_and_the_own_name_are_seen(host, pair):
    _, name, _, _ = pair
    said = inside(name, "id; getent passwd root daemon; getent passwd | cut -d: -f1")
    entry = pwd.getpwnam(name)
    assert f"uid={entry.pw_uid}({name}) gid={entry.pw_uid}({name})" in said
    assert "(subuids)" in said  # the login shell leaves its records as a member of it
    assert "root:x:0:0" in said and "daemon:x:1:1" in said
    system = {e.pw_name for e in pwd.getpwall() if e.pw_uid < 1000 or e.pw_uid == 65534}
    assert set(said.split("\n")[3:]) - {""} == system | {name}


WRITES = ["/usr/seen", "/etc/seen", "/var/seen", "/opt/seen", "/run/seen", "/seen", "/srv/seen", "/home/seen",
          "/var/lib/subuidd/seen", "/run/subuidd/seen"]


def test_the_system_is_read_only_also_for_what_the_account_may_write(host, pair, tmp_path):
    _, name, _, _ = pair
    drop = Path("/opt/drop")
    drop.mkdir(exist_ok=True)
    drop.chmod(0o1777)
    result = inside(name, "touch /opt/drop/file", check=False)
    assert result.returncode != 0 and "Read-only" in result.stderr
    assert outside(name, "touch /opt/drop/control").returncode == 0
    for path in WRITES:
        assert inside(name, f"touch {path}", check=False).returncode != 0


def test_tmp_is_of_the_session_and_bounded(host, pair):
    _, name, _, _ = pair
    uid = pwd.getpwnam(name).pw_uid
    Path("/run/user").mkdir(exist_ok=True)
    with settings(host, tmp_mib=2):
        said = inside(name, f"""
            for place in /tmp /var/tmp /dev/shm /run/user/{uid}; do touch $place/own-of-session || exit 1; done
            head -c 4M /dev/zero > /tmp/large 2>/dev/null && exit 2
            rm /tmp/large; i=0
            while touch /tmp/n$i 2>/dev/null; do i=$((i + 1)); [ $i -lt 5000 ] || exit 3; done
            echo $i; stat -c %a /tmp /var/tmp /dev/shm /run/user/{uid}""")
    names, *modes = said.split()
    assert 50 < int(names) < 2 * 64
    assert modes == ["1777", "1777", "1777", "700"]
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        assert not Path(place, "own-of-session").exists()
    assert outside(name, "touch /tmp/own-of-session").returncode == 0 and Path("/tmp/own-of-session").exists()


def test_a_set_uid_program_gives_nothing(host, pair):
    _, name, _, _ = pair
    program = Path("/usr/local/bin/as-root")
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)
    assert "euid=0" not in inside(name, str(program))
    assert "euid=0" in outside(name, str(program)).stdout


def test_a_device_node_gives_nothing(host, pair):
    _, name, _, _ = pair
    home = home_of(host, name)
    os.mknod(home / "zero", 0o20666, os.makedev(1, 5))
    (home / "zero").chmod(0o666)
    result = inside(name, f"head -c 4 {home}/zero", check=False)
    assert result.returncode != 0 and "Permission denied" in result.stderr
    assert outside(name, f"head -c 4 {home}/zero").returncode == 0
    assert inside(name, "head -c 4 /dev/zero | wc -c; : > /dev/null").split() == ["4"]


def test_mounts_of_a_session_do_not_reach_the_host(host, pair):
    _, name, _, _ = pair
    before = mounts()
    result = inside(name, """
        unshare --user --map-root-user --mount --propagation shared sh -c '
            mount -t tmpfs inner /home && mount --rbind /usr /srv && grep -c inner /proc/self/mountinfo'""")
    assert result.split() == ["1"]
    assert mounts() == before
    # nor does the account get rid of a cover or of read-only in such a namespace
    for script in ("umount -l /srv", "umount /home", "mount -o remount,bind,rw /usr", "mount -o remount,bind,rw /etc"):
        result = inside(name, f"unshare --user --map-root-user --mount sh -c '{script}'", check=False)
        assert result.returncode != 0, script


def test_what_the_host_mounts_later_does_not_arrive(host, pair):
    """Whatever its mounts are shared with: a disk that is mounted during a session is not in it."""
    _, name, _, _ = pair
    run("mount", "--make-rshared", "/")
    try:
        said = inside(name, "cat /proc/self/mountinfo")
    finally:
        run("mount", "--make-rprivate", "/")
    assert " / / " in said and "shared:" not in said and "master:" not in said


def test_a_file_server_of_another_users_is_not_there(host, pair):
    """It is mounted where everybody can see it, and would be waited for."""
    _, name, _, _ = pair
    place = Path("/opt/served")
    place.mkdir(exist_ok=True)
    os.chown(place, pwd.getpwnam(pair[0]).pw_uid, -1)
    server = subprocess.Popen(["/usr/bin/python3", ROOT / "tests/e2e/silent_fuse.py", "silent", place],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "mounted\n"
        script = "grep -c /opt/served /proc/self/mountinfo"
        assert outside(name, script).stdout == "1\n"
        assert inside(name, f"stat -c %F /opt/served; {script} || :").split() == ["directory", "0"]
    finally:
        server.kill()
        server.wait()
        run("umount", "-l", place, check=False)


def test_hostile_content_of_a_home_leads_nowhere(host, pair):
    """Root never follows a link that the account puts in the place of a directory of its home."""
    _, name, _, _ = pair
    home = home_of(host, name)
    uid = pwd.getpwnam(name).pw_uid
    for entry, target in (("tmp", "/etc"), ("home", "/root"), ("proc", "/proc"), (".ssh", "/root/.ssh")):
        link = home / entry
        link.symlink_to(target)
        os.lchown(link, uid, uid)
    assert inside(name, f"readlink {home}/tmp; ls {home}/home 2>&1 | wc -l").split()[0] == "/etc"


def test_a_hidden_directory_that_does_not_exist_is_passed_over(host, pair):
    _, name, _, _ = pair
    with settings(host, hide="/home /nowhere /nowhere/below /srv /opt/link"):
        Path("/opt/link").symlink_to("/opt/target")
        Path("/opt/target").mkdir()
        Path("/opt/target/file").touch()
        assert inside(name, "test -e /nowhere || echo none; ls -A /opt/target").split() == ["none"]


def test_paths_are_opened_one_by_one(host, pair):
    _, name, _, _ = pair
    for path in ("/srv/shared/deep", "/srv/drop", "/data"):
        Path(path).mkdir(parents=True, exist_ok=True)
        Path(path).chmod(0o1777)
        Path(path, "file").write_text("open\n")
    Path("/data/file").unlink()
    run("mount", "-t", "tmpfs", "data", "/data")
    Path("/data/part").mkdir()
    Path("/data/part/file").write_text("open\n")
    try:
        with settings(host, bind="/srv/shared ro, /srv/drop rw, /data/part ro, /srv/none ro"):
            said = inside(name, """cat /srv/shared/deep/file /srv/drop/file /data/part/file; ls /data /srv
                touch /srv/drop/new || exit 1; touch /srv/shared/deep/new""", check=False)
        assert said.stdout.split() == ["open", "open", "open", "/data:", "part", "/srv:", "drop", "shared", "subuid"]
        assert said.returncode != 0 and "Read-only" in said.stderr and Path("/srv/drop/new").exists()
        assert inside(name, "ls /data /srv").split() == ["/data:", "/srv:", "subuid"]
    finally:
        run("umount", "/data")


def test_a_home_on_another_file_system_and_a_subvolume(host, tmp_path):
    """Of btrfs, mounted at the homes, so that the account's home is a subvolume of it."""
    disk = Path("/var/homes.img")
    run("truncate", "-s", "256M", disk)
    run("mkfs.btrfs", "-q", disk)
    owner, name, _ = host.account(tmp_path)
    home = home_of(host, name)
    place = home.parent
    run("mount", "-o", "loop", disk, home)
    uid = pwd.getpwnam(name).pw_uid
    try:
        run("btrfs", "subvolume", "create", home / "inner")
        os.chown(home, uid, uid)
        os.chown(home / "inner", uid, uid)
        assert inside(name, f"""touch {home}/file {home}/inner/file && stat -f -c %T /home/{name}
            grep -c {place} /proc/self/mountinfo""").split() == ["btrfs", "1"]
        assert (home / "inner/file").exists()
    finally:
        run("umount", "-l", home)
    del owner


def test_with_the_setting_off_a_session_sees_the_host(host, pair):
    _, name, other, _ = pair
    assert inside(name, f"cat /home/{other}/open", check=False).returncode != 0
    with settings(host, private="no"):
        assert inside(name, f"cat /home/{other}/open") == "seen"


def test_sessions_leave_no_mount_and_no_process(host, pair):
    """SUBUIDD_SESSIONS=10000 for as many as a release is to have."""
    _, name, _, _ = pair
    before, spaces = mounts(), namespaces()
    with services("sshd,su"):
        for _ in range(int(os.environ.get("SUBUIDD_SESSIONS", "50"))):
            assert run("su", "-s", "/bin/true", name, cwd="/").returncode == 0
    wait_until(lambda: set(namespaces()) == set(spaces), "no namespace is left")
    assert mounts() == before
