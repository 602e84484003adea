#!/usr/bin/env python3
"""Libraries of Node without workers: rsmq, Redlock, rate-limiter-flexible, socket.io's adapters."""

from harness import main, scenario


@scenario
def rsmq(place):
    place.run_node("queues", "rsmq.js", "queues")


@scenario
def redlock(place):
    place.run_node("rules", "redlock.js", "rules")
    for program in [place.node_program(f"enter{n}", "redlock.js", "enter", str(n))
                    for n in range(3)]:
        program.finish()
    place.run_node("judge", "redlock.js", "judge")


@scenario
def rate_limiter(place):
    place.run_node("limits", "rate_limiter.js", "limits")


@scenario
def socket_io(place):
    for adapter in ("pubsub", "sharded", "streams"):
        place.run_node(adapter, "socket_io.js", "rooms", adapter)


main()
