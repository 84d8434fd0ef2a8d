# SPDX-License-Identifier: ISC
"""What programs ask, in this process: the NSS module, libsubid with its plug-in; and the daemon on one connection."""

import ctypes
import json
import socket

from conftest import SOCKET

INTERFACE = "io.subuidd.Accounts."


class Passwd(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("password", ctypes.c_char_p), ("uid", ctypes.c_uint32),
                ("gid", ctypes.c_uint32), ("comment", ctypes.c_char_p), ("home", ctypes.c_char_p),
                ("shell", ctypes.c_char_p)]


class Nss:
    """The module itself, as glibc loads it: status, then the entry."""

    SUCCESS, NOTFOUND, UNAVAIL = 1, 0, -1

    def __init__(self):
        self.module = ctypes.CDLL("libnss_subuid.so.2")
        self.buffer = ctypes.create_string_buffer(1024)
        self.errno = ctypes.c_int()
        self.entry = Passwd()

    def by_name(self, name):
        status = self.module._nss_subuid_getpwnam_r(
            name.encode(), ctypes.byref(self.entry), self.buffer, ctypes.c_size_t(1024), ctypes.byref(self.errno))
        return status, self.entry.uid if status == self.SUCCESS else None

    def by_uid(self, uid):
        status = self.module._nss_subuid_getpwuid_r(
            ctypes.c_uint32(uid), ctypes.byref(self.entry), self.buffer, ctypes.c_size_t(1024),
            ctypes.byref(self.errno))
        return status, self.entry.name.decode() if status == self.SUCCESS else None

    def name_of(self, uid):
        """The name, None when nobody has it, or what went wrong."""
        status, name = self.by_uid(uid)
        return name if status in (self.SUCCESS, self.NOTFOUND) else f"status {status}, errno {self.errno.value}"


class Piece(ctypes.Structure):
    _fields_ = [("first", ctypes.c_ulong), ("count", ctypes.c_ulong)]


class Subid:
    """libsubid and the plug-in that it loads; has_range, which libsubid keeps for newuidmap, by the plug-in itself."""

    SUCCESS, UNKNOWN = 0, 1
    UID, GID = 1, 2  # enum subid_type

    def __init__(self):
        self.library = ctypes.CDLL("libsubid.so")
        self.plugin = ctypes.CDLL("libsubid_subuid.so")
        # shadow 4.16 and later: what a plug-in handed out goes back to it
        self.free = getattr(self.library, "subid_free", None) or ctypes.CDLL(None).free
        self.free.argtypes, self.free.restype = [ctypes.c_void_p], None

    def taken(self, function, argument, of):
        """What is in the array that the library hands out; None: it says that it cannot tell, or does not know the user."""
        array = ctypes.POINTER(of)()
        count = function(argument, ctypes.byref(array))
        found = [array[i] for i in range(count)]
        if of is Piece:
            found = [(piece.first, piece.count) for piece in found]  # out of memory that goes
        if array:
            self.free(array)
        return found if count >= 0 else None

    def pieces(self, user, kind=UID):
        """[(first, count)]."""
        function = self.library.subid_get_uid_ranges if kind == self.UID else self.library.subid_get_gid_ranges
        return self.taken(function, user.encode(), Piece)

    def owners(self, id, kind=UID):
        function = self.library.subid_get_uid_owners if kind == self.UID else self.library.subid_get_gid_owners
        return self.taken(function, ctypes.c_uint32(id), ctypes.c_uint32)

    def has(self, user, first, count, kind=UID):
        """True, False, or what went wrong; who is unknown has nothing."""
        holds = ctypes.c_bool(True)
        status = self.plugin.shadow_subid_has_range(
            user.encode(), ctypes.c_ulong(first), ctypes.c_ulong(count), kind, ctypes.byref(holds))
        if status not in (self.SUCCESS, self.UNKNOWN) or (status == self.UNKNOWN and holds.value):
            return f"status {status}, {holds.value}"
        return holds.value


class Client:
    """One connection, any number of calls; root's, for any owner."""

    def __init__(self):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(60)
        self.peer.connect(SOCKET)
        self.data = b""

    def call(self, method, **parameters):
        self.peer.sendall(json.dumps({"method": INTERFACE + method, "parameters": parameters}).encode() + b"\0")
        while b"\0" not in self.data:
            chunk = self.peer.recv(65536)
            if not chunk:
                raise ConnectionResetError("closed")
            self.data += chunk
        raw, self.data = self.data.split(b"\0", 1)
        return json.loads(raw)

    def close(self):
        self.peer.close()
