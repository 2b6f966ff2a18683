"""Stand-ins that ship with the product: a broker in memory, devices of physics, a scratch sysfs.

They run the real decision code, so that stories under a virtual clock and the demo mean something.
"""
