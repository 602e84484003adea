#!/usr/bin/env python3
"""Bull: results, retries, order, limits, repeated jobs, workers that are killed."""

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario


def client(place, action, *more):
    return place.run_node(action, "bull.js", action, *more)


@scenario
def jobs(place):
    for action in ("results", "retries", "order", "limitsAndRepeat"):
        client(place, action)


@scenario
def killed_worker(place):
    """The job is stalled when its lock has run out; another worker takes it."""
    first = place.node_program("worker", "bull.js", "worker")
    client(place, "send", "middle")
    place.wait_for_mark("began middle")
    first.kill()
    place.open_gate("middle")
    place.node_program("second", "bull.js", "worker")
    place.wait_for_mark("ended middle")
    client(place, "awaitHeld")
    expect(place.marks("began") == ["middle", "middle"], "two attempts", place.marks())


@scenario
def killed_server(place):
    workers = [place.node_program(f"worker{n}", "bull.js", "worker") for n in range(2)]
    producer = place.node_program("producer", "bull.js", "produce")
    acknowledged = kill_server_while_enqueuing(place, producer)
    expect_all_done(place, acknowledged)
    expect(all(worker.running for worker in workers), "the workers survive the restart")


main()
