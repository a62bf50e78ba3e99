"""Files in and out: RAW, DNG, JPEG, PNG, TIFF, EXIF, and the record of the way back."""
