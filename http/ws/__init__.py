"""The WebSocket: the same turns and sessions, over one connection that stays."""
