"""How address ranges are cut into blocks, and which blocks are free. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network


class BlockPlan:
    """The blocks of some ranges, numbered from 0 in the order of the ranges.

    ranges         CIDRs that don't overlap, each at least one block large
    prefix_length  of a block: 24 for a /24
    Raises         ValueError for a range that is no CIDR or smaller than a block
    """

    def __init__(self, ranges: Sequence[str], prefix_length: int) -> None:
        self.ranges = tuple(ranges)
        self._networks = [IPv4Network(text) for text in ranges]
        for network in self._networks:
            if network.prefixlen > prefix_length:
                raise ValueError(f"{network} is smaller than a /{prefix_length} block")
        self._prefix_length = prefix_length
        self._block_size = 2 ** (32 - prefix_length)
        self._counts = [network.num_addresses // self._block_size for network in self._networks]
        self.count = sum(self._counts)

    def block(self, number: int) -> str:
        """CIDR of a block; IndexError outside 0 .. count - 1."""
        if number < 0:
            raise IndexError(number)
        for network, count in zip(self._networks, self._counts, strict=True):
            if number < count:
                address = network.network_address + number * self._block_size
                return f"{address}/{self._prefix_length}"
            number -= count
        raise IndexError(number)

    def free_blocks(self, start: int, *, occupied: Iterable[str]) -> Iterator[str]:
        """Blocks that touch none of the occupied CIDRs, each once, from block `start` (any number: it
        is taken modulo the count) to the end and on from the beginning."""
        taken = self._touched(occupied)
        for step in range(self.count):
            number = (start + step) % self.count
            if number not in taken:
                yield self.block(number)

    def describe(self) -> str:
        """ "10.42.64.0/18 and 10.42.128.0/17" """
        return " and ".join(self.ranges)

    def _touched(self, occupied: Iterable[str]) -> set[int]:
        numbers: set[int] = set()
        for text in occupied:
            other = IPv4Network(text, strict=False)
            first_number = 0
            for network, count in zip(self._networks, self._counts, strict=True):
                if network.overlaps(other):
                    base = int(network.network_address)
                    low = max(int(other.network_address), base) - base
                    high = min(int(other.broadcast_address), int(network.broadcast_address)) - base
                    numbers.update(
                        range(
                            first_number + low // self._block_size,
                            first_number + high // self._block_size + 1,
                        )
                    )
                first_number += count
        return numbers
