# SPDX-License-Identifier: ISC
"""`borg serve`, for which "/" and "~" are the home of the account, as they are for rsync and sftp: ssh://HOST/d, /~/d and
/./d are one repository, HOME/d. Run confined, as the account; borg's own check of the path (--restrict-to-path) comes after
this, and the kernel's around both. The path of the home itself goes on meaning the home."""

import os
import sys

HOME = os.environ["SUBUID_HOME"]


def inside(path):
    path = os.fsdecode(path)
    for start in ("/~", "~", "/."):
        if path == start or path.startswith(start + "/"):
            path = path[len(start):]
            break
    if path != HOME and not path.startswith(HOME + "/"):
        path = HOME + "/" + path
    return os.path.realpath(path)


def main():
    try:
        from borg import archiver, remote
    except ImportError:
        sys.exit("subuid: borg: not installed on this host")
    if not hasattr(remote.RepositoryServer, "_resolve_path"):
        sys.exit("subuid: borg: not a version that is known here (1.1 to 1.4); ask the administrator of this host")
    remote.RepositoryServer._resolve_path = lambda self, path: inside(path)
    sys.argv[0] = "borg"
    sys.exit(archiver.main())


if __name__ == "__main__":
    main()
