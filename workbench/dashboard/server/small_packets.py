"""Small packets are sent at once: Nagle's algorithm is turned off for every connection of the server.

Streamlit binds its listening socket without naming the protocol, and asyncio turns the algorithm off only on
sockets that name it (https://github.com/Kludex/uvicorn/issues/3149). With it on, what is sent in two packets,
as is any file of a page, waits between them for the browser's acknowledgement, which Linux delays by 40 ms.
"""

import socket

import psutil


def send_small_packets_at_once() -> None:
    """Set TCP_NODELAY on the sockets on which this process listens; connections inherit it.

    Called once they are bound, and before the first connection.
    """
    for one in psutil.Process().net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN:
            # Another handle of the same socket: an option that is set on the one is set on the other.
            with socket.fromfd(one.fd, one.family, one.type) as listening:
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
