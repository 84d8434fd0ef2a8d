# SPDX-License-Identifier: ISC
"""`make install PREFIX=/usr/local`: programs, modules, units, texts and tools work from there, and nothing is below /usr.

A build of its own, in build/local, which `make check-e2e` has made before.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT, Host, run, wait_until

PREFIX = "/usr/local"
SUBUID, SUBUIDD = f"{PREFIX}/bin/subuid", f"{PREFIX}/sbin/subuidd"
MAKE = ("make", "-C", ROOT, f"PREFIX={PREFIX}", "BUILD=build/local")
# What must not be named: our places of PREFIX=/usr.
PLACES = re.compile(r"(?<!local)/usr/(?:libexec/subuidd|sbin/subuidd|bin/subuid|lib/subuidd|share/subuidd|lib/systemd/system/user@)")


def of_ours(top):
    """Files below the directory that are ours, by their names."""
    return [path for path in Path(top).rglob("*") if path.is_file() and ROOT not in path.parents and
            re.search(r"subuid|tools\.d", str(path))]


@pytest.fixture(scope="module")
def local():
    run(*MAKE, "install", env={"MAKEFLAGS": ""}, timeout=900)
    machine = Host()
    said = run(SUBUID, "setup").stdout
    run(SUBUIDD)
    machine.start_sshd()
    yield machine, said
    machine.sshd.terminate()


@pytest.mark.timeout(1000)
def test_all_of_it_works_from_there(local, tmp_path):
    machine, said = local
    assert not os.path.exists("/usr/sbin/subuidd") and not os.path.exists("/usr/bin/subuid")
    assert f"{PREFIX}/lib" in Path("/etc/pam.d/common-account").read_text(), "libpam looks for a bare name elsewhere"
    owner = machine.new_user()
    key = machine.new_key(tmp_path)
    run(SUBUID, "add", "web1", "--key", "-", "--role", "push,sftp,borg", user=owner, input=Path(f"{key}.pub").read_text())
    name = f"{owner}+web1"
    assert run("getent", "passwd", name).stdout.strip().endswith(f":{PREFIX}/libexec/subuidd/login")
    doctor = run(SUBUID, "doctor", check=False)
    assert doctor.returncode == 0, doctor.stdout

    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("pushed")
    machine.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:d/")
    assert run("cat", f"/home/{owner}/subuid/web1/d/file", user=owner).stdout == "pushed"
    run("sftp", "-b", "-", *machine.ssh_options(key), f"{name}@127.0.0.1", input=f"get d/file {tmp_path}/back\n")
    assert (tmp_path / "back").read_text() == "pushed"
    if shutil.which("borg"):
        rsh = " ".join(["ssh", *machine.ssh_options(key)])
        run("borg", "init", "-e", "none", f"ssh://{name}@127.0.0.1/borg",
            env={"BORG_RSH": rsh, "HOME": str(tmp_path), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"})
    wait_until(lambda: "push" in run(SUBUID, "log", "web1", user=owner).stdout or
               "rsync" in run(SUBUID, "log", "web1", user=owner).stdout, "the run is recorded")
    refused = machine.ssh(key, name, "cat", "/etc/passwd")
    assert refused.returncode != 0 and refused.stdout == ""

    assert run(SUBUID, "range", "add", "65536", user=owner).returncode == 0
    assert run(SUBUID, "exec", "web1", "--", "cat", "d/file", user=owner).stdout == "pushed"
    run(SUBUID, "state", "save", tmp_path / "state")
    run(SUBUID, "state", "verify", tmp_path / "state")
    assert run(SUBUID, "check", "--all").returncode == 0
    run(SUBUID, "lock", "web1", user=owner)
    assert machine.rsync(key, "-a", f"{tmp_path}/data/", f"{name}@127.0.0.1:d/", check=False).returncode != 0


def test_nothing_names_the_places_of_another_prefix(local):
    installed = of_ours(PREFIX)
    assert {"subuidd.service", "subuid.1", "sshd.conf", "sftp.conf", "subuidd.conf", "50-subuidd.conf"} <= {path.name for path in installed}
    for path in [*installed, Path("/etc/polkit-1/rules.d/40-subuidd.rules"), Path("/etc/ssh/sshd_config.d/50-subuidd.conf")]:
        text = path.read_bytes().decode(errors="replace")
        assert not PLACES.search(text), (path, PLACES.search(text)[0])
        if path.suffix == ".service":
            for program in re.findall(r"^Exec\w+=\+?(/usr/\S+)", text, re.M):
                assert os.access(program, os.X_OK), (path, program)
    assert of_ours("/usr/lib/systemd") == of_ours("/usr/libexec") == []
    assert run("man", "-w", "subuid").stdout.startswith(f"{PREFIX}/")
    completion = f"source {PREFIX}/share/bash-completion/completions/subuid; complete -p subuid"
    assert "_subuid" in run("bash", "-c", completion).stdout


def test_what_is_installed_there_is_uninstalled(local):
    """The last of this file."""
    pid = int(run("pgrep", "-x", "-o", "subuidd").stdout)
    os.kill(pid, 15)
    wait_until(lambda: run("pgrep", "-x", "subuidd", check=False).returncode == 1, "it stops")
    run(SUBUID, "setup", "--undo", "--keep-data")
    run(*MAKE, "uninstall", env={"MAKEFLAGS": ""}, timeout=300)
    left = [path for top in (PREFIX, "/etc") for path in of_ours(top) if "/etc/sub" not in str(path)]
    assert left == [], left
