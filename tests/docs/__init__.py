"""What the documentation shows, made from the programs themselves, and checked."""
