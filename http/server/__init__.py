"""The server: sockets, protocols and what a client may do to them; it knows ASGI and no endpoint."""
