"""What a unit, a narrower group or a dropped block is worth: from a few passes over some of the data, without training
and without labels; without data by magnitude."""
