"""What a camera's frame goes through before the network and after it, both ways.

`recipe` has the numbers of one frame and the table of graph inputs, `steps` the list of reversible steps in numpy and
as graph nodes, `develop` walks them in numpy, `alignment` brings a frame to the phase that a network needs.
"""
