# SPDX-License-Identifier: ISC
"""Keys for other tools than rsync, with the real clients; and what a thief with such a key gets."""

import errno
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import h2.connection
import h2.events
import pytest

from conftest import ROOT, run, wait_until

ADMIN = Path("/etc/subuidd/tools.d")


def home_of(name):
    owner, label = name.split("+")
    return Path(f"/srv/subuid/{owner}/{label}/home")


def as_account(name, *argv, check=True):
    """The same uid without any confinement: what the attacks would get without it."""
    uid = str(pwd.getpwnam(name).pw_uid)
    return run("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", *argv, check=check, cwd="/")


def ssh_command(host, key):
    return " ".join(["ssh", *host.ssh_options(key)])


def sftp(host, key, name, *lines, check=False):
    return run("sftp", "-b", "-", *host.ssh_options(key), f"{name}@127.0.0.1", input="\n".join(lines) + "\n",
               check=check)


def borg(host, key, name, *argv, repo="/./repo", check=True):
    env = {"BORG_RSH": ssh_command(host, key), "BORG_REPO": f"ssh://{name}@127.0.0.1{repo}",
           "BORG_BASE_DIR": f"/tmp/borg-{name}", "BORG_PASSPHRASE": "x", "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
           "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes", "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES",
           "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING": "YES"}
    return run("borg", *argv, env=env, check=check, timeout=180)


def restic_words(host, key, name, *argv, repo="repo"):
    env = {"RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": f"/tmp/restic-{name}"}
    program = f"{ssh_command(host, key)} {name}@127.0.0.1 rclone"
    return env, ["restic", "-o", f"rclone.program={program}", "-o", "rclone.timeout=60s", "-r", f"rclone:{repo}", *argv]


def restic(host, key, name, *argv, repo="repo", check=True):
    env, words = restic_words(host, key, name, *argv, repo=repo)
    return run(*words, env=env, check=check, timeout=180)


def restic_refused(host, key, name, *argv, repo="repo"):
    """What restic is told. It asks ten times, for half a minute in all; the first answer is enough here."""
    env, words = restic_words(host, key, name, *argv, repo=repo)
    client = subprocess.Popen([str(word) for word in words], env={**os.environ, **env}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = []
    for line in client.stderr:
        said.append(line)
        if "returned error, retrying" in line:
            client.kill()
    assert client.wait(60) != 0, said
    return "".join(said)


def rest(host, key, name, method, *paths, repo="repo"):
    """Requests of restic's protocol, without restic: HTTP/2 through the ssh channel. The status of each."""
    server = subprocess.Popen(["ssh", *host.ssh_options(key), f"{name}@127.0.0.1", f"rclone serve restic --stdio {repo}"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    codes = []
    for path in paths:
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, [(":method", method), (":path", path), (":scheme", "http"), (":authority", "x")],
                                end_stream=method != "POST")
        if method == "POST":
            connection.send_data(stream, b"changed", end_stream=True)
        ended = False
        while not ended:
            server.stdin.write(connection.data_to_send())
            server.stdin.flush()
            data = server.stdout.read1(65536)
            assert data, (path, codes)
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    codes.append(int(dict(event.headers)[b":status"]))
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                ended |= isinstance(event, h2.events.StreamEnded)
    server.stdin.close()
    server.wait(60)
    return codes


def restic_objects(home):
    """What a repository is made of, as its protocol names it; data is kept in directories of two letters."""
    objects = {}
    for path in sorted((home / "repo").rglob("*")):
        if path.is_file():
            kind = path.relative_to(home / "repo").parts[0]
            objects["/config" if kind == "config" else f"/{kind}/{path.name}"] = path.read_bytes()
    return objects


@pytest.fixture
def tree(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("first")
    (source / "big").write_bytes(os.urandom(300_000))
    return source


@pytest.fixture
def canary():
    """A file outside that the world may read, and a directory that it may write."""
    file, directory = Path("/var/tmp/canary"), Path("/var/tmp/open")
    file.write_text("canary\n")
    file.chmod(0o644)
    directory.mkdir(exist_ok=True)
    directory.chmod(0o777)
    yield file, directory
    assert file.read_text() == "canary\n" and list(directory.iterdir()) == []


# ---- rsync

def done_by_rsync(host, tmp_path, tree, name, key):
    """What of all that one may want to do with rsync this key does."""
    home, at, back, did = home_of(name), f"{name}@127.0.0.1:pushed/", tmp_path / "back", {}
    as_account(name, "sh", "-c", f"mkdir {home}/pushed && cd {home}/pushed && echo old >file && echo kept >gone")
    did["list"] = " gone\n" in host.rsync(key, at, check=False).stdout
    host.rsync(key, "-a", at, f"{back}/", check=False)
    did["read"] = (back / "gone").exists() and (back / "gone").read_text() == "kept\n"
    host.rsync(key, "-a", tree / "big", at, check=False)
    did["add"] = (home / "pushed/big").exists()
    host.rsync(key, "-a", tree / "file", at, check=False)
    did["change"] = (home / "pushed/file").read_text() == "first"
    host.rsync(key, "-a", "--delete", f"{tree}/", at, check=False)
    did["delete"] = not (home / "pushed/gone").exists()
    return {what for what, it_did in did.items() if it_did}


# Each that one key does not do another does by the same command: its control.
@pytest.mark.parametrize("role, options, expected", [
    ("push", [], "add change delete"),
    ("push", ["--no-delete"], "add change"),
    ("push", ["--no-overwrite"], "add delete"),
    ("blind", [], "add change"),
    ("blind", ["--no-overwrite"], "add"),
    ("pull", [], "list read"),
    ("sync", [], "add change delete list read"),
    ("sync", ["--no-delete"], "add change list read"),
    ("sync", ["--no-overwrite"], "add delete list read"),
    ("sync,sftp", ["--append-only"], "add list read"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else value.replace(" ", "+"))
def test_rsync_does_what_the_role_says_and_no_more(host, tmp_path, tree, role, options, expected):
    _, name, key = host.account(tmp_path, role, "web1", None, *options)
    assert done_by_rsync(host, tmp_path, tree, name, key) == set(expected.split())


# ---- sftp

def test_sftp_puts_gets_and_removes(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "sftp")
    sftp(host, key, name, "mkdir d", f"put {tree}/big d/big", "rename d/big d/large", f"get d/large {tmp_path}/back",
         "ln -s large d/link", "chmod 600 d/large", check=True)
    assert (tmp_path / "back").read_bytes() == (tree / "big").read_bytes()
    assert (home_of(name) / "d/large").stat().st_mode & 0o7777 == 0o600
    sftp(host, key, name, f"put {tree}/file d/large", "rm d/link", check=True)
    assert (home_of(name) / "d/large").read_text() == "first"
    sftp(host, key, name, "rm d/large", "rmdir d", check=True)
    assert list(home_of(name).iterdir()) == []


def test_sftp_with_lftp_and_scp(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "sftp")
    script = (f"set sftp:connect-program '{ssh_command(host, key)} -a -x'; set net:max-retries 1; "
              f"open -u {name},x sftp://127.0.0.1; mirror -R {tree} tree; mirror tree {tmp_path}/back; bye")
    run("lftp", "-c", script)
    assert (tmp_path / "back/big").read_bytes() == (tree / "big").read_bytes()
    run("scp", "-s", *host.ssh_options(key), tree / "file", f"{name}@127.0.0.1:copied")
    assert (home_of(name) / "copied").read_text() == "first"


@pytest.fixture
def sshfs(host, tmp_path):
    """Mounts the account of a key; what is there is asked of the server each time."""
    mounted = []

    def mount(key, name):
        where = tmp_path / f"mnt{len(mounted)}"
        where.mkdir()
        client = subprocess.Popen(["sshfs", "-f", f"{name}@127.0.0.1:", where, "-o", "dir_cache=no,attr_timeout=0,entry_timeout=0",
                                   "-o", f"ssh_command={ssh_command(host, key)}"])
        mounted.append((where, client))
        wait_until(lambda: where.is_mount() or client.poll() is not None, "sshfs has mounted")
        assert where.is_mount()
        return where

    yield mount
    for where, client in mounted:
        run("fusermount3", "-u", where, check=False)
        client.wait(60)
        assert not where.is_mount()


def test_sftp_with_sshfs(host, tmp_path, tree, sshfs):
    _, name, key = host.account(tmp_path, "sftp")
    there, home = sshfs(key, name), home_of(name)
    shutil.copytree(tree, there / "tree")
    assert (home / "tree/big").read_bytes() == (tree / "big").read_bytes() == (there / "tree/big").read_bytes()
    assert (home / "tree/big").stat().st_uid == pwd.getpwnam(name).pw_uid
    with open(there / "tree/file", "r+") as file:
        file.seek(2)
        file.write("RST")
    with open(there / "tree/file", "a") as file:
        file.write("!")
    assert (home / "tree/file").read_text() == "fiRST!"
    (there / "tree/file").rename(there / "moved")
    (there / "moved").chmod(0o640)
    os.truncate(there / "moved", 2)
    os.symlink("moved", there / "link")
    assert (home / "moved").read_text() == "fi" and (home / "moved").stat().st_mode & 0o777 == 0o640
    shutil.rmtree(there / "tree")
    (there / "link").unlink()
    assert [path.name for path in home.iterdir()] == ["moved"] == os.listdir(there)


def test_sshfs_adds_with_an_append_only_key_and_looks_with_a_read_only_one(host, tmp_path, tree, sshfs):
    owner, name, key = host.account(tmp_path, "sftp")
    home = home_of(name)
    as_account(name, "sh", "-c", f"mkdir {home}/d && echo old >{home}/d/file && ln -s d/file {home}/link")
    (home / "d/file").chmod(0o644)

    def changes(there):
        """Each way to change what is there, and whether it worked."""
        return {
            "cut": lambda: (there / "d/file").write_text("new"),
            "change": lambda: open(there / "d/file", "r+").write("new"),
            "append": lambda: open(there / "d/file", "a").write("new"),
            "truncate": lambda: os.truncate(there / "d/file", 0),
            "rename": lambda: (there / "d/file").rename(there / "d/other"),
            "replace": lambda: (there / "link").rename(there / "d/file"),
            "chmod": lambda: (there / "d/file").chmod(0),
            "date": lambda: os.utime(there / "d/file", (1, 1)),
            "unlink": lambda: (there / "link").unlink(),
            "rmdir": lambda: shutil.rmtree(there / "d"),
        }

    def works(act):
        try:
            act()
            return True
        except OSError:
            return False

    def state():
        return {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
                for path in [home / "d", home / "link", home / "d/file"]}

    before = state()
    for form in ("--append-only", "--read-only"):
        other = host.new_key(tmp_path, f"other{form}")
        host.subuid("key", "add", "web1", "-", "--role", "sftp", form, user=owner, input=Path(f"{other}.pub").read_text())
        there = sshfs(other, name)
        assert (there / "d/file").read_text() == "old\n" and os.readlink(there / "link") == "d/file"
        for what, act in changes(there).items():
            assert not works(act), (form, what)
            assert state() == before, (form, what)
        if form == "--append-only":
            shutil.copyfile(tree / "big", there / "big")
            (there / "new").mkdir()
            assert (home / "big").read_bytes() == (tree / "big").read_bytes() and (home / "new").is_dir()
            assert not works(lambda: (there / "big").write_text("again"))
        else:
            assert not works(lambda: (there / "made").write_text("x")) and not works((there / "made").mkdir)
            assert not (home / "made").exists()
    # The control: each of them works with a key that is neither.
    there = sshfs(key, name)
    for what, act in changes(there).items():
        as_account(name, "sh", "-c", f"cd {home} && rm -rf d link && mkdir d && echo old >d/file && ln -s d/file link")
        assert works(act), what


def test_sftp_append_only_adds_and_changes_nothing(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "sftp", "web1", None, "--append-only")
    home = home_of(name)
    sftp(host, key, name, "mkdir d", f"put -p {tree}/big d/big", f"put {tree}/file d/file", check=True)
    assert (home / "d/big").read_bytes() == (tree / "big").read_bytes()
    (tree / "file").write_text("second")
    for line in (f"put {tree}/file d/file", "rm d/file", "rename d/file d/other", "rename -l d/file d/other",
                 "chmod 000 d/file", "rmdir d", "ln -s file d/link", f"reput {tree}/big d/file",
                 "rename d/big d/file"):
        assert sftp(host, key, name, line).returncode != 0, line
    assert (home / "d/file").read_text() == "first" and (home / "d/file").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in (home / "d").iterdir()) == ["big", "file"]
    assert sftp(host, key, name, f"get d/file {tmp_path}/back", f"put {tree}/file d/file.2").returncode == 0
    # The control: the same key without the restriction.
    other = host.new_key(tmp_path, "other")
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", "sftp", user=owner, input=Path(f"{other}.pub").read_text())
    assert sftp(host, other, name, f"put {tree}/file d/file", "rm d/big").returncode == 0
    assert (home / "d/file").read_text() == "second"


def test_an_append_only_key_sets_the_date_of_what_it_has_just_made(host, tmp_path, tree):
    """scp -p, put -p and rclone, which does so for each file, and does not copy again what has its date."""
    _, name, key = host.account(tmp_path, "sftp", "web1", None, "--append-only")
    home = home_of(name)
    for file in tree.iterdir():
        os.utime(file, (1e9, 1e9))
        file.chmod(0o640)
    run("scp", "-s", "-p", *host.ssh_options(key), tree / "file", f"{name}@127.0.0.1:one")
    sftp(host, key, name, f"put -p {tree}/big two", check=True)
    remote = f":sftp,host=127.0.0.1,user={name},key_file={key}:up"
    for _ in range(2):
        said = run("rclone", "copy", "-v", tree, remote, "--retries", "1", env={"RCLONE_CONFIG": "/notfound"})
    assert "2 / 2" in said.stderr or "Transferred" in said.stderr and "ERROR" not in said.stderr
    (tree / "third").write_text("third")
    run("rclone", "copy", tree, remote, "--retries", "1", env={"RCLONE_CONFIG": "/notfound"})
    for file in ("one", "two", "up/file", "up/big"):
        assert (home / file).stat().st_mtime == 1e9, file
    assert (home / "up/third").read_text() == "third" and (home / "one").stat().st_mode & 0o7777 == 0o640
    # Whole trees, without a word of what would have changed nothing.
    (tree / "sub").mkdir(0o750)
    (tree / "sub/f").write_text("x")
    said = run("scp", "-s", "-r", *host.ssh_options(key), tree, f"{name}@127.0.0.1:scp")
    assert said.stderr == "" and (home / "scp/sub").stat().st_mode & 0o7777 == 0o750, said
    said = sftp(host, key, name, f"put -r {tree} put", f"put -r {tree} put2", check=True)
    assert "denied" not in said.stderr and (home / "put2/sub/f").read_text() == "x", said
    # The control, and the bound: another session's files stay as they are.
    as_account(name, "sh", "-c", f"echo old >{home}/old")
    for line in (f"chmod 600 old", "chmod 600 one"):
        said = sftp(host, key, name, line)
        assert said.returncode != 0 and "Permission denied" in said.stderr, said
    said = run("rclone", "touch", "--timestamp", "2001-01-01T00:00:00", f"{remote}/file", env={"RCLONE_CONFIG": "/notfound"}, check=False)
    assert said.returncode != 0 and (home / "up/file").stat().st_mtime == 1e9, said


def is_marked(path):
    return path.exists() and "user.subuid.made" in os.listxattr(path)


def test_what_marks_a_new_file_goes_with_its_session(host, tmp_path, tree):
    """Also when signals end the session: a mark that stays would let a later session change the file."""
    _, name, key = host.account(tmp_path, "sftp", "web1", None, "--append-only")
    one, two = home_of(name) / "one", home_of(name) / "two"
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        one.unlink(missing_ok=True)
        client = subprocess.Popen(["sftp", "-b", "-", *host.ssh_options(key), f"{name}@127.0.0.1"], stdin=subprocess.PIPE)
        client.stdin.write(f"put {tree}/file one\n".encode())
        client.stdin.flush()
        wait_until(lambda: is_marked(one), "the mark, as long as the session lasts")
        gates = run("pgrep", "-u", name, "-x", "sftp-append").stdout.split()
        os.killpg(os.getpgid(int(gates[0])), signal_number)
        client.stdin.close()
        client.wait(60)
        wait_until(lambda: run("pgrep", "-u", name, "-x", "tool|sftp-append|sftp-server", check=False).stdout == "", "they have ended")
        assert one.exists() and not is_marked(one), signal_number
    assert "Permission denied" in sftp(host, key, name, "chmod 600 one").stderr
    sftp(host, key, name, f"put -p {tree}/file two", check=True)
    assert not is_marked(two)


@pytest.mark.parametrize("there", [[], ["repo"], ["repo", "repo/data", "repo/index", "repo/keys", "repo/locks", "repo/snapshots"]])
def test_restic_is_told_of_its_role_before_it_makes_half_a_repository(host, tmp_path, there):
    _, name, key = host.account(tmp_path, "sftp", "web1", None, "--append-only")
    home = home_of(name)
    for directory in there:
        as_account(name, "mkdir", home / directory)
    words = ["restic", "-o", f"sftp.command={ssh_command(host, key)} {name}@127.0.0.1 -s sftp", "-r", f"sftp:{name}@127.0.0.1:repo", "init"]
    said = run(*words, env={"RESTIC_PASSWORD": "x"}, check=False)
    assert said.returncode != 0 and "restic needs a key with the role restic" in said.stderr, said
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == there
    # The control, and others who have such names go on.
    sftp(host, key, name, "-ls zoo/config", "mkdir bar", check=True)
    sftp(host, key, name, "-ls config", "mkdir data", "mkdir d", "mkdir d/data", f"put {key}.pub d/config", check=True)
    other = host.new_key(tmp_path, "other")
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", "sftp", user=owner, input=Path(f"{other}.pub").read_text())
    words[2] = words[2].replace(str(key), str(other))
    run(*words, env={"RESTIC_PASSWORD": "x"})
    assert (home / "repo/config").exists()


PROFILES_WRONG = [("execute = /usr/bin/env\nenvironment = A=1 A=2", "A=2: this variable is given twice"),
                  ("execute = /usr/bin/env\nread = /dev/kmsg", "/dev/kmsg: no device but"),
                  ("execute = /usr/bin/env\nread = /dev", None), ("execute = /usr/bin/env\nread = /run/subuid-test.fifo", "neither a file"),
                  ("execute = /usr/bin/env /dev/null", "/dev/null: neither a file nor a directory"),
                  ("execute = /usr/bin/env\nwrite = /tmp", "line 3: nothing but the home can be written"),
                  ("execute = /usr/bin/true", "/usr/bin/env: it is run, but not among"),
                  ("execute = /usr/bin", None), ("execute = /usr/bin/env\nread = /dev/urandom /etc/hostname /usr/share/doc", None)]


@pytest.mark.parametrize("lines, words", PROFILES_WRONG, ids=[str(i) for i in range(len(PROFILES_WRONG))])
def test_what_a_profile_names_works_or_is_refused_when_it_is_read(host, tmp_path, profile, lines, words):
    fifo = Path("/run/subuid-test.fifo")
    fifo.exists() or os.mkfifo(fifo)
    profile("where", f"command = where\n{lines}\n[read-write]\nrun = /usr/bin/env\n")
    _, name, key = host.account(tmp_path, "where")
    said = host.ssh(key, name, "where")
    if words is None:
        assert said.returncode == 0 and "PATH=" in said.stdout, said
    else:
        assert said.returncode == 78 and words in said.stderr and said.stdout == "", said


def test_a_profile_sets_its_environment_and_reads_what_it_names(host, tmp_path, profile):
    """Its own value wins: a program takes the first of two."""
    profile("where", "command = where\nexecute = /usr/bin/env\nenvironment = HOME={home} LANG=C PATH=/usr/bin USER=me\n[read-write]\nrun = /usr/bin/env\n")
    profile("look", "command = look\nexecute = /usr/bin/od\nread = /dev/urandom /dev/zero\n[read-only]\n"
                    "run = /usr/bin/od -A n -N 4 -t x1 /dev/zero\n[read-write]\nrun = /usr/bin/od -A n -N 4 -t x1 /dev/urandom\n")
    _, name, key = host.account(tmp_path, "where,look")
    assert sorted(host.ssh(key, name, "where").stdout.split()) == sorted(
        [f"HOME={home_of(name)}", "LANG=C", "PATH=/usr/bin", "USER=me"])
    assert re.fullmatch(r"( [0-9a-f]{2}){4}\n", host.ssh(key, name, "look").stdout)


def test_the_server_refuses_each_request_that_changes_something(host):
    """The append-only form, before the kernel is asked: a request that this sftp-server has and we do not know fails here."""
    harmless = {"open", "close", "read", "write", "lstat", "fstat", "opendir", "readdir", "mkdir", "realpath", "stat", "readlink",
                "statvfs", "fstatvfs", "fsync", "limits", "expand-path", "home-directory", "users-groups-by-id"}
    known = set(run("/usr/lib/openssh/sftp-server", "-Q", "requests").stdout.split())
    harmless |= {"setstat", "fsetstat"}  # of files that the session has made: by another process, the kernel refuses it
    (refused,) = re.findall(r"^run = -P (\S+)$", Path("/usr/lib/subuidd/tools.d/sftp.conf").read_text(), re.M)
    assert known - harmless <= set(refused.split(","))


def test_sftp_read_only_reads(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "sftp", "web1", None, "--read-only")
    home = home_of(name)
    as_account(name, "sh", "-c", f"echo there >{home}/file")
    assert sftp(host, key, name, f"get file {tmp_path}/back").returncode == 0
    assert (tmp_path / "back").read_text() == "there\n"
    for line in (f"put {tree}/file new", f"put {tree}/file file", "rm file", "mkdir d", "rename file g",
                 "chmod 000 file", "ln file hard", "ln -s file soft"):
        assert sftp(host, key, name, line).returncode != 0, line
    assert [path.name for path in home.iterdir()] == ["file"] and (home / "file").read_text() == "there\n"


@pytest.mark.parametrize("form", [(), ("--append-only",), ("--read-only",)])
def test_sftp_reaches_nothing_outside(host, tmp_path, tree, canary, form):
    file, directory = canary
    _, name, key = host.account(tmp_path, "sftp", "web1", None, *form)
    home = home_of(name)
    as_account(name, "sh", "-c", f"ln -s {file} {home}/out; ln -s {directory} {home}/dir; ln -s / {home}/root")
    for line in ("get /etc/passwd x", f"get {file} x", f"put {tree}/file {directory}/x", "get out x",
                 f"put {tree}/file dir/x", "get root/etc/passwd x", "get ../../../../etc/passwd x", "ls /etc",
                 "get /var/lib/subuidd/index x", "get /proc/self/environ x", f"chmod 777 {file}",
                 f"rename {file} x", f"ln {file} hard"):
        assert sftp(host, key, name, f"lcd {tmp_path}", line).returncode != 0, line
    # The control: the same uid, unconfined.
    as_account(name, "cat", "/etc/passwd", file, f"{home}/out")
    as_account(name, "sh", "-c", f"echo >{home}/dir/x && rm {home}/dir/x")


def test_sftp_gives_no_setuid_file(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "sftp")
    sftp(host, key, name, f"put {tree}/file f", check=True)
    assert sftp(host, key, name, "chmod 4755 f").returncode != 0
    assert (home_of(name) / "f").stat().st_mode & 0o6000 == 0
    as_account(name, "chmod", "4755", home_of(name) / "f")  # the control


# ---- borg

def test_borg_backs_up_checks_prunes_and_restores(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "borg")
    borg(host, key, name, "init", "-e", "none")
    borg(host, key, name, "create", "::one", tree)
    (tree / "file").write_text("second")
    borg(host, key, name, "create", "::two", tree)
    borg(host, key, name, "check", "--verify-data")
    assert borg(host, key, name, "list", "--short").stdout.split() == ["one", "two"]
    assert "second" in borg(host, key, name, "extract", "--stdout", "::two", f"{str(tree)[1:]}/file").stdout
    borg(host, key, name, "delete", "::one")
    borg(host, key, name, "compact")
    assert borg(host, key, name, "list", "--short").stdout.split() == ["two"]
    assert (home_of(name) / "repo/config").exists()


def segments(home):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (home / "repo/data").rglob("*")
            if path.is_file()}


def test_borg_append_only_keeps_what_is_deleted(host, tmp_path, tree):
    """borg's promise: a deletion is one more transaction, and what came before can be brought back."""
    _, name, key = host.account(tmp_path, "borg", "web1", None, "--append-only")
    home = home_of(name)
    borg(host, key, name, "init", "-e", "none")
    borg(host, key, name, "create", "::one", tree)
    before = segments(home)
    last = max(map(int, before))
    borg(host, key, name, "delete", "::one")
    borg(host, key, name, "compact", check=False)
    after = segments(home)
    for segment, digest in before.items():
        assert after[segment] == digest, segment
    # As borg's manual says: take away what came later.
    for path in (home / "repo/data").rglob("*"):
        if path.is_file() and int(path.name) > last:
            path.unlink()
    for pattern in ("index.*", "hints.*", "integrity.*"):
        for path in (home / "repo").glob(pattern):
            path.unlink()
    shutil.rmtree(f"/tmp/borg-{name}", ignore_errors=True)
    assert borg(host, key, name, "list", "--short").stdout.split() == ["one"]
    # The control: without the restriction it is gone.
    other = host.new_key(tmp_path, "other")
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", "borg", user=owner, input=Path(f"{other}.pub").read_text())
    borg(host, other, name, "delete", "::one")
    borg(host, other, name, "compact", "--threshold", "0")
    assert any(after.get(segment) != segments(home).get(segment) for segment in before)


def test_borg_read_only_lists_and_restores(host, tmp_path, tree):
    owner, name, key = host.account(tmp_path, "borg")
    borg(host, key, name, "init", "-e", "none")
    borg(host, key, name, "create", "::one", tree)
    reader = host.new_key(tmp_path, "reader")
    host.subuid("key", "add", "web1", "-", "--role", "borg", "--read-only", user=owner,
                input=Path(f"{reader}.pub").read_text())
    assert borg(host, reader, name, "--bypass-lock", "list", "--short").stdout.split() == ["one"]
    out = borg(host, reader, name, "--bypass-lock", "extract", "--stdout", "::one", f"{str(tree)[1:]}/file").stdout
    assert out == "first"
    before = segments(home_of(name))
    for argv in (["create", "::two", tree], ["delete", "::one"], ["--bypass-lock", "delete", "::one"], ["compact"]):
        assert borg(host, reader, name, "--lock-wait", "1", *argv, check=False).returncode != 0, argv
    assert segments(home_of(name)) == before


def test_borg_storage_quota(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "borg", "web1", None, "--storage-quota", "20M")
    (tree / "big").write_bytes(os.urandom(30_000_000))
    borg(host, key, name, "init", "-e", "none")
    refused = borg(host, key, name, "create", "-C", "none", "::one", tree, check=False)
    assert refused.returncode != 0 and "quota" in refused.stderr.lower()
    (tree / "big").write_bytes(os.urandom(1_000_000))
    borg(host, key, name, "create", "::one", tree)


def test_borg_reaches_no_other_repository(host, tmp_path, tree, canary):
    _, name, key = host.account(tmp_path, "borg")
    _, other, other_key = host.account(tmp_path, "borg")
    borg(host, other_key, other, "init", "-e", "none")
    outside = Path("/var/tmp/borg-outside")
    run("borg", "init", "-e", "none", outside, env={"BORG_BASE_DIR": "/tmp/borg-root"})
    run("chmod", "-R", "a+rwX", outside)
    try:
        for repo in (f"{home_of(other)}/repo", str(outside), "/./../../../../var/tmp/borg-outside", "/etc"):
            refused = borg(host, key, name, "list", repo=repo, check=False)
            assert refused.returncode != 0, repo
            assert borg(host, key, name, "init", "-e", "none", repo=f"{canary[1]}/new", check=False).returncode != 0
        # The control: borg without --restrict-to-path, unconfined, with the same uid.
        uid = str(pwd.getpwnam(name).pw_uid)
        run("setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "env", "BORG_BASE_DIR=/tmp/borg-control",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "borg", "list", outside)
    finally:
        shutil.rmtree(outside)


# ---- restic

def test_restic_backs_up_forgets_and_restores(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "restic")
    restic(host, key, name, "init")
    restic(host, key, name, "backup", tree)
    (tree / "file").write_text("second")
    assert "NOTICE" not in restic(host, key, name, "backup", tree).stderr  # rclone's, that it has no configuration
    restic(host, key, name, "check", "--read-data")
    restic(host, key, name, "restore", "latest", "--target", tmp_path / "back")
    assert (tmp_path / "back" / str(tree)[1:] / "file").read_text() == "second"
    restic(host, key, name, "forget", "--keep-last", "1", "--prune")
    assert len(json.loads(restic(host, key, name, "snapshots", "--json").stdout)) == 1


def test_restic_append_only_refuses_to_forget(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "restic", "web1", None, "--append-only")
    restic(host, key, name, "init")
    restic(host, key, name, "backup", tree)
    restic(host, key, name, "backup", tree)
    before = restic_objects(home_of(name))
    assert {path.split("/")[1] for path in before} == {"config", "data", "index", "keys", "snapshots"}
    assert "403 Forbidden" in restic_refused(host, key, name, "forget", "--keep-last", "1", "--prune")
    assert rest(host, key, name, "DELETE", *before) == [403] * len(before)
    assert rest(host, key, name, "POST", *before) == [403] * len(before)
    kept = restic_objects(home_of(name))
    assert {path: kept[path] for path in before} == before
    # Locks are what may come and go: that of the run that was cut off, and one of ours.
    lock = f"/locks/{'0' * 64}"
    assert rest(host, key, name, "POST", lock) == [200]
    locks = [path for path in restic_objects(home_of(name)) if path.startswith("/locks/")]
    assert lock in locks and rest(host, key, name, "DELETE", *locks) == [200] * len(locks)
    assert restic_objects(home_of(name)) == before
    assert len(json.loads(restic(host, key, name, "snapshots", "--json").stdout)) == 2
    restic(host, key, name, "restore", "latest", "--target", tmp_path / "back")
    # The control: the same key without the restriction.
    other = host.new_key(tmp_path, "other")
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", "restic", user=owner, input=Path(f"{other}.pub").read_text())
    restic(host, other, name, "forget", "--keep-last", "1", "--prune")
    assert len(list((home_of(name) / "repo/snapshots").iterdir())) == 1
    left = restic_objects(home_of(name))
    assert rest(host, other, name, "DELETE", *left) == [200] * len(left) and restic_objects(home_of(name)) == {}


def test_restic_read_only_restores(host, tmp_path, tree):
    owner, name, key = host.account(tmp_path, "restic")
    restic(host, key, name, "init")
    restic(host, key, name, "backup", tree)
    reader = host.new_key(tmp_path, "reader")
    host.subuid("key", "add", "web1", "-", "--role", "restic", "--read-only", user=owner,
                input=Path(f"{reader}.pub").read_text())
    restic(host, reader, name, "--no-lock", "restore", "latest", "--target", tmp_path / "back")
    assert (tmp_path / "back" / str(tree)[1:] / "file").read_text() == "first"
    before = sorted(str(path) for path in home_of(name).rglob("*"))
    for argv in (["backup", tree], ["--no-lock", "forget", "--keep-last", "0"], ["init"]):
        repo = "new" if argv == ["init"] else "repo"
        assert restic_refused(host, reader, name, *argv, repo=repo), argv
    objects = restic_objects(home_of(name))
    assert rest(host, reader, name, "GET", *objects) == [200] * len(objects)
    for method in ("DELETE", "POST"):
        assert min(rest(host, reader, name, method, *objects, f"/locks/{'0' * 64}", f"/snapshots/{'0' * 64}")) >= 400
    assert restic_objects(home_of(name)) == objects
    assert sorted(str(path) for path in home_of(name).rglob("*")) == before


def test_restic_reaches_no_other_repository(host, tmp_path, canary):
    _, name, key = host.account(tmp_path, "restic")
    _, other, other_key = host.account(tmp_path, "restic")
    restic(host, other_key, other, "init")
    at = f"{canary[1]}/repo"
    for repo in ("../../web1/home/repo", f"../../../{other.split('+')[0]}/web1/home/repo"):
        assert restic(host, key, name, "snapshots", repo=repo, check=False).returncode != 0, repo
    restic(host, key, name, "init", repo=at)  # a path of its own: below the home, whatever it looks like
    assert (home_of(name) / at[1:] / "config").exists() and not Path(at).exists()
    restic(host, key, name, "init", repo=":local:/var/tmp/open/x")
    assert (home_of(name) / ":local:/var/tmp/open/x/config").exists()
    # The control: rclone unconfined, with the same uid.
    as_account(name, "env", "RCLONE_CONFIG=", "rclone", "copyto", "/etc/passwd", ":local:/var/tmp/open/x")
    (canary[1] / "x").unlink()


# ---- what comes back, and what somebody finds who has the disk

@pytest.mark.parametrize("tool, encrypted", [("sftp", False), ("borg none", False), ("borg repokey", True), ("restic", True)])
def test_what_is_kept_comes_back_and_is_encrypted_as_the_client_chose(host, tmp_path, tree, tool, encrypted):
    """Those that do not encrypt are the control: what is searched for is found."""
    secret = os.urandom(64).hex()
    (tree / "file").write_text(secret)
    tool, *mode = tool.split()
    _, name, key = host.account(tmp_path, tool)
    if tool == "sftp":
        sftp(host, key, name, f"put {tree}/file", f"get file {tmp_path}/back", check=True)
        back = (tmp_path / "back").read_text()
    elif tool == "borg":
        borg(host, key, name, "init", "-e", *mode)
        borg(host, key, name, "create", "-C", "none", "::one", tree)
        back = borg(host, key, name, "extract", "--stdout", "::one", f"{str(tree)[1:]}/file").stdout
    else:
        restic(host, key, name, "init")
        restic(host, key, name, "backup", "--compression", "off", tree)
        back = restic(host, key, name, "dump", "latest", tree / "file").stdout
    assert back == secret
    found = [path for path in home_of(name).rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert bool(found) != encrypted


# ---- one key, several tools; and no other command

def test_one_key_for_several_tools(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "push,sftp,borg")
    host.rsync(key, "-a", f"{tree}/", f"{name}@127.0.0.1:pushed/")
    sftp(host, key, name, f"put {tree}/file put", check=True)
    borg(host, key, name, "init", "-e", "none")
    borg(host, key, name, "create", "::one", tree)
    assert host.ssh(key, name, "true").returncode == 0
    assert restic(host, key, name, "init", check=False).returncode != 0
    assert not (home_of(name) / "repo/keys").exists()
    back = host.rsync(key, "-a", f"{name}@127.0.0.1:pushed/", f"{tmp_path}/back/", check=False)
    assert back.returncode != 0  # push does not read back
    shown = host.subuid_json("key", "list", "web1", user=name.split("+")[0])[0]
    assert shown["role"] == "push,sftp,borg"


def test_append_only_is_kept_by_rsync_of_the_same_key_too(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "push,sftp", "web1", None, "--append-only")
    host.rsync(key, "-a", f"{tree}/", f"{name}@127.0.0.1:pushed/")
    (tree / "file").write_text("second, longer")
    host.rsync(key, "-a", f"{tree}/", f"{name}@127.0.0.1:pushed/", check=False)
    assert (home_of(name) / "pushed/file").read_text() == "first"
    assert host.rsync(key, "-a", "--delete", f"{tree}/", f"{name}@127.0.0.1:pushed/", check=False).returncode != 0


ATTEMPTS = [
    "sh", "/bin/sh -i", "bash -c id", "cat /etc/passwd", "id", "borg --version", "borg serve; id", "borg serve && id",
    "borg serve `id`", "borg serve --restrict-to-path /", "borg serve -p", "borg list /", "borg serve extra",
    "rclone cat /etc/passwd", "rclone serve http /", "rclone serve restic --addr :8080 /", "rclone serve restic --stdio",
    "rclone serve restic --stdio --config /etc/x repo", "rclone serve restic --stdio ../x",
    "rclone serve restic --stdio a b", "rclone rcd", "sftp-server-not", "scp -t .", "rsync --server . .",
    "internal-sftp; id", "'unclosed", "LD_PRELOAD=/x borg serve", "env borg serve", "",
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_shell_and_no_other_command(host, tools_account, attempt):
    name, key = tools_account
    result = host.ssh(key, name, *([attempt] if attempt else []))
    assert "uid=" not in result.stdout and "root:" not in result.stdout, result
    if attempt != "internal-sftp; id":  # its words are not looked at, and not run
        assert result.returncode != 0 and result.stderr.strip(), (attempt, result)


@pytest.fixture(scope="module")
def tools_account(host, tmp_path_factory):
    directory = tmp_path_factory.mktemp("tools")
    for path in [directory, directory.parent]:
        path.chmod(0o755)
    _, name, key = host.account(directory, "sftp,borg,restic")
    return name, key


def test_a_tool_that_there_is_not(host, tmp_path):
    owner = host.new_user()
    key = Path(f"{host.new_key(tmp_path)}.pub").read_text()
    refused = host.subuid("add", "web1", "--key", "-", "--role", "sftp,king", user=owner, input=key, check=False)
    assert refused.returncode == 2 and "king" in refused.stderr
    assert host.subuid("show", "web1", user=owner, check=False).returncode == 3
    for role, options in (("push,pull", []), ("sftp,", []), ("sftp", ["--append-only", "--read-only"]),
                          ("push", ["--read-only"]), ("forward", []), ("sftp", ["--forward", "*:22"]),
                          ("telnet", [])):
        refused = host.subuid("add", "web1", "--key", "-", "--role", role, *options, user=owner, input=key,
                              check=False)
        assert refused.returncode == 2, (role, options, refused)


# ---- role blind

def test_blind_pushes_and_learns_nothing(host, tmp_path, tree):
    _, name, key = host.account(tmp_path, "blind")
    host.rsync(key, "-a", f"{tree}/", f"{name}@127.0.0.1:pushed/")
    assert (home_of(name) / "pushed/file").read_text() == "first"
    assert host.rsync(key, "-a", f"{name}@127.0.0.1:pushed/", f"{tmp_path}/x/", check=False).returncode != 0
    push = host.new_key(tmp_path, "push")  # the control: it does what the other may not
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", "push", user=owner, input=Path(f"{push}.pub").read_text())
    for option in ("--delete", "--dry-run", "--checksum", "--append", "--link-dest=../x"):
        assert host.rsync(key, "-a", option, f"{tree}/", f"{name}@127.0.0.1:pushed/", check=False).returncode != 0, option
        host.rsync(push, "-a", option, f"{tree}/", f"{name}@127.0.0.1:pushed/")


# ---- forward

class Echo:
    def __init__(self, address="127.0.0.1"):
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.socket.accept()
            with peer:
                peer.sendall(b"echo:" + peer.recv(100))


@pytest.fixture
def echo():
    return Echo()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def said_through(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        peer.settimeout(60)
        peer.sendall(b"hello")
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(100), b""))


def forwards(host, key, name, *options):
    """What a connection through `ssh -N OPTIONS` says; b"" when it is cut, None when ssh ends."""
    client = subprocess.Popen(["ssh", *host.ssh_options(key), "-o", "ExitOnForwardFailure=yes", "-N", *options,
                               f"{name}@127.0.0.1"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    port = int(options[1].split(":")[0])
    try:
        def ready():
            if client.poll() is not None:
                return True
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(ready, "ssh listens")
        if client.poll() is not None:
            return None
        try:
            return said_through(port)
        except OSError as error:
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
            return b""
    finally:
        client.kill()
        client.wait(60)


def test_forward_reaches_its_one_address_and_no_other(host, tmp_path, echo):
    other = Echo()
    _, name, key = host.account(tmp_path, "forward", "web1", None, "--forward", f"127.0.0.1:{echo.port}")
    assert forwards(host, key, name, "-L", f"{free_port()}:127.0.0.1:{echo.port}") == b"echo:hello"
    for target in (f"127.0.0.1:{other.port}", "127.0.0.1:22", f"127.0.0.2:{echo.port}", f"localhost:{echo.port}",
                   f"[::1]:{echo.port}", "/run/subuidd/socket"):
        assert not forwards(host, key, name, "-L", f"{free_port()}:{target}"), target
    port = free_port()
    assert forwards(host, key, name, "-R", f"{port}:127.0.0.1:{other.port}") is None
    # The control: an ordinary user's key, which forwards anywhere.
    user, own = host.ordinary_login(tmp_path)
    assert forwards(host, own, user, "-L", f"{free_port()}:127.0.0.1:{other.port}") == b"echo:hello"


def test_forward_runs_nothing(host, tmp_path, echo):
    _, name, key = host.account(tmp_path, "forward", "web1", None, "--forward", f"127.0.0.1:{echo.port}")
    for words in ([], ["id"], ["sh"], ["internal-sftp"], ["rsync --server . ."], ["true"]):
        result = host.ssh(key, name, *words)
        assert "uid=" not in result.stdout and (words == ["true"] or result.returncode != 0), (words, result)
    assert sftp(host, key, name, "ls").returncode != 0
    assert host.ssh(key, name, options=["-tt"]).returncode != 0


def test_forward_is_the_keys_and_ends_with_it(host, tmp_path, echo):
    owner, name, push = host.account(tmp_path)
    target = f"127.0.0.1:{echo.port}"
    assert "subuids-forward" not in run("id", "-Gn", name).stdout
    assert not forwards(host, push, name, "-L", f"{free_port()}:{target}")
    key = host.new_key(tmp_path, "forward")
    host.subuid("key", "add", "web1", "-", "--forward", target, user=owner, input=Path(f"{key}.pub").read_text())
    assert "subuids-forward" in run("id", "-Gn", name).stdout
    assert forwards(host, key, name, "-L", f"{free_port()}:{target}") == b"echo:hello"
    # The other key of the account is where it was.
    assert not forwards(host, push, name, "-L", f"{free_port()}:{target}")
    said = run("sshd", "-T", "-C", f"user={name},host=h,addr=127.0.0.1").stdout.lower().splitlines()
    for line in ("disableforwarding no", "allowtcpforwarding local", "allowstreamlocalforwarding no",
                 "allowagentforwarding no", "x11forwarding no", "permittunnel no", "gatewayports no", "permittty yes",
                 "permituserrc no", "permitlisten none", "authorizedkeysfile none"):
        assert line in said, line
    host.restart_daemon()
    assert "subuids-forward" in run("id", "-Gn", name).stdout
    host.subuid("key", "remove", "web1", str(host.subuid_json("key", "list", "web1", user=owner)[1]["id"]), user=owner)
    assert "subuids-forward" not in run("id", "-Gn", name).stdout
    said = run("sshd", "-T", "-C", f"user={name},host=h,addr=127.0.0.1").stdout.lower().splitlines()
    assert "disableforwarding yes" in said
    assert not forwards(host, key, name, "-L", f"{free_port()}:{target}")


# ---- profiles of the administrator's

@pytest.fixture
def profile():
    made = []

    def write(name, text, mode=0o644):
        ADMIN.mkdir(parents=True, exist_ok=True)
        path = ADMIN / f"{name}.conf"
        path.write_text(text)
        path.chmod(mode)
        made.append(path)
        return path

    yield write
    for path in made:
        path.unlink(missing_ok=True)


STORE = """
command = store {path}
execute = /usr/bin/tee
[read-write]
run = /usr/bin/tee -- {path}
"""


def test_an_administrators_tool_needs_no_code(host, tmp_path, profile, canary):
    profile("store", STORE)
    _, name, key = host.account(tmp_path, "store")
    assert host.ssh(key, name, "store", "dump.sql", input="data").stdout == "data"
    assert (home_of(name) / "dump.sql").read_text() == "data"
    assert host.ssh(key, name, "store", "-a", input="x").returncode == 0  # a name, no option
    assert (home_of(name) / "-a").read_text() == "x"
    for words in (["store"], ["store", "a", "b"], ["store", "../x"], ["store", "'a\n'"], ["tee", "x"]):
        assert host.ssh(key, name, *words).returncode != 0, words
    as_account(name, "ln", "-s", canary[1], home_of(name) / "out")
    host.ssh(key, name, "store", "out/x", input="escaped")
    # a key in a form that the profile does not have
    for option in ("--append-only", "--read-only"):
        other = host.new_key(tmp_path, f"other{option}")
        host.subuid("key", "add", "web1", "-", "--role", "store", option, user=name.split("+")[0],
                    input=Path(f"{other}.pub").read_text())
        refused = host.ssh(other, name, "store", "new")
        assert refused.returncode != 0 and option[2:] in refused.stderr
    assert not (home_of(name) / "new").exists()


def test_a_profile_that_others_could_have_written_is_none(host, tmp_path, profile):
    path = profile("store", STORE)
    _, name, key = host.account(tmp_path, "store")
    assert host.ssh(key, name, "store", "x", input="1").returncode == 0
    path.chmod(0o666)
    assert host.ssh(key, name, "store", "x", input="2").returncode != 0
    path.chmod(0o644)
    os.chown(path, pwd.getpwnam(name).pw_uid, 0)
    assert host.ssh(key, name, "store", "x", input="3").returncode != 0
    os.chown(path, 0, 0)
    ADMIN.chmod(0o777)
    assert host.ssh(key, name, "store", "x", input="4").returncode != 0
    ADMIN.chmod(0o755)
    path.rename(ADMIN / "store.real")
    path.symlink_to(ADMIN / "store.real")
    assert host.ssh(key, name, "store", "x", input="5").returncode != 0
    path.unlink()
    (ADMIN / "store.real").unlink()
    path.write_text(STORE + "colour = red\n")
    refused = host.ssh(key, name, "store", "x", input="6")
    assert refused.returncode != 0 and "line 6" in refused.stderr
    assert (home_of(name) / "x").read_text() == "1"


EVIL = r'''
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
home, canary, opened = sys.argv[1:4]
def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
def wrote(path, how):
    with open(path, how) as file:
        file.write("evil")
def ends(sock, address):
    sock.settimeout(60)
    sock.connect(address)
ATTACKS = {
    "read /etc/passwd": lambda: open("/etc/passwd").read(1),
    "read the canary": lambda: open(canary).read(1),
    "write outside": lambda: wrote(opened + "/evil", "w"),
    "cut outside": lambda: os.truncate(opened + "/own", 0),
    "link out and in": lambda: os.link(canary, home + "/hard"),
    "stat outside": lambda: os.stat(canary),
    "list /srv": lambda: os.listdir("/srv/subuid"),
    "run a shell": lambda: os.execv("/bin/sh", ["sh", "-c", "exit 0"]) if os.fork() == 0 else wait(),
    "run what it brought": lambda: brought(),
    "tcp": lambda: ends(socket.socket(socket.AF_INET), ("127.0.0.1", 22)),
    "the daemon's socket": lambda: ends(socket.socket(socket.AF_UNIX), "/run/subuidd/socket"),
    "an abstract socket": lambda: socket.socket(socket.AF_UNIX).bind("\0evil"),
    "setuid": lambda: (wrote(home + "/suid", "w"), os.chmod(home + "/suid", 0o4755)),
    "fifo": lambda: os.mkfifo(home + "/fifo"),
    "user namespace": lambda: call("unshare", 0x10000000),
    "mount": lambda: call("mount", b"none", home.encode(), b"tmpfs", 0, None),
    "ptrace": lambda: call("ptrace", 0, 0, 0, 0),
    "signal": lambda: os.kill(int(sys.argv[4]), 0),
    "io_uring": lambda: call("syscall", 425, 1, ctypes.create_string_buffer(256)),
    "keyring": lambda: call("syscall", 250, 0, -3, 0),
    "flush the disk": lambda: call("syncfs", os.open(home, os.O_RDONLY)),
    "another's memory": lambda: open("/proc/%s/mem" % sys.argv[4], "rb"),
}
def wait():
    if os.wait()[1] != 0:
        raise OSError("did not run")
def brought():
    wrote(home + "/brought", "w")
    with open(home + "/brought", "w") as file:
        file.write("#!/bin/true\n")
    os.chmod(home + "/brought", 0o755)
    if os.fork() == 0:
        try:
            os.execv(home + "/brought", ["x"])
        finally:
            os._exit(1)
    wait()
def child_safe(attack):
    pid = os.fork()
    if pid == 0:
        try:
            attack()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
def keep(kind, fd, mode=0):
    """backup/new_files.h: an order with a descriptor, and the answer."""
    import array, struct
    keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=4)
    keeper.sendmsg([struct.pack("=IIqqqq", kind, mode, 1, 0, 1, 0)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    keeper.detach()
    error = struct.unpack("=i", os.read(4, 4))[0]
    if error:
        raise OSError(error, "answer")
def kept(flags, name, *orders):
    fd = os.open(home + name, flags, 0o644)
    for order in orders:
        keep(*order[:1], fd, *order[1:])
def before_and_after():
    """A file is made, and its name then leads to an old one, as another session may see to it."""
    kept(os.O_WRONLY | os.O_CREAT | os.O_EXCL, "/made3", (1,))
    os.unlink(home + "/made3")
def many():
    """So many that the first is forgotten; its number is not another's then."""
    for i in range(300):
        kept(os.O_WRONLY | os.O_CREAT | os.O_EXCL, "/many%d" % i, (1,))
    kept(os.O_RDONLY, "/many0", (2,))
if len(sys.argv) > 5:
    ATTACKS = {
        "own date": lambda: kept(os.O_WRONLY | os.O_CREAT | os.O_EXCL, "/made1", (1,), (2,)),
        "own mode": lambda: kept(os.O_WRONLY | os.O_CREAT | os.O_EXCL, "/made2", (1,), (3, 0o6755)),
        "date by the keeper": lambda: kept(os.O_RDONLY, "/old", (2,)),
        "mode by the keeper": lambda: kept(os.O_RDONLY, "/old", (3,)),
        "made by reading": lambda: kept(os.O_RDONLY, "/old", (1,), (2,)),
        "made by a path": lambda: kept(os.O_PATH, "/old", (1,), (2,)),
        "made and read": lambda: kept(os.O_RDONLY | os.O_CREAT | os.O_EXCL, "/made4", (1,), (2,)),
        "a directory": lambda: kept(os.O_RDONLY, "/directory", (1,), (2,)),
        "another name": before_and_after, "many": many,
        "descriptors elsewhere": lambda: elsewhere(),
        "overwrite": lambda: wrote(home + "/old", "w"), "change": lambda: wrote(home + "/old", "r+"),
        "append": lambda: wrote(home + "/old", "a"), "remove": lambda: os.unlink(home + "/old"),
        "rename": lambda: os.rename(home + "/old", home + "/older"),
        "replace": lambda: (wrote(home + "/new", "x"), os.rename(home + "/new", home + "/old")),
        "cut": lambda: os.truncate(home + "/old", 0), "chmod": lambda: os.chmod(home + "/old", 0),
        "date": lambda: os.utime(home + "/old", (1, 1)), "xattr": lambda: os.setxattr(home + "/old", "user.x", b"x"),
        "cut by reading": lambda: os.open(home + "/old", os.O_RDONLY | os.O_TRUNC),
        "date of what is open": lambda: os.utime(os.open(home + "/old", os.O_RDONLY), (1, 1)),
        "chmod of what is open": lambda: os.fchmod(os.open(home + "/old", os.O_RDONLY), 0),
        "link": lambda: os.link(home + "/old", home + "/linked"),
        "remove a directory": lambda: os.rmdir(home + "/directory"),
    }
def elsewhere():
    a, b = socket.socketpair(socket.AF_UNIX)
    a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"\0\0\0\0")])
print("\n".join(name for name, attack in ATTACKS.items() if child_safe(attack)))
'''
# Without the confinement all of it works but what the host itself refuses this uid.
REFUSED_BY_THE_HOST = {"mount", "link out and in"}


@pytest.fixture
def evil(profile):
    script = Path("/usr/local/lib/subuid-evil.py")
    script.write_text(EVIL)
    victim = []

    def make(name, more="", forms=("read-write",), arguments=""):
        text = f"command = {name} {{rest}}\nexecute = /usr/bin/python3\nread = {script}\n"
        for form in forms:
            text += f"[{form}]\nrun = /usr/bin/python3 {script} {{home}} /var/tmp/canary /var/tmp/open %s {arguments}\n"
            text += more
        return script, text

    make.write = profile
    yield make
    script.unlink()
    for process in victim:
        process.kill()


@pytest.mark.parametrize("form", ["read-write", "read-only"])
def test_a_tool_taken_over_by_its_client_stays_in(host, tmp_path, evil, canary, form):
    script, text = evil("evil", forms=[form])
    options = ["--read-only"] if form == "read-only" else []
    evil.write("evil", text % 0)
    _, name, key = host.account(tmp_path, "evil", "web1", None, *options)
    uid = pwd.getpwnam(name).pw_uid
    victim = subprocess.Popen(["sleep", "600"], user=uid, group=uid, extra_groups=[])
    try:
        evil.write("evil", text % victim.pid)
        as_account(name, "sh", "-c", f"echo own >{canary[1]}/own")
        result = host.ssh(key, name, "evil")
        assert result.returncode == 0, result
        # who writes may have it written
        assert result.stdout.strip() == ("flush the disk" if form == "read-write" else ""), result.stdout
        assert (canary[1] / "own").read_text() == "own\n"
        control = as_account(name, "/usr/bin/python3", script, str(home_of(name)), "/var/tmp/canary",
                             "/var/tmp/open", str(victim.pid)).stdout.strip().split("\n")
        worked = {"read /etc/passwd", "read the canary", "write outside", "cut outside", "stat outside", "run a shell",
                  "run what it brought", "tcp", "the daemon's socket", "an abstract socket", "setuid", "fifo",
                  "signal", "user namespace"}
        assert worked <= set(control), worked - set(control)
    finally:
        victim.kill()
        victim.wait()
        for left in ("evil", "own"):
            (canary[1] / left).unlink(missing_ok=True)


@pytest.mark.parametrize("own", [False, True])
def test_new_files_only_is_kept_by_the_kernel(host, tmp_path, evil, canary, own):
    """The append-only form of sftp does not hang on what sftp-server does. Dates are set of what was just made, and of nothing else."""
    more = "new-files-only = yes\n" + "own-dates = yes\n" * own
    script, text = evil("evil", forms=["append-only"], more=more, arguments="append")
    evil.write("evil", text % 0)
    _, name, key = host.account(tmp_path, "evil", "web1", None, "--append-only")
    home = home_of(name)

    def fill():
        as_account(name, "sh", "-c", f"cd {home} && rm -rf old older new linked directory && echo old >old && "
                                     "mkdir directory")

    fill()
    before = (home / "old").stat()
    result = host.ssh(key, name, "evil")
    assert result.returncode == 0, result
    assert set(result.stdout.strip().split("\n")) == ({"own date", "own mode"} if own else {""}), result
    if own:
        assert (home / "made1").stat().st_mtime == 1 and (home / "made2").stat().st_mode & 0o7777 == 0o755
        assert (home / "many0").stat().st_mtime != 1
    after = (home / "old").stat()
    assert (home / "old").read_text() == "old\n" and after.st_mtime_ns == before.st_mtime_ns
    assert after.st_mode == before.st_mode and (home / "new").read_text() == "evil" and (home / "directory").exists()
    fill()
    control = as_account(name, "/usr/bin/python3", script, str(home), "/var/tmp/canary", "/var/tmp/open", "0",
                         "append").stdout.strip().split("\n")
    # Those before the one that removes it.
    assert {"overwrite", "change", "append", "remove"} <= set(control), control
    fill()
    control = as_account(name, "/usr/bin/python3", "-c", "import os; file = os.open(%r, os.O_RDONLY); "
                         "os.utime(file, (1, 1)); os.fchmod(file, 0)" % str(home / "old"))
    assert (home / "old").stat().st_mode & 0o777 == 0 and (home / "old").stat().st_mtime == 1


NAMED = r"`(?:((?:test|vm)_\w+\.py)::)?(test_\w+)`|`(test_\w+\.c)::(\w+)`"  # the second: of tests/unit


def cells_without_a_test(text):
    """Of each table: (title of the row, cell), where the cell names no test and is not the same as one left of it that does."""
    bare = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.M):
        heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        assert rows and heads[0] == "" and all(len(row) == len(heads) for row in rows), table
        for title, *cells in rows:
            named = False
            for cell in cells:
                named = re.search(NAMED, cell) is not None or (named and "the same" in cell)
                if not named:
                    bare.append((title, cell))
    return bare


def assert_named_tests_exist(section):
    for file, test, unit, function in re.findall(NAMED, section):
        source = (ROOT / ("tests/unit" if unit else "tests/e2e") / (unit or file or "test_tools.py")).read_text()
        assert re.search(rf"^(def|static void) {function or test}\(", source, re.M), (file or unit, test or function)


def test_each_cell_of_the_matrix_has_its_test():
    """SECURITY.md names tests in every cell; they are there."""
    text = (ROOT / "SECURITY.md").read_text()
    section = text[text.index("## What a thief with a key can do"):text.index("## What the record of runs")]
    assert len(re.findall(r"^\|---", section, re.M)) == 8 and cells_without_a_test(section) == []
    assert_named_tests_exist(section)
    # What it looks for is found, wherever it is missing: each cell in turn, emptied, and left with its answer alone.
    for line in re.findall(r"^\|.*`test_.*$", section, re.M):
        title, *cells = line.strip("|").split("|")
        for n in range(len(cells)):
            for answer in (" ", " no "):
                row = "|".join(["", title, *cells[:n], answer, *cells[n + 1:], ""])
                assert (title.strip(), answer.strip()) in cells_without_a_test(section.replace(line, row)), row


def test_each_attack_that_worked_has_its_row_and_its_test():
    """The catalogue's 36 to 54 in SECURITY.md: what ends each, and the test of it, by file and name."""
    text = (ROOT / "SECURITY.md").read_text()
    section = text[text.index("## Attacks that worked"):text.index("## Known residuals")]
    rows = re.findall(r"^\| (\d+): (.+) \| (.+) \|$", section, re.M)
    numbers = [int(number) for number, _, _ in rows]
    assert numbers == list(range(36, 55))
    assert cells_without_a_test(section) == []
    named = re.findall(NAMED, section)
    assert len(named) > 30 and all(file or unit for file, _, unit, _ in named), named
    assert_named_tests_exist(section)
