#!/usr/bin/python3
"""at_terminal.py [PROMPT ANSWER]... -- COMMAND...   a person at a terminal.

Runs COMMAND with a terminal of its own (a pseudo terminal that is its controlling one), waits for each PROMPT and types the
ANSWER ("^C": the interrupt key). Prints what the terminal showed, then "echo on" or "echo off" as the command left it, and ends
with the command's status.
"""
import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time

cut = sys.argv.index("--")
talk, command = sys.argv[1:cut], sys.argv[cut + 1:]
master, slave = os.openpty()


def own():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own)
shown, seen, deadline = b"", 0, time.monotonic() + 12


def show(wait):
    global shown
    if not select.select([master], [], [], wait)[0]:
        return False
    shown += os.read(master, 4096)
    return True


for prompt, answer in zip(talk[::2], talk[1::2]):
    while prompt.encode() not in shown[seen:] and process.poll() is None and time.monotonic() < deadline:
        show(0.05)
    seen = len(shown)
    time.sleep(0.1)  # the echo goes off right after the prompt
    os.write(master, b"\x03" if answer == "^C" else answer.encode() + b"\n")
while process.poll() is None and time.monotonic() < deadline:
    show(0.05)
if process.poll() is None:
    os.killpg(process.pid, signal.SIGKILL)
status = process.wait()
while show(0.05):
    pass
sys.stdout.write(shown.decode(errors="replace").replace("\r\n", "\n"))
print("\necho", "on" if termios.tcgetattr(slave)[3] & termios.ECHO else "off")
sys.exit(status if status >= 0 else 128 - status)
