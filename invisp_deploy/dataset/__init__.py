"""Prepared datasets: RAW files as mosaics and JPEG targets that are read in part."""
