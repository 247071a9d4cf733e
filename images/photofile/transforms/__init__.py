"""Transforms: what somebody asks to be made of a picture, and the file it gives."""
