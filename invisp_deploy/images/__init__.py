"""Pictures out and in: JPEG, PNG and TIFF with the record of the way back."""
