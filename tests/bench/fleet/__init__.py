"""What a fleet of 1,000 to 100,000 devices costs the controller: to accept, to place, to listen to, to remember."""
