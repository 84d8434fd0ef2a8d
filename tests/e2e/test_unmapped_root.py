# SPDX-License-Identifier: ISC
"""The plug-in inside a user namespace, where the files of the host's root seem to be nobody's: podman's keep-id and auto."""

import os
import pwd
from pathlib import Path

import pytest

from conftest import run
from test_subid import INDEX, UNIT, Namespace, add_range

FILES = [Path("/etc/subuid"), Path("/etc/subgid")]
NOBODY = 65534


@pytest.fixture
def alice(host):
    """An owner with a line in the files, and a range of ours."""
    name = host.new_user()
    before = [file.read_text() if file.exists() else "" for file in FILES]
    for file, text in zip(FILES, before):
        file.write_text(f"{text}{name}:{100 * UNIT}:{UNIT}\n")
    add_range(host, name)
    assert getsubids(name).count("\n") == 2
    yield name
    for file, text in zip(FILES, before):
        file.write_text(text)


@pytest.fixture
def foreign(host):
    """Gives a file to somebody while the daemon is down, which would make its own anew, and back."""
    given = []

    def give(path, uid):
        if host.daemon is not None:
            host.stop_daemon()
        os.chown(path, uid, -1)
        given.append(path)

    yield give
    for path in given:
        os.chown(path, 0, -1)
    host.start_daemon()


def getsubids(name, *before, user=None, kind=()):
    return run(*before, "getsubids", *kind, name, user=user or name, check=False).stdout


@pytest.mark.parametrize("options", [["--map-root-user"], ["--user"], ["--map-current-user"]])
def test_inside_their_own_namespace_owners_see_what_they_hold(host, alice, options):
    for kind in ([], ["-g"]):
        assert getsubids(alice, "unshare", *options, kind=kind) == getsubids(alice, kind=kind) != ""
    idmap = ["/usr/bin/subuid", "idmap", "--owner", alice]
    assert run("unshare", *options, *idmap, user=alice).stdout == run(*idmap, user=alice).stdout


@pytest.mark.parametrize("path", [INDEX, FILES[0]])
@pytest.mark.parametrize("uid", [NOBODY, 4711])
def test_outside_nobody_is_not_root(alice, foreign, path, uid):
    """Of a forged file inside, the control: the same two files in the initial namespace, and where root is mapped."""
    foreign(path, uid)
    assert getsubids(alice) == ""
    assert run("unshare", "--map-root-user", "getsubids", alice, check=False).stdout == ""
    with Namespace(alice) as namespace:
        assert not namespace.map("uid", 0, 100 * UNIT, 1)


def test_what_is_forged_inside_gains_nothing(host, alice, tmp_path):
    """Another user's file, mounted over /etc/subuid by the one who made the namespace: believed there, and of no use."""
    bob = host.new_user()
    taken = add_range(host, bob)
    forged = Path(f"/home/{bob}/forged")
    forged.write_text(f"{alice}:{taken - UNIT * 5000}:{UNIT}\n")
    forged.chmod(0o644)
    os.chown(forged, pwd.getpwnam(bob).pw_uid, -1)
    forged.parent.chmod(0o755)
    first = taken - UNIT * 5000
    script = f"""
        mount --bind {forged} /etc/subuid
        stat -c 'owned by %u' /etc/subuid
        getsubids {alice}
        unshare --user sh -c 'echo; exec sleep 1000' | {{
            read -r line
            child=$(pgrep -n -u 0 -x sleep)
            newuidmap "$child" 0 {first} 1 && echo granted
            echo "0 {first} 1" >"/proc/$child/uid_map" && echo written
            cat "/proc/$child/uid_map"
            kill "$child"
        }}
    """
    said = run("unshare", "--map-root-user", "--mount", "sh", "-c", script, user=alice, check=False).stdout
    assert f"owned by {NOBODY}" in said
    assert f" {first} {UNIT}\n" in said, "it is not believed there: this tests nothing"
    assert "granted" not in said and "written" not in said
    # and outside nothing has changed
    with Namespace(alice) as namespace:
        assert not namespace.map("uid", 0, first, 1)
