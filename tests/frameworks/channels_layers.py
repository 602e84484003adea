"""Channel layers of Django Channels: channels_layers.py ACTION [LAYER]."""

import asyncio
import contextlib
import sys

import channels.exceptions
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

import jobs

HOSTS = [f"redis://127.0.0.1:{jobs.PORT}"]
LAYERS = {
    "core": lambda: RedisChannelLayer(HOSTS, capacity=5, channel_capacity={"wide*": 1000}),
    "encrypted": lambda: RedisChannelLayer(HOSTS, symmetric_encryption_keys=["a key"]),
    "pubsub": lambda: RedisPubSubChannelLayer(HOSTS),
}


async def listen(kind):
    """Joins the group; says what it gets until it is told to end."""
    layer = LAYERS[kind]()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    jobs.mark("listens", channel)
    while True:
        message = await layer.receive(channel)
        jobs.mark("heard", channel, message["text"])
        if message["type"] == "end":
            break
    await layer.group_discard("group", channel)
    jobs.mark("left", channel)


async def speak(kind, *channels):
    layer = LAYERS[kind]()
    for number in range(5):
        await layer.group_send("group", {"type": "say", "text": f"all-{number}"})
    for channel in channels:
        await layer.send(channel, {"type": "say", "text": "alone"})
    await layer.group_send("group", {"type": "end", "text": "end"})


async def rules():
    """What only the layer that stores messages has."""
    layer = LAYERS["core"]()
    for number in range(5):
        await layer.send("narrow", {"type": "say", "number": number})
    try:
        await layer.send("narrow", {"type": "say", "number": 5})
        raise AssertionError("a full channel takes a message")
    except channels.exceptions.ChannelFull:
        pass
    got = [(await layer.receive("narrow"))["number"] for _ in range(5)]
    assert got == list(range(5)), got
    for number in range(50):
        await layer.send("wide-1", {"type": "say", "number": number, "bytes": b"\0\xff"})
    got = [await layer.receive("wide-1") for _ in range(50)]
    assert [one["number"] for one in got] == list(range(50)), got
    assert got[0]["bytes"] == b"\0\xff", got[0]
    # A receiver that waits is woken; one that was cancelled takes nothing away.
    waiting = asyncio.ensure_future(layer.receive("narrow"))
    await layer.send("narrow", {"type": "say", "number": 7})
    assert (await waiting)["number"] == 7
    waiting = asyncio.ensure_future(layer.receive("narrow"))
    await asyncio.wait([waiting], timeout=0.1)
    waiting.cancel()
    await asyncio.wait([waiting])
    await layer.send("narrow", {"type": "say", "number": 8})
    assert (await layer.receive("narrow"))["number"] == 8
    # What nobody fetches in time is thrown away.
    brief = RedisChannelLayer(HOSTS, expiry=1)
    await brief.send("brief", {"type": "say"})
    keys = [key async for key in brief.connection(0).scan_iter("asgi*brief*")]
    assert keys, "the message is stored"
    while await brief.connection(0).exists(*keys):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.02)
    await layer.flush()
    assert [key async for key in layer.connection(0).scan_iter("asgi*")] == []


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(
        globals()[sys.argv[1]](*sys.argv[2:]), float(jobs.os.environ["PATIENCE"])))
