"""The clients of chatd: `chatctl`, one command at a time, and `chat`, an interactive line mode.

Both only talk to a daemon over its Unix socket; they open no store and speak no peer protocol.
"""
