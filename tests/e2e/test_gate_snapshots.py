# SPDX-License-Identifier: ISC
"""`.snapshots` of a key that only reads: the history of the home, which lies beside it, through the gate."""

import os
import shutil
from pathlib import Path

import pytest

from conftest import run
from gate_fixture import UID, describe, fill, gate  # noqa: F401

NAME = "2026-11-28T20:15:00Z"
OTHER = "2026-11-29T20:15:00Z"


@pytest.fixture
def history(gate):  # noqa: F811
    """Two snapshots beside the home, and a file of another one's."""
    fill(gate.src)
    gate.rsync("-aHAXS", "--numeric-ids", f"{gate.src}/", "host:")
    shown = gate.base / "snapshots"
    shown.mkdir(mode=0o755)
    for name in (NAME, OTHER):
        assert os.spawnlp(os.P_WAIT, "cp", "cp", "-a", str(gate.home), str(shown / name)) == 0
    gate.own(gate.home / "plain", "overwritten")
    gate.options = ["-ro", "-snapshots", "-absolute", "-fake-super"]
    return shown


@pytest.mark.parametrize("style", [[], ["--old-args"], ["--secluded-args"]], ids=["new-args", "old-args", "secluded"])
def test_everything_comes_back_from_a_snapshot(gate, history, style):  # noqa: F811
    gate.rsync("-aHAXS", "--numeric-ids", *style, f"host:.snapshots/{NAME}/", f"{gate.base}/back/")
    assert describe(gate.base / "back") == describe(gate.src)
    gate.rsync("-a", *style, f"host:/.snapshots/{NAME}/plain", f"{gate.base}/one")
    assert (gate.base / "one").read_text() == "plain\n"
    gate.rsync("-a", "host:plain", f"{gate.base}/today")
    assert (gate.base / "today").read_text() == "overwritten"  # the home itself, as ever


def test_they_can_be_listed(gate, history):  # noqa: F811
    refused = gate.rsync("host:.snapshots", check=False)  # clients refuse an answer by other names
    assert refused.returncode != 0 and "with a slash behind it" in refused.text
    for path in (".snapshots/", "/.snapshots/"):
        listed = gate.rsync(f"host:{path}").text
        assert NAME in listed and OTHER in listed and "plain" not in listed
    assert "plain" in gate.rsync(f"host:.snapshots/{OTHER}/").text
    back = gate.base / "back"
    gate.rsync("-aR", "--old-args", "host:.snapshots/2026*/plain", f"{back}/")
    assert {path.name for path in back.iterdir()} == {NAME, OTHER}
    assert ".snapshots" not in gate.rsync("host:").text  # it is not in the home


def test_nothing_else_beside_the_home_is_reached(gate, history):  # noqa: F811
    gate.own(gate.outside / "secret", "secret")
    os.symlink("../../outside/secret", history / NAME / "link")
    os.symlink(gate.outside, history / NAME / "directory")
    for path in (f".snapshots/{NAME}/../../outside/secret", ".snapshots/../outside/secret", f".snapshots/{NAME}/directory/secret",
                 f"../snapshots/{NAME}/plain", f"{history}/{NAME}/plain"):
        result = gate.rsync("-rL", f"host:{path}", f"{gate.base}/got/", check=False)
        assert result.returncode != 0 and not (gate.base / "got").exists(), path
    gate.rsync("-L", f"host:.snapshots/{NAME}/link", f"{gate.base}/got", check=False)
    assert not (gate.base / "got").exists() or (gate.base / "got").read_text() != "secret"
    # the control: without a gate both ways lead there
    gate.rsync("-L", f"host:../snapshots/{NAME}/link", f"{gate.base}/got", gated=False)
    assert (gate.base / "got").read_text() == "secret"


def test_home_and_snapshots_are_two_commands(gate, history):  # noqa: F811
    refused = gate.rsync("-a", "host:plain", f"host:.snapshots/{NAME}/plain", f"{gate.base}/got/", check=False)
    assert refused.returncode != 0 and "in two commands" in refused.text
    assert not (gate.base / "got/plain").exists()


def test_a_home_with_snapshots_of_its_own(gate, history):  # noqa: F811
    """A backup of a host that has snapper: its directory is a part of the backup, and ours is there too."""
    gate.own(gate.home / ".snapshots/1/snapshot/etc", "theirs")
    gate.rsync("-a", "host:.snapshots/", f"{gate.base}/theirs/")
    assert (gate.base / "theirs/1/snapshot/etc").read_text() == "theirs" and not (gate.base / "theirs" / NAME).exists()
    gate.rsync("-a", f"host:.snapshots/{NAME}/plain", f"{gate.base}/ours")
    assert (gate.base / "ours").read_text() == "plain\n"


def test_without_any_it_says_so(gate, history):  # noqa: F811
    history.chmod(0)  # nothing is mounted there
    refused = gate.rsync("-a", f"host:.snapshots/{NAME}/plain", f"{gate.base}/got", check=False)
    assert refused.returncode != 0 and "there are no snapshots" in refused.text
    shutil.rmtree(history)
    refused = gate.rsync("-a", f"host:.snapshots/{NAME}/plain", f"{gate.base}/got", check=False)
    assert refused.returncode != 0 and "there are no snapshots" in refused.text


@pytest.mark.parametrize("options", [["-wo"], ["-blind"], []], ids=["push", "blind", "sync"])
def test_who_may_write_has_none(gate, history, options):  # noqa: F811
    gate.options = [*options, "-absolute", "-fake-super"]
    before = sorted(path.name for path in history.iterdir())
    got = gate.rsync("-a", f"host:.snapshots/{NAME}/plain", f"{gate.base}/got", check=False)
    assert got.returncode != 0 and not (gate.base / "got").exists()
    gate.rsync("-a", f"{gate.src}/plain", "host:.snapshots/x/", "--mkpath", check=False)
    gate.rsync("-a", "--delete", f"{gate.src}/", f"host:.snapshots/{NAME}/", check=False)
    assert sorted(path.name for path in history.iterdir()) == before
    refused = gate.command("rsync --server . .", *options, "-snapshots")
    assert refused.returncode == 2 and "only with -ro" in refused.stderr


def test_nothing_in_them_is_removed_by_a_pull(gate, history):  # noqa: F811
    os.chown(history, UID, UID)
    refused = gate.rsync("-a", "--remove-source-files", f"host:.snapshots/{NAME}/plain", f"{gate.base}/got", check=False)
    assert refused.returncode != 0 and (history / NAME / "plain").exists()


# ---- sftp


@pytest.fixture
def sftp(host, tmp_path):
    """An account with a key that only reads, and one snapshot beside the home. Gives what sftp answers to commands."""
    owner, name, key = host.account(tmp_path, "sftp", "web1", None, "--read-only")
    place = Path(f"/srv/subuid/{owner}/web1")
    (place / "home/today").write_text("today")
    shown = place / "snapshots"
    shown.mkdir(mode=0o755, exist_ok=True)
    (shown / NAME).mkdir()
    (shown / NAME / "yesterday").write_text("yesterday")
    (shown / NAME / "way").symlink_to("/etc/passwd")
    (place / "secret").write_text("secret")

    def ask(*lines, key=key):
        said = run("sftp", "-b", "-", *host.ssh_options(key), f"{name}@127.0.0.1", input="".join(f"-{line}\n" for line in lines))
        return said.stdout

    ask.place, ask.owner, ask.name = place, owner, name
    yield ask
    shutil.rmtree(shown)
    (place / "secret").unlink()


def test_sftp_finds_them(host, sftp, tmp_path):
    got = tmp_path / "got"
    for path in (f"/.snapshots/{NAME}", f".snapshots/{NAME}", f"/srv/subuid/{sftp.owner}/web1/home/.snapshots/{NAME}"):
        got.unlink(missing_ok=True)
        sftp(f"get {path}/yesterday {got}")
        assert got.read_text() == "yesterday", path
    assert NAME in sftp("ls /.snapshots")
    said = sftp("cd /.snapshots", f"cd {NAME}", "pwd", "ls")
    assert f"/.snapshots/{NAME}" in said and "yesterday" in said
    assert "today" in sftp("ls /") and NAME not in sftp("ls -a /")


def test_sftp_gets_nowhere_else_from_there(host, sftp, tmp_path):
    got = tmp_path / "got"
    for path in ("/.snapshots/../secret", f"/.snapshots/{NAME}/../../secret", f"/.snapshots/{NAME}/way"):
        sftp(f"get {path} {got}")
        assert not got.exists(), path
    (sftp.place / "snapshots").chmod(0o777)
    (sftp.place / "snapshots" / NAME).chmod(0o777)
    for line in (f"rm /.snapshots/{NAME}/yesterday", f"rename /.snapshots/{NAME} /.snapshots/x", "mkdir /.snapshots/new"):
        sftp(line)
    assert (sftp.place / "snapshots" / NAME / "yesterday").exists() and len(list((sftp.place / "snapshots").iterdir())) == 1


def test_sftp_with_a_key_that_writes_has_none(host, sftp, tmp_path):
    key = host.new_key(tmp_path, "writes")
    host.subuid("key", "add", "web1", "-", "--role", "sftp", user=sftp.owner, input=Path(f"{key}.pub").read_text())
    got = tmp_path / "got"
    sftp(f"get /.snapshots/{NAME}/yesterday {got}", "mkdir /.snapshots", key=key)
    assert not got.exists() and (sftp.place / "home/.snapshots").is_dir()
    # from now on that name is the home's, and those of snapshots are still ours
    assert NAME not in sftp("ls /.snapshots")
    sftp(f"get /.snapshots/{NAME}/yesterday {got}")
    assert got.read_text() == "yesterday"
