"""Camera files: RAW in, frame, levels, demosaicing, DNG out."""
