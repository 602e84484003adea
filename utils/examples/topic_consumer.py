#!/usr/bin/env python3
"""Joins a group of consumers of topics and prints the records that it is given.

A line has partition, ID, key and the field `value`, separated by tabs. What is printed is
committed, so each record is printed at least once: after a lost connection or a crash, records that
were printed and not committed are printed again. SIGINT and SIGTERM end the program; its partitions
then go to the other members at once.
"""

import argparse
import signal
import sys
import time

import redis


class Consumer:
    def __init__(self, options):
        self.options = options
        # The one thread uses the same connection of the pool for all calls, which the positions of
        # the member depend on. After an error the next call connects again. A server that is silent
        # for longer than BLOCK is gone.
        self.server = redis.Redis(options.host, options.port, decode_responses=True,
                                  socket_timeout=10)
        self.stopping = False

    def stop(self, *_):
        self.stopping = True

    def fetch(self):
        """What the member is given next: for each partition its name, epoch and records."""
        # BLOCK is short, so that a signal is noticed soon.
        return self.server.execute_command(
            "TREADGROUP", self.options.group, self.options.member, "COUNT", 100, "BLOCK", 1000,
            "WITHKEY", "FROM", "EARLIEST", "TOPICS", *self.options.topic) or []

    def process(self, partition, records):
        """This is where a real consumer would do its work."""
        for record_id, fields, key in records:
            value = dict(zip(fields[::2], fields[1::2])).get("value", "")
            print(partition, record_id, key or "", value, sep="\t")
        sys.stdout.flush()

    def commit(self, partition, epoch, last_id):
        try:
            self.server.execute_command("TCOMMIT", self.options.group, partition, epoch, last_id)
        except redis.ResponseError as error:
            # Another member has this partition now, or TGROUP RESET has moved it: the work on these
            # records does not count. The other partitions are not concerned.
            if not str(error).startswith("FENCED"):
                raise
            print("dropped:", error, file=sys.stderr)

    def run(self):
        while not self.stopping:
            try:
                for partition, epoch, records in self.fetch():
                    self.process(partition, records)
                    self.commit(partition, epoch, records[-1][0])
            except (redis.ConnectionError, redis.TimeoutError) as error:
                # The rest of the batch is dropped. What is not committed is given again.
                self.wait(error)
            except redis.ResponseError as error:
                # Another process calls as the same member.
                if not str(error).startswith("FENCED"):
                    raise
                self.wait(error)
        # Without this the partitions would wait for the member until the end of GRACE-MS.
        self.server.execute_command("TGROUP", "LEAVE", self.options.group, self.options.member)

    @staticmethod
    def wait(reason):
        """Not being served is no end: the next call joins again."""
        print("waiting:", reason, file=sys.stderr)
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the server (%(default)s)")
    parser.add_argument("--port", type=int, default=6379, help="its port (%(default)s)")
    parser.add_argument("--group", required=True, help="the group; it is made if it is missing")
    parser.add_argument("--member", required=True, help="a name that no other process uses")
    parser.add_argument("topic", nargs="+", help="names of topics, and patterns such as 'orders.*'")
    consumer = Consumer(parser.parse_args())
    signal.signal(signal.SIGINT, consumer.stop)
    signal.signal(signal.SIGTERM, consumer.stop)
    try:
        consumer.run()
    except redis.RedisError as error:
        sys.exit(f"topic_consumer: {error}")


if __name__ == "__main__":
    main()
