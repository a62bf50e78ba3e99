"""What a picture carries so that its RAW comes back better than by the network: predictor, highlights, residual.

The way back computes in whole numbers throughout, so that it is the same on every machine.
"""
