#!/usr/bin/env python3
"""Symfony Messenger with its transport for Redis, which uses streams with groups."""

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario

PHP = "/usr/bin/php"


def worker(place, consumer, **more):
    return place.start(f"worker-{consumer}", PHP, "symfony.php", "messenger:consume", "jobs",
                       "--sleep", "0.05", CONSUMER=consumer, **more)


def client(place, action):
    return place.run(action, PHP, "symfony.php", action)


def expect_nothing_pending(place):
    place.eventually(lambda: place.server.ask("XPENDING", "jobs", "workers")[0] == 0,
                     "everything is acknowledged")


def expect_nothing_left(place):
    expect_nothing_pending(place)
    place.eventually(lambda: place.server.ask("XLEN", "jobs") == 0, "everything is deleted")


@scenario
def messages_delays_and_retries(place):
    worker(place, "one")
    client(place, "run")
    client(place, "retry")
    expect_nothing_left(place)


@scenario
def killed_worker(place):
    """Another consumer claims what is pending for longer than redeliver_timeout, one second."""
    first = worker(place, "one")
    client(place, "hold")
    place.wait_for_mark("began middle one")
    first.kill()
    place.open_gate("middle")
    worker(place, "two")
    place.wait_for_mark("ended middle")
    expect(place.marks("began") == ["middle one", "middle two"], "two attempts", place.marks())
    expect_nothing_left(place)


@scenario
def killed_server(place):
    # SLOW: a message takes longer than dispatching, so that some messages always wait.
    workers = {name: worker(place, name, SLOW="yes") for name in ("one", "two")}
    producer = place.start("producer", PHP, "symfony.php", "produce")

    def supervise():
        # A worker ends when it loses its connection.
        for name in workers:
            if not workers[name].running:
                workers[name] = worker(place, name, SLOW="yes")

    acknowledged = kill_server_while_enqueuing(place, producer)
    expect_all_done(place, acknowledged, supervise)
    # Not XLEN: the worker acknowledges and deletes with two commands.
    expect_nothing_pending(place)


main()
