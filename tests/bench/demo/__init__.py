"""The demo ten times in a row, half of them beside another program that wants a core for itself."""
