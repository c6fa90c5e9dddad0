# SPDX-License-Identifier: MIT
"""What http_server answers to requests that are whole, in pieces, many at once,
wrong, or whose responses nobody reads.

    python3 http_requests.py ./http_server
"""
import re
import socket
import subprocess
import sys
import unittest

SERVER = sys.argv.pop(1)
REQUEST_MS = 500


def received(connection):
    """Everything up to the close, however the server closes."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


class Requests(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen(
            [SERVER, "-t", "1", "-i", "60000", "-h", "60000", "-r", str(REQUEST_MS)],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.server.stdout.readline().split()[-1])

    def tearDown(self):
        if self.server.poll() is None:
            self.stop()

    def stop(self):
        """The server's account of itself: why it closed how many connections."""
        self.server.terminate()
        report = self.server.stdout.read()
        self.server.stdout.close()
        self.assertEqual(self.server.wait(), 0, report)
        return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", report)}

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(connection.close)
        return connection

    def answer(self, request):
        connection = self.connect()
        connection.sendall(request)
        return received(connection)

    def test_pipelined_requests_are_answered_in_order_until_one_asks_to_close(self):
        answer = self.answer(b"GET / HTTP/1.1\r\n\r\n" * 5
                             + b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n"
                             + b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answer), [b"200"] * 5 + [b"404"])

    def test_a_request_may_come_byte_by_byte(self):
        connection = self.connect()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        self.assertTrue(received(connection).startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_http_1_0_is_closed_after_the_response(self):
        self.assertTrue(self.answer(b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nhello\n"))

    def test_a_head_request_gets_no_body(self):
        answer = self.answer(b"HEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertTrue(answer.endswith(b"\r\n\r\n"))
        self.assertRegex(answer, rb"Content-Length: [1-9]")

    def test_a_body_is_read_and_ignored(self):
        answer = self.answer(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345"
                             b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 2)

    def test_what_is_not_http_gets_400(self):
        for request in b"\0\1nonsense\r\n\r\n", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n":
            self.assertTrue(self.answer(request).startswith(b"HTTP/1.1 400 "))

    def test_large_responses_to_a_slow_reader_arrive_whole(self):
        connection = self.connect()
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 100)
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = received(connection)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 101)
        self.assertTrue(answer.endswith(b"\r\n\r\nhello\n"))

    def test_a_peer_that_does_not_read_is_cut_off(self):
        """By its request's timer, or before that because a MiB waits for it."""
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connection.connect(("127.0.0.1", self.port))
        connection.setblocking(False)
        try:
            while True:  # until every buffer on the way is full
                connection.send(b"GET /metrics HTTP/1.1\r\n\r\n" * 10)
        except (BlockingIOError, ConnectionError):
            pass
        # A request that began later and is cut by the same timer: so it is time.
        later = self.answer(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        self.assertTrue(later.endswith(b"request\n"))
        counts = self.stop()
        self.assertEqual(counts["request"] + counts["by_server"], 2, counts)
        self.assertEqual(counts["by_peer"], 0, counts)


if __name__ == "__main__":
    unittest.main()
