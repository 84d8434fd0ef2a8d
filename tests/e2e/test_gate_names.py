# SPDX-License-Identifier: ISC
"""Names of owners: those of the server that a backup is of, and nobody else's.

The client is a reinstalled server (a mount namespace with users of its own) that pulls through the gate. The whole way,
with two servers and sshd: test_restore.py."""

import os
import re
import shlex
import subprocess

import pytest

from gate_fixture import UID, gate  # noqa: F401

PASSWD = "root:x:0:0:root:/root:/bin/sh\ncarol:x:1234:1234::/home/carol:/bin/sh\ngone:x:1500:1500::/:/bin/sh\n"
GROUP = "root:x:0:\ncarol:x:1234:\nwheel:x:70:carol\n"
NEW_PASSWD = "root:x:0:0:root:/root:/bin/sh\ncarol:x:2001:2002::/:/bin/sh\nother:x:1234:1234::/:/bin/sh\n"
NEW_GROUP = "root:x:0:\ncarol:x:2002:\nwheel:x:2070:\nother:x:1234:\n"


def stored(gate, path, text="", mode="100644", owner="1234:70"):
    """What `rsync --fake-super` leaves of a file of the server's."""
    path = gate.own(gate.home / path, text)
    os.setxattr(path, "user.rsync.%stat", f"{mode} 0,0 {owner}".encode())
    return path


def users(gate, name, passwd, group):
    for kind, text in (("passwd", passwd), ("group", group)):
        path = gate.base / f"{name}-{kind}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
    return (f"mount --bind {gate.base}/{name}-passwd /etc/passwd && mount --bind {gate.base}/{name}-group /etc/group && ")


def pull(gate, *words, gated=True, check=True):
    """On a host that has other users with these names and numbers."""
    words = ["rsync", "-e", gate.server(gated), *words]
    script = users(gate, "new", NEW_PASSWD, NEW_GROUP) + "exec " + shlex.join(map(str, words))
    result = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], capture_output=True, timeout=60)
    result.text = (result.stdout + result.stderr).decode(errors="surrogateescape")
    if check:
        assert result.returncode == 0, result.text
    return result


def owners(gate, source="root/data/", name="file", **options):
    back = gate.base / "back"
    subprocess.run(["rm", "-rf", back], check=True)
    result = pull(gate, "-a", *options.pop("words", []), f"host:{source}", f"{back}/", **options)
    status = (back / name).stat()
    return (status.st_uid, status.st_gid), result.text


@pytest.fixture
def backup(gate):
    gate.options = ["-ro", "-fake-super"]
    stored(gate, "root/data/file")
    stored(gate, "root/etc/passwd", PASSWD, owner="0:0")
    stored(gate, "root/etc/group", GROUP, owner="0:0")
    return gate


READERS = pytest.mark.parametrize("reader", [["-ro"], []], ids=["pull", "sync"])


def test_names_of_the_server_are_found_on_the_new_one(backup):
    assert owners(backup) == ((2001, 2070), "")
    assert owners(backup, words=["--numeric-ids"])[0] == (1234, 70)
    stored(backup, "root/data/file", owner="1500:1500")  # nobody of the new one
    assert owners(backup)[0] == (1500, 1500)
    stored(backup, "root/data/file", owner="0:0")
    assert owners(backup)[0] == (0, 0)


@pytest.mark.parametrize("source, name", [
    ("root/data", "data/file"), ("root/data/file", "file"), ("/root/data/file", "file"), ("root/./data/file", "data/file"),
    ("root/da*/", "file"), ("root/", "data/file"), ("root/data/./file", "file"), ("latest/data/", "file"),
])
def test_where_they_are_looked_for(backup, source, name):
    backup.own(backup.home / "etc/passwd", "other:x:1234:1234::/:/bin/sh\n")  # farther up, of something else
    (backup.home / "latest").symlink_to("root")
    os.lchown(backup.home / "latest", UID, UID)
    words = ["-R"] if "/./" in source else []
    assert owners(backup, source, name if words != ["-R"] else source.split("/./")[1], words=words)[0] == (2001, 2070)


def test_no_file_no_names(backup):
    stored(backup, "elsewhere/file")
    assert owners(backup, "elsewhere/") == ((1234, 70), "")
    # without etc/group groups alone come by number
    (backup.home / "root/etc/group").unlink()
    assert owners(backup) == ((2001, 70), "")


def test_of_this_host_there_are_never_any(backup):
    """The gate runs where other is 1234 and wheel 2070: neither as a sender nor as a receiver does it know."""
    for options in (["-ro", "-fake-super", "-no-private"], ["-ro", "-fake-super"]):
        backup.options = options
        stored(backup, "elsewhere/file", owner="1234:2070")
        assert owners(backup, "elsewhere/")[0] == (1234, 2070)
    backup.options = ["-fake-super"]
    (backup.src / "file").write_text("x")
    os.chown(backup.src / "file", 1234, 70)
    script = users(backup, "new", NEW_PASSWD, NEW_GROUP)
    push = script + users(backup, "server", PASSWD, GROUP)
    stored(backup, "root/etc/passwd", PASSWD.replace("1234", "5555"))  # of the last backup: no receiver's either
    stored(backup, "root/etc/group", GROUP.replace("70", "5570"))
    for directory in ("push", "root/push"):
        # The client has the names of the server; the gate starts in a namespace with those of this host.
        server = backup.server()
        inside = backup.base / "inside"
        inside.write_text(f"#!/bin/sh\nexec unshare -m --propagation private sh -c '{script} exec {server} \"$@\"' sh \"$@\"\n")
        inside.chmod(0o755)
        subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c",
                        push + f"exec rsync -a -e {inside} {backup.src}/file host:{directory}/ --mkpath"], check=True)
        assert os.getxattr(backup.home / directory / "file", "user.rsync.%stat") == b"100644 0,0 1234:70"
    # The control: a receiver that does see users maps carol to her number here.
    plain = backup.base / "plain"
    plain.write_text(f"#!/bin/sh\nshift\nexport COMMAND=\"$*\"\nexec unshare -m --propagation private sh -c "
                     f"'{script} cd {backup.home} && exec sh -c \"$COMMAND\"'\n")
    plain.chmod(0o755)
    subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c",
                    push + f"exec rsync -a -M--fake-super -e {plain} {backup.src}/file host:control/"], check=True)
    assert b" 2001:2070" in os.getxattr(backup.home / "control/file", "user.rsync.%stat")


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def link(path):
    path.unlink()
    path.symlink_to("../../../outside/passwd")


def linked_directory(path):
    subprocess.run(["rm", "-rf", path.parent], check=True)
    path.parent.symlink_to("../../outside")


def circle(path):
    path.unlink()
    path.symlink_to("passwd")


def directory(path):
    path.unlink()
    path.mkdir()


def unreadable(path):
    path.chmod(0)


def huge(path):
    os.truncate(path, 1 << 40)


def said_to_be_a_link(path):
    os.setxattr(path, "user.rsync.%stat", b"120777 0,0 0:0")


def said_to_be_a_fifo(path):
    os.setxattr(path, "user.rsync.%stat", b"10644 0,0 0:0")


@pytest.mark.parametrize("which", ["passwd", "group"])
@pytest.mark.parametrize("craft", [fifo, link, linked_directory, circle, directory, unreadable, huge, said_to_be_a_link,
                                   said_to_be_a_fifo], ids=lambda craft: craft.__name__)
@READERS
def test_what_a_hacked_server_puts_in_their_place(backup, reader, craft, which):
    """Nothing is waited for, nothing outside is read; the files come, by number, and a line says why."""
    backup.options = [*reader, "-fake-super"]
    for kind, text in (("passwd", PASSWD), ("group", GROUP)):
        backup.own(backup.outside / kind, text)
    path = backup.home / "root/etc" / which
    craft(path)
    for p in (path.parent, path):
        if p.is_symlink() or p.exists():
            os.lchown(p, UID, UID)
    found, text = owners(backup)
    assert found == (1234, 70)
    assert re.fullmatch(rf"subuid-rrsync: root/etc/(passwd|{which}): not a plain file of at most 1 MiB \(.*\); owners come by number\n", text)
    # who does not want names is not told of them
    assert owners(backup, words=["--numeric-ids"]) == ((1234, 70), "")


def test_a_lease_holds_nobody_up(backup):
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c", "import fcntl, signal, sys\nsignal.signal(signal.SIGIO, signal.SIG_IGN)\n"
         "f = open(sys.argv[1], 'r+')\nfcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\nprint(flush=True)\nsys.stdin.read()\n",
         backup.home / "root/etc/passwd"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, user=UID, group=UID)
    assert holder.stdout.readline() == b"\n"
    found, text = owners(backup)
    holder.stdin.close()
    holder.wait(60)
    assert found == (1234, 70) and "owners come by number" in text
    assert owners(backup)[0] == (2001, 2070)


@pytest.mark.parametrize("lines", [
    b"", b"\0\0\0\0\n", b"carol\n", b"carol:x:\n", b"carol:x:-1:\n", b"carol:x:4294967295:\n", b"carol:x:4294968530:1\n",
    b"car\0ol:x:1234:1234\n", b"ca rol:x:1234:\n", b"+carol:x:1234:1234:::\n", b":x:1234:1234:::\n", b"carol:x: 1234:\n",
    b"\x1b[31m:x:1234:1234:::\n", b"x" * (1 << 20), b"\n" * (1 << 20), b"n" * 256 + b":x:1234:1234:::\n",
], ids=lambda lines: repr(lines[:20]))
def test_lines_that_name_nobody(backup, lines):
    for kind in ("passwd", "group"):
        (backup.home / "root/etc" / kind).write_bytes(lines)
    assert owners(backup) == ((1234, 70), "")


def test_lines_among_which_some_do(backup):
    junk = b"\0:\n::::\n" + b"n" * 5000 + b":x:1234:1\nx:x:99999999999:\n"
    (backup.home / "root/etc/passwd").write_bytes(junk + PASSWD.encode() + junk)
    (backup.home / "root/etc/group").write_bytes(junk + GROUP.encode().rstrip(b"\n"))
    assert owners(backup) == ((2001, 2070), "")


@READERS
def test_a_name_that_goes_on_as_the_list_of_files(backup, reader):
    """rsync says the length of a name in one byte. Of one with 256 the rest is read as what comes next in the list of
    files: here the group, a directory "planted", and one more that takes what the sender really says then."""
    name = (b"\x46\x05wheel" + b"\x81\x9a" + b"\x07planted" + b"\x01\x01\x01" +
            b"\x89\x8a" + bytes([230]) + b"p" * 230 + b"\x01\x01\x01")
    backup.options = [*reader, "-fake-super"]
    assert len(name) == 256 and not set(name) & set(b"\0\n:")
    line = name + b":x:1234:1234::/:/bin/sh\n"
    stored(backup, "root/data/.x").unlink()
    os.setxattr(backup.home / "root/data", "user.rsync.%stat", b"40755 0,0 1234:70")
    # The control: the same rsync, shown the file as it is.
    crafted = users(backup, "crafted", line, GROUP)
    control = backup.base / "control-server"
    control.write_text(f"#!/bin/sh\nshift\nexport COMMAND=\"$*\"\nexec unshare -m --propagation private sh -c '{crafted} "
                       f"cd {backup.home} && exec setpriv --reuid {UID} --regid {UID} --clear-groups sh -c \"$COMMAND\"'\n")
    control.chmod(0o755)
    subprocess.run(["timeout", "-k", "5", "10", "rsync", "-a", "-M--fake-super", "-e", control, "host:root/data/", f"{backup.base}/control/"])
    assert (backup.base / "control/planted").is_dir()
    (backup.home / "root/etc/passwd").write_bytes(line)
    assert owners(backup) == ((1234, 2070), "")
    assert os.listdir(backup.base / "back") == ["file"]


def test_root_for_another_number(backup):
    """What SECURITY.md says: it gives the files to root, as the owner 0:0 in the attribute would have; --numeric-ids does not."""
    (backup.home / "root/etc/passwd").write_text("root:x:1234:0::/:/bin/sh\n")
    assert owners(backup)[0] == (0, 2070)
    assert owners(backup, words=["--numeric-ids"])[0] == (1234, 70)


@pytest.mark.parametrize("role", [["-wo"], ["-blind"], [], ["-ro"]], ids=["push", "blind", "sync", "pull"])
def test_whoever_may_push_says_whose_its_files_are(backup, role):
    """By the numbers of what it pushes and by an etc/passwd. One that may only read (the control of the others) does neither."""
    (backup.src / "data").mkdir()
    (backup.src / "etc").mkdir()
    for name, owner in (("file", 4321), ("root", 0)):
        (backup.src / "data" / name).write_text("pushed")
        os.chown(backup.src / "data" / name, owner, owner)
    (backup.src / "etc/passwd").write_text("root:x:4321:0::/:/bin/sh\n")
    backup.options = [*role, "-fake-super"]
    pushed = backup.rsync("-a", "--ignore-times", f"{backup.src}/", "host:root/", check=False)
    backup.options = ["-ro", "-fake-super"]
    if role == ["-ro"]:
        assert pushed.returncode != 0 and not (backup.home / "root/data/root").exists()
        assert owners(backup)[0] == (2001, 2070)
        return
    assert owners(backup, name="root")[0][0] == 0 and owners(backup)[0][0] == 0
    assert owners(backup, words=["--numeric-ids"])[0] == (4321, 4321)


def test_where_the_numbers_are_not_the_servers(backup):
    """Without -fake-super an owner on the disk is the account: the server's names are not for it."""
    backup.own(backup.home / "root/etc/passwd", f"carol:x:{UID}:0::/:/bin/sh\n")
    os.removexattr(backup.home / "root/data/file", "user.rsync.%stat")
    for options in (["-ro"], ["-ro", "-private"], ["-ro", "-no-private"]):
        backup.options = options
        assert owners(backup)[0] == (UID, UID), options


@pytest.mark.parametrize("call", ["unshare", "mount", "open_tree", "move_mount", "pivot_root", "mount_setattr"])
def test_without_a_private_root_there_are_none(backup, call):
    """Each step refused: the pull goes on, by number, and this host's own files are not read instead."""
    server = backup.server()
    server.write_text(server.read_text().replace("exec setpriv", f"exec strace -f -o /dev/null -e inject={call}:error=EPERM:when=1+ "
                                                                 "setpriv"))
    backup.server = lambda gated: server
    assert owners(backup) == ((1234, 70), "")


def test_the_files_are_all_of_etc_and_cannot_be_written(backup):
    """What a rsync that was taken over finds."""
    program = backup.base / "look"
    (backup.base / "look.c").write_text(r"""
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void)
{
	static const char *const files[] = { "/etc/passwd", "/etc/group" };
	char text[4096];
	for (int fd = 3; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("descriptor %d\n", fd);
	for (int i = 0; i < 2; i++) {
		int fd = open(files[i], O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text));
		printf("%.*s", n < 0 ? 0 : (int)n, text);
		printf("%d%d%d%d%d%d\n", open(files[i], O_WRONLY) >= 0, open(files[i], O_RDWR) >= 0, unlink(files[i]) == 0,
		       chmod(files[i], 0666) == 0, rename(files[i], "/etc/x") == 0, truncate(files[i], 0) == 0);
	}
	printf("%d %d %d\n", opendir("/etc") != NULL, open("/etc/new", O_WRONLY | O_CREAT, 0600) >= 0, access("/etc/shadow", F_OK));
	return 0;
}
""")
    subprocess.run(["cc", "-o", program, backup.base / "look.c"], check=True)
    for options in (["-ro", "-fake-super"], ["-fake-super"]):
        result = subprocess.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", f"mount --bind {program} /usr/bin/rsync && exec setpriv "
             f"--reuid {UID} --regid {UID} --clear-groups --inh-caps=-all {backup.gate} {' '.join(options)} {backup.home}"],
            env={"SSH_ORIGINAL_COMMAND": "rsync --server --sender -logDtpr . root/data/", "PATH": os.environ["PATH"]},
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert result.stdout == ("root:x:0:0:::\ncarol:x:1234:0:::\ngone:x:1500:0:::\n000000\n"
                                 "root:x:0:\ncarol:x:1234:\nwheel:x:70:\n000000\n0 0 -1\n"), result.stdout + result.stderr
