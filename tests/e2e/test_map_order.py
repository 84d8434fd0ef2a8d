# SPDX-License-Identifier: ISC
"""The map of a container never moves, and what is listed for an owner does not grow with sub-accounts."""

import pwd
from pathlib import Path

import pytest

from conftest import run, wait_until
from test_enter import published

UNIT = 65536
FILES = [Path("/etc/subuid"), Path("/etc/subgid")]


def listed(owner):
    """As podman gets it, of uids and of gids: the map of its containers, piece by piece."""
    found = []
    for kind in ([], ["-g"]):
        words = [line.split()[2:] for line in run("getsubids", *kind, owner, check=False).stdout.splitlines()]
        ids = [int(first) + i * UNIT for first, count in words for i in range(int(count) // UNIT)]
        found.append(ids)
    assert found[0] == found[1]
    return found[0]


def range_add(host, user, *words):
    return host.subuid_json("range", "add", str(UNIT), *words, user=user)["first"]


@pytest.mark.parametrize("mode, base", [("plugin", 100), ("both", 200), ("files", 300)])
def test_what_is_mapped_stays_where_it_is_whatever_is_added(host, tmp_path, mode, base):
    """A line of useradd's, ranges, a line of root's, ranges for sub-accounts: in the order in which they came."""
    owner, name, _ = host.account(tmp_path)
    with published(host, mode):
        def root_adds(first):
            for file in FILES:
                file.write_text(file.read_text() + f"{owner}:{first}:{UNIT}\n")

        root_adds((base + 20) * UNIT)
        order = [(base + 20) * UNIT]

        def grows(first):
            order.append(first)
            wait_until(lambda: listed(owner) == order, f"{listed(owner)} is {order}")

        grows(range_add(host, owner))
        root_adds((base + 10) * UNIT)  # a lower number
        grows((base + 10) * UNIT)
        range_add(host, owner, name)  # a sub-account's
        assert listed(owner) == order
        grows(range_add(host, owner))
        grows(range_add(host, owner))  # its neighbour
        for file in FILES:  # by the uid, as useradd does for some
            file.write_text(file.read_text() + f"{pwd.getpwnam(owner).pw_uid}:{(base + 30) * UNIT}:{UNIT}\n")
        grows((base + 30) * UNIT)
        grows(range_add(host, owner))
        words = host.subuid("idmap", user=owner).stdout.split()
        assert [int(first) for first in words[1::3]] == [first for first in order if first > 1000 * UNIT]
        # taking up a line of the file moves nothing
        host.subuid("adopt", "--owner", owner)
        assert listed(owner) == order
        # the same in every mode, also if lines of ours come into a file which has others by now
        for other in {"plugin", "both", "files"} - {mode}:
            with published(host, other):
                wait_until(lambda: listed(owner) == order, f"{other}: {listed(owner)} is {order}")
        # of a neighbour's end the rest stays in its place
        host.subuid("range", "remove", "--yes", str(order[-1]), user=owner)
        assert listed(owner) == order[:-1]


def test_what_came_first_is_no_matter_of_its_number(host, tmp_path):
    """The control: sorted by number, as it was, the second range would come before the first."""
    owner = host.new_user()
    for file in FILES:
        file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith(f"{owner}:")))
    low, high = range_add(host, owner), range_add(host, owner)
    host.subuid("range", "remove", "--yes", str(low), user=owner)
    host.subuid("release", str(low))
    row = f'{{"kind": "range", "owner": "{owner}", "first": {low}, "count": {UNIT}}}\n'
    host.subuid("import", "-", input=row)
    assert low < high and listed(owner) == [high, low]


@pytest.mark.parametrize("mode", ["plugin", "both", "files"])
def test_what_is_listed_does_not_grow_with_sub_accounts(host, tmp_path, mode):
    """214 of them filled the page that newuidmap writes."""
    owner, stranger = host.new_user(), host.new_user()
    first = range_add(host, owner)
    host.subuid("limit", owner, "--accounts", 1000)
    file = tmp_path / "rows.jsonl"
    # by turns with another owner's: no two uids are neighbours
    file.write_text("".join(f'{{"kind": "account", "owner": "{who}", "label": "s{i}"}}\n' for i in range(400) for who in (owner, stranger)))
    host.subuid("limit", stranger, "--accounts", 1000)
    host.subuid("import", file)
    uid = pwd.getpwnam(f"{owner}+s399").pw_uid
    assert abs(uid - pwd.getpwnam(f"{owner}+s398").pw_uid) > 1
    with published(host, mode):
        wait_until(lambda: listed(owner) == [first], "it is listed")
        assert run("getsubids", owner).stdout.count("\n") == 1
        maps = run("unshare", "--map-auto", "--map-root-user", "cat", "/proc/self/uid_map", user=owner).stdout if mode != "plugin" else ""
        assert mode == "plugin" or str(first) in maps
        assert host.subuid("exec", "s399", "--", "cat", "/proc/self/uid_map", user=owner).stdout.split()[3] == str(uid)
