"""What units are worth, estimated from a few passes over some of the data, without training and without labels."""
