"""Ask a DNS server for the address of a name: ``python resolve.py SERVER NAME`` ends with 0 if it has one."""

from __future__ import annotations

import socket
import struct
import sys

_QUERY = 0x4C53
_TIMEOUT = 0.5


def has_address(server: str, name: str) -> bool:
    """Whether the server answers with an address within half a second."""
    question = b"".join(struct.pack("B", len(part)) + part.encode() for part in name.split(".")) + b"\0"
    message = struct.pack(">HHHHHH", _QUERY, 0x0100, 1, 0, 0, 0) + question + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(_TIMEOUT)
        try:
            asking.sendto(message, (server, 53))
            answer = asking.recv(512)
        except OSError:
            return False
    identity, flags, _, answers = struct.unpack(">HHHH", answer[:8])
    return bool(identity == _QUERY and flags & 0xF == 0 and answers)


if __name__ == "__main__":
    sys.exit(not has_address(sys.argv[1], sys.argv[2]))
