"""Prepared datasets: RAW files of one camera as mosaics and JPEG targets that are read in part."""
