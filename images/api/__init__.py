"""The API of groups, photos and uploads."""
