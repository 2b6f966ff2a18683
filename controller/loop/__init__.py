"""The one loop: what happened is recorded, rules decide, and what they say is performed and sent."""
