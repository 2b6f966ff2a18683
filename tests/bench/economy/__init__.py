"""What a fleet of a thousand different devices costs in prunes, and what each device loses against one of its own."""
