#!/usr/bin/env python3
"""BullMQ: results, retries, order, flows, limits, schedulers, workers that are killed."""

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario


def client(place, action, *more):
    return place.run_node(action, "bullmq.js", action, *more)


@scenario
def results_and_retries(place):
    client(place, "results")
    client(place, "retries")


@scenario
def order_and_flow(place):
    client(place, "order")
    client(place, "flow")


@scenario
def limits_and_repeat(place):
    client(place, "limits")
    client(place, "repeat")


@scenario
def killed_worker(place):
    """The job is stalled when its lock has run out; another worker takes it."""
    first = place.node_program("worker", "bullmq.js", "worker")
    client(place, "send", "middle")
    place.wait_for_mark("began middle")
    first.kill()
    place.open_gate("middle")
    place.node_program("second", "bullmq.js", "worker")
    place.wait_for_mark("ended middle")
    client(place, "awaitHeld")
    expect(place.marks("began") == ["middle", "middle"], "two attempts", place.marks())


@scenario
def killed_server(place):
    workers = [place.node_program(f"worker{n}", "bullmq.js", "worker") for n in range(2)]
    producer = place.node_program("producer", "bullmq.js", "produce")
    acknowledged = kill_server_while_enqueuing(place, producer)
    expect_all_done(place, acknowledged)
    expect(all(worker.running for worker in workers), "the workers survive the restart")


main()
