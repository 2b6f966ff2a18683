"""Pure rules: no clock, no database, no socket, no torch. Read `decide.py` first."""
