# SPDX-License-Identifier: ISC
"""Backup programs that people bring, each as Debian has it and as its manual says, with a key that does what it needs and no
more. `make check-clients` runs this in a fresh Debian that has all of them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, run, wait_until
from test_tools import home_of, ssh_command, tree  # noqa: F401: a fixture


@pytest.fixture
def known(host, tmp_path):
    """A function that makes an account, and tells root's ssh about it as `web`, as its owner was told to: (name, key)."""
    directory = Path("/root/.ssh")
    directory.mkdir(mode=0o700, exist_ok=True)
    config, hosts = directory / "config", directory / "known_hosts"

    def account(role, *options):
        _, name, key = host.account(tmp_path, role, "web1", None, *options)
        key = key.rename(tmp_path / "id")
        config.write_text(f"Host web\nHostName 127.0.0.1\nUser {name}\nIdentityFile {key}\nIdentitiesOnly yes\nBatchMode yes\n")
        config.chmod(0o600)
        lines = [line.split(" ", 1)[1] for line in run("ssh-keyscan", "127.0.0.1").stdout.splitlines() if not line.startswith("#")]
        hosts.write_text("".join(f"{name} {line}\n" for line in lines for name in ("127.0.0.1", "web")))
        return name, key

    yield account
    config.unlink(missing_ok=True)
    hosts.unlink(missing_ok=True)


def runs(host, name, count=1):
    """(kind, tool, status) of all of them, of which there are at least so many."""
    found = wait_until(lambda: (rows := host.subuid_json("log", name)) and len(rows) >= count and rows, "the runs are recorded")
    return {(row["kind"], row["tool"], row["status"]) for row in found}


def pushed(host, name, tree):  # noqa: F811
    """What the account has, for those that fetch."""
    home = home_of(name)
    run("cp", "-r", tree, home / "d")
    run("chown", "-R", "--reference", home, home / "d")


# ---- by rsync

def test_lsyncd(host, known, tree, tmp_path):  # noqa: F811
    """By its default it says -s."""
    name, _ = known("push")
    config, log = tmp_path / "lsyncd.lua", tmp_path / "log"
    config.write_text(f'sync {{ default.rsync, source="{tree}", target="web:l", delay=1 }}\n')
    home = home_of(name)
    with log.open("w") as output, subprocess.Popen(["/usr/bin/lsyncd", "-nodaemon", "-log", "all", config], stdout=output,
                                                   stderr=subprocess.STDOUT) as lsyncd:
        try:
            wait_until(lambda: (home / "l/big").exists() and (home / "l/file").exists(), "the first copy is there")
            (tree / "file").rename(tree / "moved")
            wait_until(lambda: (home / "l/moved").exists() and not (home / "l/file").exists(), "it has moved there")
        finally:
            lsyncd.terminate()
    assert re.search(r"rsync .*\[-[a-z]*s", log.read_text()) and "Error" not in log.read_text()
    assert {kind for kind, _, _ in runs(host, name, 2)} == {"backup"}


def test_rsnapshot(host, known, tree, tmp_path):  # noqa: F811
    name, _ = known("pull")
    pushed(host, name, tree)
    config = tmp_path / "rsnapshot.conf"
    config.write_text("\n".join(line.replace(" ", "\t", 1) for line in (
        "config_version 1.2", f"snapshot_root {tmp_path}/snapshots/", "cmd_rsync /usr/bin/rsync", "cmd_ssh /usr/bin/ssh",
        "retain daily 3")).replace("retain\tdaily 3", "retain\tdaily\t3") + "\nbackup\tweb:/d/\tweb/\n")
    for number in range(2):
        run("rsnapshot", "-c", config, "daily")
    for number in range(2):
        assert (tmp_path / f"snapshots/daily.{number}/web/d/file").read_text() == "first"
    assert runs(host, name, 2) == {("read", "rsync", 0)}


def test_dirvish(host, known, tree, tmp_path):  # noqa: F811
    name, _ = known("pull")
    pushed(host, name, tree)
    vault = tmp_path / "bank/web/dirvish"
    vault.mkdir(parents=True)
    Path("/etc/dirvish").mkdir(exist_ok=True)
    Path("/etc/dirvish/master.conf").write_text(f"bank:\n\t{tmp_path}/bank\nimage-default: %Y%m%d\nRunall:\n\tweb\n")
    (vault / "default.conf").write_text("client: web\ntree: /d\n")
    run("dirvish", "--vault", "web", "--init")
    (found,) = (tmp_path / "bank/web").glob("2*/tree/file")
    assert found.read_text() == "first" and ("read", "rsync", 0) in runs(host, name)


def test_rsbackup(host, known, tree, tmp_path):  # noqa: F811
    name, _ = known("pull")
    pushed(host, name, tree)
    store, config = tmp_path / "store", tmp_path / "config"
    store.mkdir(mode=0o700)
    (store / "device-id").write_text("disk\n")
    config.write_text(f'store --no-mounted {store}\ndevice disk\nlock {tmp_path}/lock\nlogs {tmp_path}/logs\nhost web\n  host-check always-up\n  volume d /d\n')
    (tmp_path / "logs").mkdir()
    run("rsbackup", "--config", config, "--backup")
    (found,) = store.glob("web/d/*/file")
    assert found.read_text() == "first" and ("read", "rsync", 0) in runs(host, name)


def test_rsync_of_backuppc(host, known, tree, tmp_path):  # noqa: F811
    """With the arguments of BackupPC 4's RsyncArgs, --protect-args among them, into a pool of its own."""
    name, _ = known("pull")
    pushed(host, name, tree)
    top = tmp_path / "bpc"
    for part in ("pool", "cpool", "pc/web/0"):
        (top / part).mkdir(parents=True)
    run("/usr/libexec/backuppc-rsync/rsync_bpc", "--bpc-top-dir", top, "--bpc-host-name", "web", "--bpc-share-name", "/d",
        "--bpc-bkup-num", "0", "--bpc-bkup-comp", "3", "--bpc-bkup-prevnum", "-1", "--bpc-bkup-prevcomp", "-1",
        "--bpc-bkup-inode0", "2", "--bpc-attrib-new", "--bpc-log-level", "1", "--super", "--recursive", "--protect-args",
        "--numeric-ids", "--perms", "--owner", "--group", "-D", "--times", "--links", "--hard-links", "--delete", "--partial",
        "--log-format=log: %o %i %B %8U,%8G %9l %f%L", "--stats", "--iconv=utf8,UTF-8", "-e", "ssh", "web:/d/", "/")
    assert [path for path in (top / "cpool").rglob("*") if path.is_file()]
    assert runs(host, name) == {("read", "rsync", 0)}


def test_git_annex(host, known, tree, tmp_path):  # noqa: F811
    """Its special remote of the kind rsync."""
    name, _ = known("sync")
    env = {"HOME": str(tmp_path), "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def annex(*words):
        return run("git", *words, cwd=tree, env=env)

    annex("init", "-q", ".")
    annex("annex", "init", "here")
    annex("annex", "add", ".")
    annex("commit", "-qm", "x")
    annex("annex", "initremote", "there", "type=rsync", "rsyncurl=web:annex", "encryption=none")
    annex("annex", "copy", "--to", "there")
    annex("annex", "drop", "big")  # asks there first whether it has it
    assert not (tree / "big").exists()
    annex("annex", "get", "big")
    assert (tree / "big").stat().st_size == 300_000
    assert ("backup", "rsync", 0) in runs(host, name, 3)


@pytest.mark.parametrize("client", ["dbclient", "plink"])
def test_rsync_by_other_ssh_clients(host, known, tree, tmp_path, client):  # noqa: F811
    name, key = known("sync")
    rsh = other_client(client, key, tmp_path)
    run("rsync", "-a", "-e", rsh, f"{tree}/", f"{name}@127.0.0.1:/d/")
    run("rsync", "-a", "-e", rsh, f"{name}@127.0.0.1:d/", f"{tmp_path}/back/")
    assert (tmp_path / "back/file").read_text() == "first"
    assert runs(host, name, 2) == {("backup", "rsync", 0), ("read", "rsync", 0)}
    said = run(*rsh.split(), f"{name}@127.0.0.1", "id", check=False)
    assert said.returncode != 0 and "this key takes rsync" in said.stderr


def other_client(client, key, tmp_path):
    if client == "dbclient":
        run("dropbearconvert", "openssh", "dropbear", key, tmp_path / "id.db")
        return f"dbclient -y -y -i {tmp_path}/id.db"
    run("puttygen", key, "-o", tmp_path / "id.ppk")
    fingerprint = run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
    return f"plink -batch -i {tmp_path}/id.ppk -hostkey {fingerprint}"


# ---- by sftp

def test_putty(host, known, tree, tmp_path):  # noqa: F811
    name, key = known("sftp")
    words = other_client("plink", key, tmp_path).split()[1:]
    run("pscp", "-sftp", *words, tree / "file", f"{name}@127.0.0.1:/file")
    said = run("psftp", *words, f"{name}@127.0.0.1", "-b", "/dev/stdin", input=f"pwd\nput {tree}/big d\nren d e\nget e {tmp_path}/back\n")
    assert "Remote directory is /\n" in said.stdout.replace("\r", "") and (tmp_path / "back").stat().st_size == 300_000
    assert sorted(os.listdir(home_of(name))) == ["e", "file"]
    # with a key that has no sftp: its words are PuTTY's own, and the manual has them
    pushing = host.new_key(tmp_path, "pushing")
    owner, label = name.split("+")
    host.subuid("key", "add", label, "-", "--role", "push", user=owner, input=Path(f"{pushing}.pub").read_text())
    words = other_client("plink", pushing, tmp_path).split()[1:]
    manual = (ROOT / "man/subuid-tools.5").read_text()
    said = run("psftp", *words, f"{name}@127.0.0.1", "-b", "/dev/stdin", input="pwd\n", check=False).stderr.splitlines()[-1]
    assert said in manual, said
    said = run("pscp", *words, tree / "file", f"{name}@127.0.0.1:x", check=False).stderr.strip()
    assert said.replace(" x:", " FILE:") in manual, said


@pytest.mark.parametrize("scheme, role", [("sftp", "sftp"), ("pexpect+sftp", "sftp"), ("rsync", "sync")])
def test_duplicity(host, known, tree, tmp_path, scheme, role):  # noqa: F811
    name, key = known(role)
    url = "rsync://web//dup" if scheme == "rsync" else f"{scheme}://{name}@127.0.0.1/dup"
    options = ["--no-encryption", "--archive-dir", tmp_path / "archive", f"--ssh-options=-oIdentityFile={key}"]
    env = {"HOME": "/root"}
    if scheme == "rsync":  # it makes no directory
        (tmp_path / "empty").mkdir()
        run("rsync", "-a", f"{tmp_path}/empty/", "web:dup/")
    for text in ("first", "second"):
        (tree / "file").write_text(text)
        run("duplicity", *options, tree, url, env=env, timeout=120)
    run("duplicity", *options, "verify", url, tree, env=env, timeout=120)
    run("duplicity", *options, "restore", url, tmp_path / "back", env=env, timeout=120)
    assert (tmp_path / "back/file").read_text() == "second"
    assert "backup" in {kind for kind, _, status in runs(host, name, 2) if status == 0}


# ---- others

def test_borgmatic(host, known, tree, tmp_path):  # noqa: F811
    name, _ = known("borg")
    config = tmp_path / "config.yaml"
    version = run("borgmatic", "--version").stdout
    sections = (f"repositories:\n    - path: ssh://web/./repo\n      label: web\nsource_directories:\n    - {tree}\n"
                "encryption_passphrase: x\nrelocated_repo_access_is_ok: true\nkeep_daily: 3\nchecks:\n    - name: repository\n")
    old = (f"location:\n    source_directories:\n        - {tree}\n    repositories:\n        - ssh://web/./repo\nstorage:\n"
           "    encryption_passphrase: x\n    relocated_repo_access_is_ok: true\nretention:\n    keep_daily: 3\nconsistency:\n"
           "    checks:\n        - name: repository\n")
    config.write_text(old if version.startswith("1.7") else sections)
    env = {"HOME": str(tmp_path), "BORG_RSH": "ssh -F /root/.ssh/config"}
    run("borgmatic", "-c", config, "init", "-e", "repokey", env=env, timeout=120)
    run("borgmatic", "-c", config, env=env, timeout=200)  # create, prune, compact, check
    assert "archive" in run("borgmatic", "-c", config, "list", env=env).stdout.lower()
    found = runs(host, name, 4)
    assert ("backup", "borg", 0) in found and {status for _, _, status in found} == {0}


def test_autossh(host, tmp_path):
    import http.server
    import threading
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _, name, key = host.account(tmp_path, "forward", "web1", None, "--forward", f"127.0.0.1:{server.server_port}")
    tunnel = subprocess.Popen(["autossh", "-M", "0", "-N", *host.ssh_options(key), "-L", f"5000:127.0.0.1:{server.server_port}",
                               f"{name}@127.0.0.1"])
    try:
        wait_until(lambda: run("curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:5000/", check=False).returncode == 0, "it is there")
        session = run("pgrep", "-P", str(tunnel.pid), "ssh").stdout.split()[0]
        os.kill(int(session), 9)
        wait_until(lambda: run("curl", "-sf", "-o", "/dev/null", "http://127.0.0.1:5000/", check=False).returncode == 0, "and again")
    finally:
        tunnel.terminate()
        tunnel.wait(60)
        server.shutdown()
