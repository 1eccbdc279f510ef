"""What the server sends in two packets does not wait for an acknowledgement between them."""

import http.client
import socket
import time
from urllib.parse import urlsplit

import pytest

from workbench.dashboard.server.preloading import scripts
from workbench.dashboard.server.small_packets import send_small_packets_at_once

DELAYED = 0.04  # seconds by which Linux delays an acknowledgement


def test_connections_to_a_socket_that_names_no_protocol_send_at_once():
    with socket.socket(socket.AF_INET) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        send_small_packets_at_once()
        with socket.create_connection(listening.getsockname()) as _, listening.accept()[0] as accepted:
            assert accepted.proto == 0
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_a_served_file_comes_without_the_delay(serve, tmp_path):
    connection = http.client.HTTPConnection(urlsplit(serve(tmp_path)).netloc)
    taken = []
    for _ in range(40):  # the first ones are acknowledged at once, whatever the server does
        begun = time.perf_counter()
        connection.request("GET", f"/static/js/{scripts()[0]}")
        answer = connection.getresponse()
        assert answer.read()
        assert answer.status == 200
        taken.append(time.perf_counter() - begun)
    assert sorted(taken[20:])[5] < DELAYED / 2
