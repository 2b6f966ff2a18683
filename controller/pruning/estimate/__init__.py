"""What a unit, a narrower group or a dropped block is worth: by signs, and by cutting and looking."""
