from __future__ import annotations

from engine.local.agenda import Agenda
from engine.local.clock import SteppedClock
from engine.local.world import World


def test_entries_happen_in_the_order_they_are_due():
    agenda, seen = Agenda(), []
    agenda.at(2.0, lambda _: seen.append("second"))
    agenda.at(1.0, lambda _: seen.append("first"))
    agenda.at(2.0, lambda _: seen.append("third"))
    agenda.at(9.0, lambda _: seen.append("never"))
    agenda.run(2.0)
    assert seen == ["first", "second", "third"]


def test_a_cancelled_entry_does_not_happen():
    agenda, seen = Agenda(), []
    agenda.at(1.0, seen.append).cancel()
    agenda.run(5.0)
    assert seen == []


def test_chains_keep_their_distances_however_late_they_run():
    # GIVEN two steps of 3 s, and a clock that jumps
    clock = SteppedClock(start=100.0)
    world, seen = World(region="us-east-1", clock=clock), []
    world.after(3.0, lambda at: (seen.append(at), world.after(3.0, seen.append)))
    # WHEN time jumps over both THEN each happened when it was due
    clock.advance(50)
    world.tick()
    assert seen == [103.0, 106.0]
    assert world.now() == 150.0
