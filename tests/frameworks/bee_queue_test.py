#!/usr/bin/env python3
"""bee-queue: results, retries, delays, workers that are killed."""

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario


def client(place, action, *more):
    return place.run_node(action, "bee_queue.js", action, *more)


@scenario
def jobs(place):
    for action in ("results", "retriesAndDelays"):
        client(place, action)


@scenario
def killed_worker(place):
    """A worker brings back what has not been refreshed for stallInterval."""
    first = place.node_program("worker", "bee_queue.js", "worker")
    client(place, "send", "middle")
    place.wait_for_mark("began middle")
    first.kill()
    place.open_gate("middle")
    place.node_program("second", "bee_queue.js", "worker")
    place.wait_for_mark("ended middle")
    client(place, "awaitHeld")
    expect(place.marks("began") == ["middle", "middle"], "two attempts", place.marks())


@scenario
def killed_server(place):
    workers = [place.node_program(f"worker{n}", "bee_queue.js", "worker") for n in range(2)]
    producer = place.node_program("producer", "bee_queue.js", "produce")

    def supervise():
        # A worker ends when the server has lost its scripts: bee_queue.js.
        for number, program in enumerate(workers):
            if not program.running:
                workers[number] = place.node_program(program.name, "bee_queue.js", "worker")

    acknowledged = kill_server_while_enqueuing(place, producer)
    expect_all_done(place, acknowledged, supervise)


main()
