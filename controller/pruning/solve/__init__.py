"""Which structure to choose under the caps: numbers in, numbers out. No torch, no runtime, no shelf."""
