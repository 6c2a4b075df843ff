"""Ports of loopback for servers that cannot take a free one by themselves."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
# Linux gives out ports from 32768 on (net.ipv4.ip_local_port_range).
_LISTENING = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Free ones below those that the kernel gives out by itself: of these one may be somebody's outgoing
    connection by the time that a server wants to listen there. Ask right before it is started."""
    probes: list[socket.socket] = []
    try:
        for port in random.sample(_LISTENING, len(_LISTENING)):
            probe = socket.socket()
            probes.append(probe)
            try:
                probe.bind((HOST, port))
            except OSError:
                probes.remove(probe)
                probe.close()
            if len(probes) == count:
                break
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
