#!/usr/bin/env python3
"""Installs a build into a temporary directory and uses what lies there: packaging_test.py SOURCE BUILD

The installed configuration must be good, the unit must start the server and be told of it, logrotate
must rotate the log, and the manual pages must be readable. What this machine has no program for
(man, logrotate, systemd-analyze) is skipped and said.
"""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_SECONDS = 60


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def eventually(condition, what):
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        select.select([], [], [], 0.01)


class Installation:
    def __init__(self, source, build, root):
        self.prefix, self.etc, self.var = (os.path.join(root, d) for d in ("usr", "etc", "var"))
        self.environment = dict(os.environ, PREFIX=self.prefix, SYSCONFDIR=self.etc,
                                LOCALSTATEDIR=self.var, DESTDIR="")
        self.command = [os.path.join(source, "utils", "packaging", "install"), build]
        self.install()

    def install(self):
        run(*self.command, env=self.environment)

    def path(self, *parts):
        return os.path.join(self.prefix, *parts)

    @property
    def conf(self):
        return os.path.join(self.etc, "runnel", "runnel.conf")

    @property
    def log(self):
        return os.path.join(self.var, "log", "runnel", "runnel.log")


def test_files(installation):
    for program in ("runnel-server", "runnel-check", "runnel-bench"):
        assert os.access(installation.path("bin", program), os.X_OK), program
        assert os.path.exists(installation.path("share", "man", "man1", program + ".1"))
    for directory, _, names in os.walk(os.path.dirname(installation.prefix)):
        for name in names:
            if not name.startswith("runnel-"):
                text = read(os.path.join(directory, name))
                assert not re.search(r"@[A-Z]+@", text), f"{name} has a path that is not filled in"


def test_versions(installation):
    for program in ("runnel-server", "runnel-check", "runnel-bench"):
        out = run(installation.path("bin", program), "--version")
        assert re.search(r"\d+\.\d+\.\d+", out), out


def test_configuration_is_kept(installation):
    with open(installation.conf, "a", encoding="utf-8") as file:
        file.write("\n# mine\nport 0\n")
    before = read(installation.conf)
    installation.install()
    assert read(installation.conf) == before
    assert os.path.exists(installation.conf + ".new")


def test_configuration(installation):
    out = run(installation.path("bin", "runnel-server"), "--check-config", installation.conf)
    assert out == "The configuration is good.\n", out


def exec_start(installation):
    unit = read(installation.path("lib", "systemd", "system", "runnel.service"))
    assert "\nType=notify\n" in unit
    return re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).split()


def test_manual_pages(installation):
    if not shutil.which("man") or not shutil.which("groff"):
        return print("skipped: there is no man")
    for name in os.listdir(installation.path("share", "man", "man1")):
        page = installation.path("share", "man", "man1", name)
        out = run("man", "--warnings", "-l", "-Tutf8", page, env=dict(os.environ, MANPAGER="cat"))
        out = re.sub(".\b", "", out)  # bold and underlined letters are written twice
        assert "\nSEE ALSO\n" in out and "warning:" not in out, out


def test_unit(installation):
    if not shutil.which("systemd-analyze"):
        return print("skipped: there is no systemd-analyze")
    unit = installation.path("lib", "systemd", "system", "runnel.service")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    wrong = [line for line in done.stdout.splitlines() if "runnel.service" in line]
    assert not wrong, wrong


def rotate(installation, pid, root):
    """Runs logrotate with the installed file; `systemctl kill` is a program that signals `pid`."""
    stand_in = os.path.join(root, "bin")
    os.makedirs(stand_in)
    with open(os.path.join(stand_in, "systemctl"), "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\n[ "$*" = "kill --signal=HUP runnel.service" ] && kill -HUP {pid}\n')
    os.chmod(os.path.join(stand_in, "systemctl"), 0o755)
    rules = read(os.path.join(installation.etc, "logrotate.d", "runnel"))
    # The user of the service need not be here.
    mine = os.path.join(root, "logrotate.conf")
    with open(mine, "w", encoding="utf-8") as file:
        file.write(rules.replace("create 0640 runnel runnel", "create 0640"))
    os.chmod(mine, 0o644)
    run(shutil.which("logrotate") or "/usr/sbin/logrotate", "--force", "--state",
        os.path.join(root, "state"), mine,
        env=dict(os.environ, PATH=stand_in + os.pathsep + os.environ["PATH"]))


def test_service(installation, root):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(os.path.join(root, "notify"))
    notify.settimeout(PATIENCE_SECONDS)
    server = subprocess.Popen(
        exec_start(installation) + ["--port", "0", "--unixsocket", os.path.join(root, "socket")],
        env=dict(os.environ, NOTIFY_SOCKET=os.path.join(root, "notify")))
    try:
        assert notify.recv(4096).startswith(b"READY=1\n")
        client = socket.socket(socket.AF_UNIX)
        client.connect(os.path.join(root, "socket"))
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        assert os.path.exists(os.path.join(installation.var, "lib", "runnel", "runnel.lock"))
        assert "Ready to accept connections" in read(installation.log)
        if shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin"):
            rotate(installation, server.pid, root)
            eventually(lambda: os.path.exists(installation.log)
                       and "The log file was reopened" in read(installation.log),
                       "the log file is not reopened")
            assert "Ready to accept connections" in read(installation.log + ".1")
        else:
            print("skipped: there is no logrotate")
        server.send_signal(signal.SIGTERM)
        assert notify.recv(4096).startswith(b"STOPPING=1\n")
        assert server.wait(PATIENCE_SECONDS) == 0
        assert "Bye" in read(installation.log)
    finally:
        server.kill()
        server.wait()


def main():
    source, build = sys.argv[1:]
    with tempfile.TemporaryDirectory() as root:
        installation = Installation(source, build, root)
        test_files(installation)
        test_versions(installation)
        test_configuration(installation)
        test_configuration_is_kept(installation)
        test_manual_pages(installation)
        test_unit(installation)
        test_service(installation, root)
    print("good")


if __name__ == "__main__":
    main()
