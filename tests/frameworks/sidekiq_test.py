#!/usr/bin/env python3
"""Sidekiq: jobs, retries, scheduled jobs, workers that end."""

from harness import expect, expect_all_done, kill_server_while_enqueuing, main, scenario

RUBY = "/usr/bin/ruby"


def worker(place, name="worker", concurrency=1):
    return place.start(name, RUBY, "/usr/bin/sidekiq", "-r", "sidekiq_jobs.rb", "-q", "default",
                       "-q", "other", "-c", str(concurrency), "-t", "1")


def client(place, action, *more):
    return place.run(action, RUBY, "sidekiq_jobs.rb", action, *more)


@scenario
def jobs_retries_and_schedule(place):
    worker(place, concurrency=5)
    client(place, "run_jobs")
    client(place, "retries")
    client(place, "scheduled")


@scenario
def stopped_worker(place):
    """What is not done at the timeout of a stop goes back to its queue."""
    first = worker(place)
    client(place, "send_hold", "middle")
    place.wait_for_mark("began middle")
    first.stop()
    place.open_gate("middle")
    worker(place, "second")
    place.wait_for_mark("ended middle")
    expect(place.marks("began") == ["middle", "middle"], "two attempts", place.marks())


@scenario
def killed_worker(place):
    """The free Sidekiq does not bring back what a killed worker had fetched, only what it had not.
    """
    first = worker(place)
    client(place, "send_hold_and_do", "middle")
    place.wait_for_mark("began middle")
    first.kill()
    place.open_gate("middle")
    worker(place, "second")
    place.wait_for_mark("done behind")
    expect(place.marks("began") == ["middle"], "one attempt", place.marks())
    expect(client(place, "count").split() == ["0"], "no job is left")


@scenario
def killed_server(place):
    program = worker(place)
    # While the only thread is busy it asks for nothing: a reply to BRPOP that the crash swallows is
    # lost with every server.
    client(place, "send_hold", "middle")
    place.wait_for_mark("began middle")
    producer = place.start("producer", RUBY, "sidekiq_jobs.rb", "produce")
    acknowledged = kill_server_while_enqueuing(place, producer)
    place.open_gate("middle")
    place.wait_for_mark("ended middle")
    expect_all_done(place, acknowledged)
    expect(program.running, "the worker survives the restart of the server")


main()
