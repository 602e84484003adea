"""The jobs of the RQ test, and what a client does with them: rq_jobs.py ACTION."""

import datetime
import os
import sys
import time

import redis
import rq
import rq.job
import rq.registry

import jobs


def add(a, b):
    return a + b


def fail():
    jobs.mark("attempt")
    raise ValueError("on purpose")


def hold(name):
    """A job in the middle of which a test does something."""
    jobs.mark("began", name, os.getpid())
    jobs.gate(name)
    jobs.mark("ended", name)
    return name


def do(number):
    jobs.mark("done", number)


def nothing(word):
    if word:
        jobs.mark(word)


def client():
    connection = redis.Redis(port=jobs.PORT)
    return rq.Queue(connection=connection), connection


def await_status(job, status):
    jobs.eventually(lambda: job.get_status(refresh=True) == status, f"{job.id} is {status}")


def results():
    queue, connection = client()
    many = [queue.enqueue(rq_jobs.add, n, 1) for n in range(5)]
    for number, job in enumerate(many):
        await_status(job, "finished")
        assert rq.job.Job.fetch(job.id, connection=connection).result == number + 1
    assert set(queue.finished_job_registry.get_job_ids()) == {job.id for job in many}
    first = queue.enqueue(rq_jobs.add, 1, 1)
    second = queue.enqueue(rq_jobs.add, 2, 2, depends_on=first)
    await_status(second, "finished")
    urgent = queue.enqueue(rq_jobs.add, 3, 3, at_front=True, meta={"from": "test"})
    await_status(urgent, "finished")
    assert urgent.get_meta() == {"from": "test"}


def retries():
    queue, _ = client()
    job = queue.enqueue(rq_jobs.fail, retry=rq.Retry(max=2))
    await_status(job, "failed")
    assert jobs.marks().count("attempt") == 3, jobs.marks()
    assert job.id in queue.failed_job_registry.get_job_ids()
    job.refresh()
    assert "on purpose" in job.exc_info, job.exc_info
    # With an interval, the scheduler brings the second attempt.
    job = queue.enqueue(rq_jobs.fail, retry=rq.Retry(max=1, interval=[1]))
    await_status(job, "failed")
    assert jobs.marks().count("attempt") == 5, jobs.marks()
    # Out of the registry by hand.
    queue.failed_job_registry.requeue(job.id)
    jobs.eventually(lambda: jobs.marks().count("attempt") == 6, "the sixth attempt")


def scheduled():
    queue, _ = client()
    job = queue.enqueue_in(datetime.timedelta(milliseconds=300), rq_jobs.add, 5, 6)
    assert job.get_status() == "scheduled"
    assert job.id in queue.scheduled_job_registry.get_job_ids()
    await_status(job, "finished")
    assert job.id not in queue.scheduled_job_registry.get_job_ids()


def send_hold():
    queue, _ = client()
    print(queue.enqueue(rq_jobs.hold, sys.argv[2]).id)


def await_failed():
    """Waits until the job is in the FailedJobRegistry; prints why."""
    queue, connection = client()
    jobs.eventually(lambda: sys.argv[2] in queue.failed_job_registry.get_job_ids(), "it has failed")
    print(rq.job.Job.fetch(sys.argv[2], connection=connection).exc_info)


def abandon():
    """Cleans the StartedJobRegistry up as a worker does, ten minutes from now."""
    queue, _ = client()
    assert sys.argv[2] in queue.started_job_registry.get_job_ids()
    queue.started_job_registry.cleanup(time.time() + 600)
    assert sys.argv[2] not in queue.started_job_registry.get_job_ids()


def requeue():
    queue, connection = client()
    job = rq.job.Job.fetch(sys.argv[2], connection=connection)
    job.requeue()
    await_status(job, "finished")
    assert job.result == "middle", job.result
    assert sys.argv[2] not in queue.failed_job_registry.get_job_ids()


def produce():
    queue, _ = client()

    def enqueue(number):
        try:
            queue.enqueue(rq_jobs.do, number, result_ttl=0)
            return True
        except redis.exceptions.RedisError as error:
            print(f"not acknowledged: {number}: {error!r}")
            return False
    jobs.enqueue_until_closed(enqueue)


def speed():
    queue, _ = client()
    jobs.enqueue_to_measure(lambda word: queue.enqueue(rq_jobs.nothing, word), *sys.argv[2:])


if __name__ == "__main__":
    import rq_jobs  # the jobs by the name under which the worker finds them
    globals()[sys.argv[1]]()
