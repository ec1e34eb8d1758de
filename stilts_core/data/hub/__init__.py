"""Data sets of the Hugging Face hub, brought into the catalogue's layout."""
