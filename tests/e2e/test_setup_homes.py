# SPDX-License-Identifier: ISC
"""`subuid setup --homes`: a file system of their own for the homes, in a file or on a device."""

import pytest

from test_setup import scenario  # noqa: F401

IMAGE = "/var/lib/homes.img"

BEGIN = f"""
    image={IMAGE}
    device=
    trap 'umount -l /srv/subuid 2> /dev/null || true; [ -z "$device" ] || losetup -d "$device"; cd /; umount -l "$t"; rmdir "$t"' EXIT
    printf 'UUID=1 / ext4 defaults 0 1' > /etc/fstab
    snapshot > "$t/before"
    kind() {{ findmnt -n -o FSTYPE --mountpoint /srv/subuid; }}
"""


@pytest.mark.parametrize("fs", ["btrfs", "xfs", "ext4"])
def test_in_a_file_and_taken_back(scenario, fs):  # noqa: F811
    out = scenario(BEGIN + f"""
        subuid setup --homes $image:400M --fs {fs} --dry-run
        same before
        subuid setup --homes $image:400M --fs {fs}
        test "$(kind)" = {fs}
        test "$(stat -c '%U %a' /srv/subuid $image | tr '\\n' ' ')" = 'root 711 root 600 '
        test "$(stat -c %b $image)" -ge $((400 * 2048))  # it is reserved
        grep -q "^$image /srv/subuid {fs} nodev,nofail.*loop" /etc/fstab
        umount /srv/subuid && mount /srv/subuid  # as at a start of the host
        snapshot > "$t/on"
        subuid setup --homes $image:400M --fs {fs} | tee "$t/out"
        grep -q 'nothing had to be changed' "$t/out"
        same on
        subuid setup --undo --dry-run
        same on
        subuid setup --undo
        test ! -e $image
        sed -i -e '$a\\' /etc/fstab  # its last line had no end
        printf 'UUID=1 / ext4 defaults 0 1\\n' | cmp - /etc/fstab
        printf 'UUID=1 / ext4 defaults 0 1' > /etc/fstab
        same before
    """)
    assert f"made: a file system ({fs}) for the homes, 400M" in out


def test_homes_stay_and_are_taken_up_again(scenario):  # noqa: F811
    scenario(BEGIN + """
        subuid setup --homes $image:400M
        mkdir -p /srv/subuid/alice/web1 && echo data > /srv/subuid/alice/web1/file
        subuid setup --undo --keep-data | tee "$t/out"
        grep -q 'stays mounted: it has homes in it' "$t/out"
        test "$(kind)" = btrfs && grep -q /srv/subuid /etc/fstab && test -e $image
        umount /srv/subuid
        sed -i '/subuid/d' /etc/fstab
        subuid setup --homes $image | grep 'which is taken up'
        test "$(cat /srv/subuid/alice/web1/file)" = data
        fails subuid setup --homes $image --fs
    """)


def test_a_damaged_record_deletes_no_file_of_others(scenario):  # noqa: F811
    scenario(BEGIN + """
        echo precious > /var/lib/precious
        truncate -s 300M /var/lib/disk && mkfs.ext4 -q /var/lib/disk
        for file in precious disk; do
            subuid setup --homes $image:400M > /dev/null
            sed -i "s#$image#/var/lib/$file#" /var/lib/subuidd/setup.json
            grep -q /var/lib/$file /var/lib/subuidd/setup.json
            subuid setup --undo | tee "$t/out"
            grep -q "/var/lib/$file: stays" "$t/out" && test -e /var/lib/$file && rm $image
        done
        subuid setup --homes $image:400M && subuid setup --undo  # the control
        test ! -e $image
    """)


def test_on_a_device(scenario):  # noqa: F811
    scenario(BEGIN + """
        truncate -s 400M $t/disk
        device=$(losetup -f --show $t/disk)
        subuid setup --homes $device --fs xfs
        test "$(kind)" = xfs && grep -q '^UUID=.* /srv/subuid xfs nodev,nofail' /etc/fstab
        subuid setup --undo
        blkid -p -o value -s LABEL $device | grep -qx subuid-homes  # a disk is never emptied
        fails kind
    """)


@pytest.mark.parametrize("prepare, words, says", [
    ("", "$image", "say how large it is to be"),
    ("", "$image:1M", "too small"),
    ("", "homes.img:1G", "not an absolute path"),
    ("", "'/var/lib/two words:1G'", "without blanks"),
    ("", "/nowhere/homes.img:1G", "root alone can change"),
    ("mkdir -m 1777 /var/lib/open", "/var/lib/open/homes.img:1G", "root alone can change"),
    ("", "$image:400M --fs zfs", "use btrfs, xfs or ext4"),
    ("", "$image:999T", "make it smaller"),
    ("echo precious > $image", "$image", "nothing is ever overwritten"),
    ("echo precious > $image", "$image:400M", "exists already"),
    ("truncate -s 300M $image; mkfs.ext4 -q $image", "$image", "ext4, and nothing is ever overwritten"),
    ("mkdir $image", "$image", "neither a regular file nor a block device"),
    ("echo precious > /var/lib/other; ln -s other $image", "$image", "neither a regular file nor a block device"),
    ("mkdir -p /srv/subuid/alice", "$image:400M", "has homes in it already"),
    ("mkdir /srv/subuid; mount -t tmpfs -o mode=0755 tmpfs /srv/subuid", "$image:400M", "something is mounted there already"),
    ("printf '\\nx /srv/subuid xfs defaults 0 0\\n' >> /etc/fstab", "$image:400M", "has a line for /srv/subuid already"),
])
def test_what_cannot_be_is_refused_and_nothing_is_changed(scenario, prepare, words, says):  # noqa: F811
    out = scenario(BEGIN + f"""
        {prepare}
        snapshot > "$t/before"
        sum() {{ [ ! -f $image ] || sha256sum $image; }}
        sum > "$t/sum"
        fails subuid setup --homes {words} 2>&1
        sum | diff "$t/sum" -
        same before
    """)
    assert says in out, out
