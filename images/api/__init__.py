"""The HTTP doors to photos: who, what, do, answer."""
