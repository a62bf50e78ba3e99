"""Tables, plots and sheets that people look at."""
