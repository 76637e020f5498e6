#!/usr/bin/env python3
"""dnsquery.py SERVER NAME ADDRESS: exit 0 if the server says that NAME has that address."""

import socket
import struct
import sys


def query(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", 0x4C4C, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def main():
    server, name, address = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.sendto(query(name), (server, 53))
        answer = client.recv(512)
    # An A record ends with its four bytes, wherever the name before it was compressed.
    return 0 if socket.inet_aton(address) in answer[12:] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
