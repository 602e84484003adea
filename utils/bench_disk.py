"""What the disk can do that the servers write to, measured beside them."""

import contextlib
import os
import statistics
import time

CHUNK = 1 << 20
SYNC_BYTES = 8192


def measure_disk(directory, megabytes, syncs):
    """Sequential MB/s written (and synced) and read (from the disk), and the microseconds that an
    append of 8 KB with fdatasync takes."""
    path = os.path.join(directory, "disk")
    data = os.urandom(CHUNK)
    with contextlib.ExitStack() as stack:
        file = os.open(path, os.O_CREAT | os.O_RDWR)
        stack.callback(os.unlink, path)
        stack.callback(os.close, file)
        begin = time.perf_counter()
        for _ in range(megabytes):
            os.write(file, data)
        os.fdatasync(file)
        written = time.perf_counter()
        forget_pages(file)
        os.lseek(file, 0, os.SEEK_SET)
        begin_read = time.perf_counter()
        while os.read(file, CHUNK):
            pass
        read = time.perf_counter()
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        times = sorted(time_sync(file, data[:SYNC_BYTES]) for _ in range(syncs))
    centiles = statistics.quantiles(times, n=100)
    return {"write_mb_per_second": megabytes * CHUNK / 1e6 / (written - begin),
            "read_mb_per_second": megabytes * CHUNK / 1e6 / (read - begin_read),
            "sync_us": {"p50": centiles[49] * 1e6, "p99": centiles[98] * 1e6}}


def time_sync(file, data):
    begin = time.perf_counter()
    os.write(file, data)
    os.fdatasync(file)
    return time.perf_counter() - begin


def forget_pages(file):
    """The next read of what is on the disk comes from the disk."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def forget_directory(directory):
    """The same for all files below it; those that go meanwhile do not matter."""
    for path in files_below(directory):
        with contextlib.suppress(FileNotFoundError):
            file = os.open(path, os.O_RDONLY)
            os.fdatasync(file)
            forget_pages(file)
            os.close(file)


def files_below(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(folder, name)


def bytes_below(directory):
    """What the files take on the disk."""
    total = 0
    for path in files_below(directory):
        with contextlib.suppress(FileNotFoundError):
            total += os.stat(path).st_blocks * 512
    return total


def free_bytes(directory):
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def file_system(directory):
    """The type of the file system that holds the directory, as the kernel names it."""
    path = os.path.realpath(directory)
    best, kind = "", "unknown"
    with open("/proc/mounts") as mounts:
        for line in mounts:
            _, point, this_kind = line.split()[:3]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, this_kind
    return kind
