#!/usr/bin/env python3
"""node-resque: queues, delayed jobs, plugins, and a worker that is killed."""

from harness import expect, main, scenario


@scenario
def jobs(place):
    place.node_program("worker", "resque.js", "worker", "one")
    place.run_node("run", "resque.js", "run")


@scenario
def killed_worker(place):
    """A scheduler finds that the worker has been silent for stuckWorkerTimeout, and tries again."""
    first = place.node_program("worker", "resque.js", "worker", "one")
    place.run_node("send", "resque.js", "send", "middle")
    place.wait_for_mark("began middle")
    first.kill()
    place.open_gate("middle")
    place.node_program("second", "resque.js", "worker", "two")
    place.wait_for_mark("ended middle")
    expect(place.marks("began") == ["middle", "middle"], "two attempts", place.marks())


main()
