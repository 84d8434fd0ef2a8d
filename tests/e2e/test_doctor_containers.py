# SPDX-License-Identifier: ISC
"""subuid doctor --containers, its word about lines below ranges, and subuid setup --containers."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import run

FILES = [Path("/etc/subuid"), Path("/etc/subgid")]
MAPPERS = [Path("/usr/bin/newuidmap"), Path("/usr/bin/newgidmap")]


def checks(host, *argv):
    result = host.subuid("doctor", *argv, "--json", check=False)
    return result.returncode, {check["check"]: check for check in json.loads(result.stdout)["checks"]}


@contextmanager
def files_kept():
    before = [path.read_bytes() if path.exists() else None for path in FILES]
    try:
        yield
    finally:
        for path, content in zip(FILES, before):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)


def test_a_container_is_tried_and_what_is_missing_is_said(host):
    owner = host.new_user()
    with files_kept():
        for path in FILES:  # what useradd wrote
            path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(f"{owner}:")))
        status, said = checks(host, "--containers", owner)
        assert status == 1 and said["range"]["todo"] == f"subuid range add 65536 --owner {owner}" and "container" not in said
        host.subuid("range", "add", "65536", user=owner)
        status, said = checks(host, "--containers", owner)
        assert status == 0 and "ran in one" in said["container"]["found"], said
        for mapper in MAPPERS:
            for broken in ("mode", "gone"):
                mode = mapper.stat().st_mode
                aside = Path(f"{mapper}.aside")
                if broken == "mode":
                    mapper.chmod(0o755)
                else:
                    mapper.rename(aside)
                status, said = checks(host, "--containers", owner)
                if broken == "mode":
                    mapper.chmod(mode)
                else:
                    aside.rename(mapper)
                assert status == 1 and "uidmap" in said[str(mapper)]["todo"], said
                assert f"{mapper.name} does not map the range" in said["container"]["found"], said
    assert checks(host, "--containers", "nobody-of-this-name")[0] == 1
    assert checks(host, "--containers")[1]["owner"]["found"], "of anyone who has a range"
    assert host.subuid("doctor", owner, check=False).returncode == 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_line_that_came_below_a_range_is_told(host, path):
    first, second = host.new_user(), host.new_user()
    with files_kept():
        for file in FILES:
            file.write_text("".join(line for line in file.read_text().splitlines(True)
                                    if not line.startswith((f"{first}:", f"{second}:"))))
            with file.open("a") as lines:
                lines.write(f"{first}:700000000:65536\n")
        for owner in (first, second):
            host.subuid("range", "add", "65536", user=owner)
        said = checks(host)[1]
        assert "podman" not in said[str(path)]["found"], "the control: a line that was there before"
        with path.open("a") as lines:
            lines.write(f"{second}:800000000:65536\n")
        result = host.subuid("doctor", check=False)
        assert f"{second} has ids from 800000000 on, which came after their range" in result.stdout
        assert f"{first} has ids from" not in result.stdout
        path.write_text(path.read_text().replace(f"{second}:800000000:65536\n", f"{second}:2000000000:65536\n"))
        assert "which came after their range" not in host.subuid("doctor", check=False).stdout, "above it nothing moves"


def test_without_systemd_nothing_is_delegated(host):
    dropin = Path("/etc/systemd/system/user@.service.d/60-subuidd-delegate.conf")
    result = host.subuid("setup", "--containers", "--dry-run")
    assert "containers" in result.stdout and not dropin.exists()
    assert host.subuid("setup", "--containers", "--undo", check=False).returncode == 2
