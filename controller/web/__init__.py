"""The HTTP face: an API, live events and one page. It reads the store and hands intents to the daemon's loop."""
