"""Sends back what it gets, by gevent. Answers on its output as EchoServer does: its port, then a line for each one that it reads."""

import os
import socket
import sys
import threading
import time

from gevent.server import StreamServer

BACKLOG = 1000
BUFFER = 512


def echo(client, address):
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        data = client.recv(BUFFER)
        if not data:
            return
        client.sendall(data)


def answer_questions():
    """In a thread of its own, which is blocked in between. The CPU time is the whole process's, in nanoseconds."""
    for question in sys.stdin:
        print(time.process_time_ns() if question.strip() == "CPU" else "", flush=True)
    os._exit(0)


server = StreamServer(("127.0.0.1", 0), echo, backlog=BACKLOG)
server.start()
print(server.server_port, flush=True)
threading.Thread(target=answer_questions, daemon=True).start()
server.serve_forever()
